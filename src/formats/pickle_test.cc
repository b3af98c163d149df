// SPDX-License-Identifier: Apache-2.0
#include "formats/pickle.h"

#include <array>

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/expect_error.h"

namespace vila::formats {
namespace {

using namespace std::string_literals;

constexpr std::array<std::string_view, 2> kGlobals = {"collections.OrderedDict", "some.function"};

Pickle read(std::string_view bytes, PickleRules rules = {.globals = kGlobals}) {
  return read_pickle(std::as_bytes(std::span(bytes)), rules, "x.pkl");
}

void expect_refused(const std::string& bytes, const std::string& part) {
  test::expect_error(ErrorCode::invalid_model, part, [&] { read(bytes); });
}

const std::string kProtocol = "\x80\x02";

TEST(Pickle, ReadsPlainValues) {
  const Pickle pickle = read(kProtocol + "(NJ\xff\xff\xff\xffK\x07M\x01\x02\x88\x89"s +
                             "\x8a\x02\x00\xff\x8a\x00G\x3f\xf8\x00\x00\x00\x00\x00\x00"s +
                             "X\x02\x00\x00\x00\xc3\xa4\x8c\x01zt."s);
  const PickleNode& root = pickle[pickle.root];
  ASSERT_EQ(root.kind, PickleKind::tuple);
  ASSERT_EQ(root.items.size(), 11U);
  const auto item = [&](size_t i) -> const PickleNode& { return pickle[root.items[i]]; };
  EXPECT_EQ(item(0).kind, PickleKind::none);
  EXPECT_EQ(item(1).integer, -1);
  EXPECT_EQ(item(2).integer, 7);
  EXPECT_EQ(item(3).integer, 513);
  EXPECT_EQ(item(4).kind, PickleKind::boolean);
  EXPECT_EQ(item(4).integer, 1);
  EXPECT_EQ(item(5).integer, 0);
  EXPECT_EQ(item(6).integer, -256);
  EXPECT_EQ(item(7).integer, 0);
  EXPECT_EQ(item(8).real, 1.5);
  EXPECT_EQ(item(9).text, "ä");
  EXPECT_EQ(item(10).text, "z");
}

TEST(Pickle, ReadsContainersAndTheMemo) {
  const Pickle pickle =
      read(kProtocol + "}q\x00(X\x01\x00\x00\x00lq\x01](K\x01K\x02"s + "eh\x01K\x03\x85u."s);
  const PickleNode& root = pickle[pickle.root];
  ASSERT_EQ(root.kind, PickleKind::dict);
  ASSERT_EQ(root.items.size(), 4U);
  EXPECT_EQ(root.items[0], root.items[2]) << "one key, remembered";
  EXPECT_EQ(pickle[root.items[1]].kind, PickleKind::list);
  EXPECT_EQ(pickle[root.items[1]].items.size(), 2U);
  EXPECT_EQ(pickle[root.items[3]].kind, PickleKind::tuple);
}

TEST(Pickle, ReadsNewerForms) {
  const std::string frame = "\x95\x10\x00\x00\x00\x00\x00\x00\x00"s;
  const Pickle pickle =
      read("\x80\x04"s + frame + "\x8c\x0b"s +
           "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94" + "\x8c\x01kh\x00s}b."s);
  const PickleNode& root = pickle[pickle.root];
  EXPECT_EQ(root.kind, PickleKind::dict);
  ASSERT_EQ(root.items.size(), 2U);
  EXPECT_EQ(pickle[root.items[1]].text, "collections");
}

TEST(Pickle, KeepsACallAsADescription) {
  const Pickle pickle = read(kProtocol + "csome\nfunction\nK\x05\x85R.");
  const PickleNode& call = pickle[pickle.root];
  ASSERT_EQ(call.kind, PickleKind::call);
  EXPECT_EQ(pickle[call.items[0]].text, "some.function");
  EXPECT_EQ(pickle[pickle[call.items[1]].items[0]].integer, 5);
}

TEST(Pickle, RefusesEveryOtherGlobalByName) {
  expect_refused(kProtocol + "cos\nsystem\nX\x04\x00\x00\x00true\x85R."s, "\"os.system\"");
  expect_refused(kProtocol + "cposix\nsystem\n.", "\"posix.system\"");
  expect_refused(kProtocol + "c__builtin__\neval\n.", "\"__builtin__.eval\"");
  expect_refused("\x80\x04\x8c\x02os\x8c\x06system\x93."s, "\"os.system\"");
  expect_refused(
      "\x80\x04\x8c\x08"
      "builtins\x8c\x0cgetattr.eval\x93."s,
      "getattr");
  expect_refused(kProtocol + "csome\nfunction.__globals__\n.", "some.function.__globals__");
}

TEST(Pickle, RefusesOpcodesThatMakeObjectsByName) {
  expect_refused(kProtocol + "(X\x02\x00\x00\x00lsios\nsystem\n."s, "INST");
  expect_refused(kProtocol + "(csome\nfunction\no.", "OBJ");
  expect_refused(kProtocol + "csome\nfunction\n)\x81.", "NEWOBJ");
  expect_refused(kProtocol + "csome\nfunction\n)}\x92.", "NEWOBJ_EX");
  expect_refused(kProtocol + "\x82\x01."s, "EXT1");
  expect_refused(kProtocol + "Pid\n.", "PERSID");
}

TEST(Pickle, RefusesWhatNoOpcodeIs) {
  for (int code = 0; code < 256; ++code) {
    const std::string bytes = kProtocol + static_cast<char>(code) + std::string(300, '\0') + ".";
    try {
      read(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_model);
    }
  }
}

TEST(Pickle, RefusesCallsOfValuesAndChainsOfCalls) {
  expect_refused(kProtocol + "K\x01)R."s, "an integer");
  expect_refused(kProtocol + "csome\nfunction\n)R)R.", "a call");
  expect_refused(kProtocol + "csome\nfunction\nK\x01R."s, "an integer");
  expect_refused(kProtocol +
                     "ccollections\nOrderedDict\n](K\x01"
                     "e\x85R."s,
                 "arguments");
}

TEST(Pickle, RefusesAStackThatDoesNotHoldWhatIsTaken) {
  for (const std::string bytes : {".", "0.", "\x85.", "t.", "(\x85.", "a.", "}s.", "}K\x01s.", "R.",
                                  "Q.", "b.", "q\x01.", "h\x05.",
                                  "](K\x01"
                                  "a.",
                                  "](s."}) {
    EXPECT_THROW(read(kProtocol + bytes), Error) << bytes;
  }
  expect_refused(kProtocol + "}(K\x01u."s, "pairs");
  expect_refused(kProtocol +
                     "K\x01K\x02"
                     "a."s,
                 "a list");
  expect_refused(kProtocol + "]}b."s, "a dict");
}

TEST(Pickle, AHugeMemoIndexCostsNothing) {
  const Pickle pickle = read(kProtocol + "Nr\xff\xff\xff\xffj\xff\xff\xff\xff\x86."s);
  EXPECT_EQ(pickle.nodes.size(), 2U);
}

TEST(Pickle, BoundsValuesStackMarksAndMemo) {
  const PickleRules rules{.globals = kGlobals, .max_nodes = 1000};
  std::string memo;
  for (int i = 0; i < 1100; ++i)
    memo += "r"s + static_cast<char>(i) + static_cast<char>(i >> 8) + "\0\0"s;
  for (const std::string& bomb : {std::string(1100, ']'), std::string(1100, '('),
                                  "Nq\x01"s +
                                      [] {
                                        std::string gets;
                                        for (int i = 0; i < 1100; ++i)
                                          gets += "h\x01";
                                        return gets;
                                      }(),
                                  "N" + memo}) {
    test::expect_error(ErrorCode::invalid_model, "at most 1000",
                       [&] { read(kProtocol + bomb + ".", rules); });
  }
  test::expect_error(ErrorCode::invalid_model, "at most 4 bytes",
                     [] { read(kProtocol + "NNN.", {.globals = kGlobals, .max_bytes = 4}); });
}

TEST(Pickle, DeepNestingAndSelfReferenceNeitherRecurseNorHang) {
  const Pickle deep = read(kProtocol + "N" + std::string(500'000, '\x85') + ".");
  EXPECT_EQ(deep.nodes.size(), 500'001U);
  const Pickle self = read(kProtocol +
                           "]q\x01h\x01"
                           "a."s);
  EXPECT_EQ(self[self.root].items[0], self.root);
}

TEST(Pickle, RefusesBrokenTextAndNumbers) {
  expect_refused(kProtocol + "X\x01\x00\x00\x00\xff."s, "UTF-8");
  expect_refused(kProtocol +
                     "X\xff\xff\xff\xff"
                     "a."s,
                 "more bytes");
  expect_refused(kProtocol +
                     "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                     "a."s,
                 "more bytes");
  expect_refused(kProtocol +
                     "\x8a\x09"
                     "123456789."s,
                 "8 bytes");
  expect_refused(kProtocol + "c" + std::string(300, 'a') + "\nb\n.", "a name");
  expect_refused("\x80\x09N."s, "protocol");
  expect_refused("\x80\x01N."s, "protocol");
}

}  // namespace
}  // namespace vila::formats
