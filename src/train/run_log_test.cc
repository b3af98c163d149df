// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <cstring>

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace vila::train {
namespace {

TEST(RunLog, Crc32cIsTheCastagnoliOne) {
  // RFC 3720, appendix B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
}

TEST(RunLog, AnEventIsTheProtobufOfTensorflow) {
  // Event(wall_time=1.5, step=300, summary=Summary(value=[Value(tag="a", simple_value=2)])).
  const std::string expected(
      "\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\xac\x02\x2a\x0a"
      "\x0a\x08\x0a\x01\x61\x15\x00\x00\x00\x40",
      24);
  EXPECT_EQ(scalar_event(300, 1.5, {{"a", 2.0}}), expected);
}

TEST(RunLog, ARecordHoldsLengthAndMaskedChecksums) {
  const std::string record = tf_record("123456789");
  ASSERT_EQ(record.size(), 8U + 4U + 9U + 4U);
  EXPECT_EQ(record.substr(0, 8), std::string("\x09\0\0\0\0\0\0\0", 8));
  const uint32_t crc = 0xe3069283U;
  const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
  uint32_t found = 0;
  std::memcpy(&found, record.data() + 21, 4);
  EXPECT_EQ(found, masked);
}

TEST(RunLog, AResumedLogHasNoDoubles) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "logs/train.jsonl";
  {
    JsonlLog log(file, 0);
    for (const int64_t step : {1, 2, 3})
      log.write(step, {{"loss", 0.5}});
  }
  JsonlLog(file, 2).write(3, {{"loss", 0.25}});
  EXPECT_EQ(read_file(file),
            "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.5}\n{\"step\":3,\"loss\":0.25}\n");
}

}  // namespace
}  // namespace vila::train
