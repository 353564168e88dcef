// Receive queues of every spec, with every choice of its features, against a peer that writes
// anything at all into the memory that it shares: rings, cells, doorbells, buffers.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/rounds.h"
#include "tests/unit/dataplane/rx_pair.h"

namespace qsplit::dataplane::testing {
namespace {

// A few bytes at random, sometimes whole spans of them, sometimes small numbers.
void Scribble(std::span<std::byte> memory, Random* random_source) {
  Random& random = *random_source;
  if (memory.empty()) return;
  const size_t begin = random() % memory.size();
  const size_t length = std::min<size_t>(memory.size() - begin,
                                         random() % 8 == 0 ? random() % 4096 : 1 + random() % 64);
  const uint32_t kind = random() % 4;
  for (size_t i = begin; i < begin + length; ++i) {
    memory[i] = kind == 0   ? std::byte{0xff}
                : kind == 1 ? static_cast<std::byte>(random() % 4)
                            : static_cast<std::byte>(random());
  }
}

class RxHostile : public ::testing::TestWithParam<RxCase> {};

TEST_P(RxHostile, ADeviceLeadsNowhereButToPostedBuffers) {
  Random random(3);
  for (uint32_t run = 0; run < 8; ++run) {
    RxPair p(GetParam(), 8u << (run % 3), BufferBytesFrom(GetParam(), 256), 600);
    auto shared = p.memory().Shared();
    shared.push_back(p.region().bytes());
    for (uint32_t step = 0; step < qsplit::testing::RoundsOfEach(400); ++step) {
      p.Post(random() % 32);
      p.driver().Publish();
      // An honest packet now and then, so that the rest is not out of step from the start.
      if (random() % 3 != 0) p.SendIfPossible(MakePacket(step, 1 + random() % 2000));
      p.device().Publish();
      for (uint32_t i = random() % 4; i > 0; --i) {
        Scribble(shared[random() % shared.size()], &random);
      }
      p.Poll(1 + random() % 64);
      p.got.clear();
      ASSERT_EQ(p.driver().Outstanding(), p.PostedBuffers());
      if (HasFailure()) return;
    }
    EXPECT_EQ(p.memory().BrokenGuard(), "");
  }
}

TEST_P(RxHostile, ADriverCannotMakeTheDeviceLeaveItsRings) {
  Random random(5);
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(24); ++run) {
    RxPair p(GetParam(), 8u << (run % 3), BufferBytesFrom(GetParam(), 256), 600);
    auto shared = p.memory().Shared();
    for (uint32_t step = 0; step < 200; ++step) {
      p.Post(random() % 32);
      p.driver().Publish();
      if (random() % 2 != 0) Scribble(shared[random() % shared.size()], &random);
      for (uint32_t i = random() % 6; i > 0; --i) {
        PostedBuffer buffer;
        const RingFault fault = p.device().Fetch(&buffer, random() % 2 == 0, random() % 3000);
        if (fault == RingFault::kNone) {
          ASSERT_GT(buffer.bytes, 0u);
          if (buffer.memory != nullptr) {
            ASSERT_TRUE(p.memory().Holds(buffer.memory, buffer.bytes));
          }
        } else if (fault != RingFault::kEmpty) {
          EXPECT_EQ(p.device().Fetch(&buffer), fault);  // it stays so
        }
      }
      if (random() % 8 == 0) p.device().Unfetch();
      for (uint32_t i = random() % 6; i > 0; --i) {
        const uint32_t before = p.device().Fetched();
        if (random() % 16 == 0) {
          p.device().Skip();
        } else {
          RxResult result;
          result.length = random() % 4 == 0 ? random() : random() % 3000;
          result.last = random() % 3 != 0;
          result.meta = MakeMetadata(GetParam(), RxFields::All(), &random);
          ASSERT_EQ(p.device().Complete(result), before != 0);
        }
        ASSERT_EQ(p.device().Fetched(), before - (before != 0));
      }
      p.device().PeekAvailable();
      p.device().Publish();
      p.device().SetNeedWakeup(random() % 2 == 0);
      p.Poll(1 + random() % 64);
      p.got.clear();
    }
    EXPECT_EQ(p.memory().BrokenGuard(), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, RxHostile, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
