// Both sides of receive queues at once, each in its thread, over every spec with every choice of
// its features; packet bytes are written and read without any other synchronisation than the rings:
// for the thread sanitizer, and for a count of what went through.
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/dataplane/rx_pair.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr uint32_t kPackets = 4000;

uint32_t LengthOf(uint32_t number, uint32_t buffer_bytes) {
  return 1 + number * 7919 % (number % 8 == 0 ? 3 * buffer_bytes : buffer_bytes / 2);
}

class RxPairThreads : public ::testing::TestWithParam<RxCase> {};

TEST_P(RxPairThreads, WhatWasWrittenBeforeACompletionIsSeenAfterIt) {
  RxPair p(GetParam(), 64, BufferBytesFrom(GetParam(), 256), 512);
  std::thread device([&] {
    for (uint32_t i = 0; i < kPackets;) {
      // A burst that ends when nothing is posted.
      bool any = false;
      for (uint32_t k = 0; k < 16 && i < kPackets; ++k) {
        if (!p.Send(MakePacket(i, LengthOf(i, p.buffer_bytes())))) break;
        any = true;
        ++i;
      }
      p.device().Publish();
      if (!any) std::this_thread::yield();
    }
  });
  for (uint32_t i = 0; i < kPackets && !HasFailure();) {
    p.Post(64);
    p.driver().Publish();
    if (p.Poll(32) == 0) std::this_thread::yield();
    for (; !p.got.empty(); p.got.pop_front(), ++i) {
      ASSERT_EQ(p.got.front().bytes, MakePacket(i, LengthOf(i, p.buffer_bytes())).bytes) << i;
    }
  }
  device.join();
  EXPECT_EQ(p.driver().Outstanding(), p.PostedBuffers());
  EXPECT_EQ(p.memory().BrokenGuard(), "");
}

INSTANTIATE_TEST_SUITE_P(Specs, RxPairThreads, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
