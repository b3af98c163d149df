// SPDX-License-Identifier: Apache-2.0
#include "cli/transfer_line.h"

#include <gtest/gtest.h>

#include "cli/hub_options.h"

namespace vila::cli {
namespace {

TEST(SizeText, TakesTheUnitThatFits) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(1500), "1.5 kB");
  EXPECT_EQ(size_text(999'999), "1.0 MB");
  EXPECT_EQ(size_text(13'480'000'000), "13.5 GB");
}

TEST(DurationText, TakesTheTwoUnitsThatFit) {
  EXPECT_EQ(duration_text(0.2), "0 s");
  EXPECT_EQ(duration_text(59.6), "1 min 0 s");
  EXPECT_EQ(duration_text(100), "1 min 40 s");
  EXPECT_EQ(duration_text(7500), "2 h 5 min");
}

TEST(TransferText, HasSpeedAndTimeLeftOnceBytesArrived) {
  const hub::Hooks::Progress progress{"m.bin", 0, 0, 1'000'000, 4'000'000};

  EXPECT_EQ(transfer_text(progress, 0, 2), "m.bin  1.0 MB of 4.0 MB, 25 %");
  EXPECT_EQ(transfer_text(progress, 500'000, 2),
            "m.bin  1.0 MB of 4.0 MB, 25 %, 250.0 kB/s, 12 s left");
}

TEST(TransferText, IsWholeForNothingToDo) {
  EXPECT_EQ(transfer_text({"empty", 0, 0, 0, 0}, 0, 0), "empty  0 B of 0 B, 100 %");
}

TEST(TransferLine, WritesOneLineForEachFileWhereThereIsNoTerminal) {
  TransferLine line(false);
  const TransferLine::Clock::time_point now{};
  testing::internal::CaptureStderr();

  line.show({"a", 0, 10, 0, 30}, now);
  line.show({"a", 10, 10, 10, 30}, now + std::chrono::seconds(1));
  line.show({"b", 0, 20, 10, 30}, now + std::chrono::seconds(2));
  line.finish();

  EXPECT_EQ(testing::internal::GetCapturedStderr(), "a  10 B\nb  20 B\n");
}

TEST(TransferLine, RewritesOneLineOnATerminalButNotTooOften) {
  TransferLine line(true);
  const TransferLine::Clock::time_point now = TransferLine::Clock::now();
  testing::internal::CaptureStderr();

  line.show({"a", 0, 10, 0, 10}, now);
  line.show({"a", 1, 10, 1, 10}, now + std::chrono::milliseconds(1));
  line.show({"a", 10, 10, 10, 10}, now + std::chrono::seconds(1));
  line.finish();

  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "\r\x1b[Ka  0 B of 10 B, 0 %\r\x1b[Ka  10 B of 10 B, 100 %, 10 B/s, 0 s left\n");
}

}  // namespace
}  // namespace vila::cli
