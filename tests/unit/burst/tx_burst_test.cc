// Transmit bursts write what the engine writes, bit for bit: the engine alone, the plan
// interpreted, and machine code made of it, over every spec; those that have no bursts push one by
// one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/burst_cache.h"
#include "tests/support/rounds.h"
#include "tests/unit/dataplane/tx_rig.h"
#include "tests/unit/dataplane/without_plan.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr AccessMode kModes[] = {AccessMode::kEngine, AccessMode::kInterpreted,
                                 AccessMode::kCompiled};
constexpr uint32_t kSides = 3;

class TxBursts : public ::testing::TestWithParam<TxCase> {
 protected:
  void MakeRigs(uint32_t report_every) {
    for (uint32_t i = 0; i < kSides; ++i) {
      rigs_[i] =
          std::make_unique<TxRig>(GetParam(), 64, TxOptions{report_every, kModes[i], &cache_});
    }
  }
  // Both sides' bytes of the rings are equal.
  void CheckSame() {
    const auto expected = rigs_[0]->rings.Shared();
    for (uint32_t i = 1; i < kSides; ++i) {
      const auto got = rigs_[i]->rings.Shared();
      for (size_t k = 0; k < expected.size(); ++k) {
        ASSERT_EQ(std::memcmp(got[k].data(), expected[k].data(), expected[k].size()), 0)
            << "mode " << i << ", memory " << k;
      }
      ASSERT_EQ(rigs_[i]->driver->Outstanding(), rigs_[0]->driver->Outstanding());
      ASSERT_EQ(rigs_[i]->driver->Room(), rigs_[0]->driver->Room());
    }
  }
  // What is made for the first rigs, later ones have too.
  BurstCache cache_;
  std::unique_ptr<TxRig> rigs_[kSides];
};

// Where a packet is no more than an address: its bytes go into no ring.
std::vector<TxCase> CasesOfAddresses() {
  std::vector<TxCase> cases = AllTxCases();
  std::erase_if(cases, [](const TxCase& one) {
    const TxRig rig(one);
    return rig.status.ok() && rig.driver->NeedsMemory();
  });
  return cases;
}
class WrittenTxBursts : public TxBursts {};
class CompletedTxBursts : public TxBursts {};

std::vector<TxPacket> RandomPackets(TxRig& rig, Random& random, uint32_t* cookie) {
  std::vector<TxPacket> packets(random() % 40);
  for (TxPacket& packet : packets) {
    const TxSegment segment = RandomSegments(rig, random, 1).front();
    packet = {segment.address, segment.bytes, (*cookie)++};
    if (random() % 50 == 0) packet.bytes = random() % 4 == 0 ? 0 : random() % 200000;
    if (random() % 50 == 0) packet.address = Iova(random.Wide());
  }
  return packets;
}

TEST_P(WrittenTxBursts, AreWhatTheEngineWrites) {
  Random random(17);
  for (uint32_t run = 0; run < 8; ++run) {
    MakeRigs(1 + random() % 40);
    ASSERT_TRUE(rigs_[0]->status.ok()) << rigs_[0]->status;
    // Not where that stands in front of packets, of which a burst knows the addresses alone.
    const bool asks = rigs_[0]->driver->BytesBefore() == 0;
    uint32_t cookie = 0;
    TxRequest request;
    for (uint32_t step = 0; step < qsplit::testing::RoundsOfEach(120); ++step) {
      if (asks && random() % 3 == 0) request = RandomRequest(*rigs_[0], random);
      if (random() % 4 == 0) request = TxRequest{};
      const std::vector<TxPacket> packets = RandomPackets(*rigs_[0], random, &cookie);
      PushResult why[kSides];
      uint32_t pushed[kSides];
      for (uint32_t i = 0; i < kSides; ++i) {
        pushed[i] = rigs_[i]->driver->PushBurst(packets, request, &why[i]);
        ASSERT_EQ(pushed[i], pushed[0]) << "mode " << i;
        ASSERT_EQ(why[i], why[0]) << "mode " << i;
        ASSERT_EQ(why[i] == PushResult::kPushed, pushed[i] == packets.size());
      }
      CheckSame();
      if (HasFatalFailure()) return;
      // A packet of several segments, or with another request, in between.
      if (random() % 4 == 0) {
        const uint32_t segments = 1 + random() % std::min(3u, rigs_[0]->driver->MaxSegments());
        const std::vector<TxSegment> one = RandomSegments(*rigs_[0], random, segments);
        const TxRequest other = asks ? RandomRequest(*rigs_[0], random) : TxRequest();
        for (const auto& rig : rigs_) rig->driver->Push(one, other, cookie);
        ++cookie;
      }
      if (random() % 3 != 0) {
        for (const auto& rig : rigs_) rig->driver->Publish();
      }
      CheckSame();
      if (HasFatalFailure()) return;
      const uint32_t most = random() % 50;
      for (const auto& rig : rigs_) {
        TxWork work;
        for (uint32_t n = 0; n < most && rig->device->Fetch(&work) == RingFault::kNone; ++n) {
          rig->device->Complete(work.handle);
        }
      }
      if (random() % 3 == 0) continue;
      const std::vector<uint32_t> expected = rigs_[0]->ReclaimAll();
      for (uint32_t i = 1; i < kSides; ++i) ASSERT_EQ(rigs_[i]->ReclaimAll(), expected);
    }
    for (const auto& rig : rigs_) EXPECT_EQ(rig->rings.BrokenGuard(), "");
  }
}

// What the device may write may be anything: the same things come of it.
TEST_P(CompletedTxBursts, AreReadAsTheEngineReadsAnyBytes) {
  Random random(29);
  for (uint32_t run = 0; run < 12; ++run) {
    MakeRigs(1 + random() % 8);
    ASSERT_TRUE(rigs_[0]->status.ok()) << rigs_[0]->status;
    uint32_t cookie = 0;
    for (uint32_t step = 0; step < 60; ++step) {
      const std::vector<TxPacket> packets = RandomPackets(*rigs_[0], random, &cookie);
      PushResult why;
      for (const auto& rig : rigs_) rig->driver->PushBurst(packets, TxRequest{}, &why);
      if (random() % 4 != 0) {
        for (const auto& rig : rigs_) rig->driver->Publish();
      }
      const uint32_t most = random() % 20;
      for (const auto& rig : rigs_) {
        TxWork work;
        for (uint32_t n = 0; n < most && rig->device->Fetch(&work) == RingFault::kNone; ++n) {
          rig->device->Complete(work.handle);
        }
      }
      // The same bits change in all of them.
      for (uint32_t n = random() % 6; n > 0; --n) {
        const size_t memory = random() % rigs_[0]->rings.Shared().size();
        const uint64_t place = random.Wide();
        const auto bits = static_cast<std::byte>(random() % 3 == 0 ? 0xff : 1u << random() % 8);
        for (const auto& rig : rigs_) {
          const std::span<std::byte> bytes = rig->rings.Shared()[memory];
          if (!bytes.empty()) bytes[place % bytes.size()] ^= bits;
        }
      }
      const std::vector<uint32_t> expected = rigs_[0]->ReclaimAll();
      for (uint32_t i = 1; i < kSides; ++i) {
        ASSERT_EQ(rigs_[i]->ReclaimAll(), expected) << "mode " << i << ", step " << step;
      }
      CheckSame();
      if (HasFatalFailure()) return;
    }
    for (const auto& rig : rigs_) EXPECT_EQ(rig->rings.BrokenGuard(), "");
  }
}

TEST_P(TxBursts, AreThereAndCompiled) {
  MakeRigs(32);
  ASSERT_TRUE(rigs_[0]->status.ok()) << rigs_[0]->status;
  EXPECT_EQ(rigs_[0]->driver->Access().mode, AccessMode::kEngine);
  const bool there = HasPlan(PlanOf::kTxDriver, GetParam().name);
  EXPECT_EQ(rigs_[1]->driver->Access().mode,
            there ? AccessMode::kInterpreted : AccessMode::kEngine);
  EXPECT_EQ(rigs_[2]->driver->Access().mode, there ? AccessMode::kCompiled : AccessMode::kEngine)
      << rigs_[2]->driver->Access().why_not_compiled;
}

INSTANTIATE_TEST_SUITE_P(Specs, WrittenTxBursts, ::testing::ValuesIn(CasesOfAddresses()),
                         [](const auto& param) { return param.param.name; });
INSTANTIATE_TEST_SUITE_P(Specs, CompletedTxBursts, ::testing::ValuesIn(CasesOfAddresses()),
                         [](const auto& param) { return param.param.name; });
INSTANTIATE_TEST_SUITE_P(Specs, TxBursts, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
