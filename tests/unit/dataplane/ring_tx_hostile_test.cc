// Transmit queues of every spec when the other side writes what it likes: neither side leaves its
// memory, crashes, loops, or gives a packet back twice.
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/support/rounds.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane {
namespace {

using testing::AllTxCases;
using testing::PacketMemory;
using testing::Random;
using testing::RandomRequest;
using testing::RandomSegments;
using testing::TxCase;
using testing::TxRig;

// Writes into anything that both sides can write.
void Scribble(TxRig& rig, Random& random, uint32_t times) {
  std::vector<std::span<std::byte>> shared = rig.rings.Shared();
  shared.push_back(std::span(rig.packets.bytes()).first(4096));
  for (uint32_t i = 0; i < times; ++i) {
    const std::span<std::byte> to = shared[random() % shared.size()];
    if (to.empty()) continue;
    const size_t at = random() % to.size();
    const size_t bytes = std::min<size_t>(1 + random() % 16, to.size() - at);
    const uint32_t kind = random() % 4;
    for (size_t k = 0; k < bytes; ++k) {
      const uint32_t value = random();
      if (kind == 0) to[at + k] = std::byte{0};
      if (kind == 1) to[at + k] = std::byte{0xff};
      if (kind == 2) to[at + k] = static_cast<std::byte>(value);
      if (kind == 3) to[at + k] ^= static_cast<std::byte>(1u << value % 8);
    }
  }
}

class HostileTx : public ::testing::TestWithParam<TxCase> {
 protected:
  // What a device's caller may rely on.
  static void Check(const TxWork& work) {
    uint64_t bytes = work.inline_bytes.size();
    for (const TxSegment& segment : work.segments) {
      EXPECT_NE(segment.bytes, 0u);
      bytes += segment.bytes;
    }
    EXPECT_EQ(work.bytes, bytes);
    EXPECT_NE(bytes, 0u);
    uint64_t sum = 0;
    for (const std::byte byte : work.inline_bytes) sum += static_cast<uint64_t>(byte);
    EXPECT_LE(sum, 255 * bytes);  // all of them are there to be read
  }
};

TEST_P(HostileTx, RandomBytesHurtNeitherSide) {
  Random random(21);
  uint32_t fetched = 0;
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(60); ++run) {
    TxRig rig(GetParam(), 16, {1 + random() % 4});
    ASSERT_TRUE(rig.status.ok()) << rig.status;
    const uint32_t most = std::min(rig.driver->MaxSegments(), 12u);
    std::set<uint32_t> outstanding;
    std::vector<TxHandle> handles;
    uint32_t cookie = 0;
    for (int step = 0; step < 40; ++step) {
      for (uint32_t i = random() % 4; i > 0; --i) {
        const PushResult pushed =
            rig.driver->Push(RandomSegments(rig, random, 1 + random() % most),
                             random() % 2 ? RandomRequest(rig, random) : TxRequest{}, cookie);
        if (pushed == PushResult::kPushed) outstanding.insert(cookie++);
      }
      if (random() % 2) rig.driver->Publish();
      if (step > 2) Scribble(rig, random, random() % 6);
      TxWork work;
      for (int i = 0; i < 6; ++i) {
        rig.device->PeekAvailable();
        if (rig.device->Fetch(&work) != RingFault::kNone) break;
        Check(work);
        ++fetched;
        handles.push_back(work.handle);
        if (random() % 4 != 0) rig.device->Complete(work.handle);
      }
      if (!handles.empty() && random() % 4 == 0) {
        rig.device->Complete(handles[random() % handles.size()]);  // late, or again
      }
      rig.device->Complete({random(), random(), random() % 64, random.Wide() % 64});
      rig.device->SetNeedWakeup(random() % 2 != 0);
      if (random() % 2) Scribble(rig, random, random() % 6);
      for (const uint32_t back : rig.ReclaimAll()) {
        ASSERT_EQ(outstanding.erase(back), 1u) << "back twice, or never pushed";
      }
      ASSERT_EQ(rig.driver->Outstanding(), outstanding.size());
      ASSERT_LE(rig.driver->Room(), rig.driver->Capacity());
      ASSERT_EQ(rig.rings.BrokenGuard(), "");
    }
  }
  EXPECT_GT(fetched, qsplit::testing::RoundsOfEach(200))
      << "too little went through to mean anything";
}

TEST_P(HostileTx, NothingButRandomBytesIsFetchedOrReported) {
  Random random(22);
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(60); ++run) {
    TxRig rig(GetParam(), 16);
    ASSERT_TRUE(rig.status.ok()) << rig.status;
    for (const std::span<std::byte> shared : rig.rings.Shared()) {
      for (std::byte& byte : shared) byte = static_cast<std::byte>(random());
    }
    TxWork work;
    RingFault fault = RingFault::kNone;
    for (int i = 0; i < 40; ++i) {
      rig.device->PeekAvailable();
      const RingFault now = rig.device->Fetch(&work);
      if (fault != RingFault::kNone && fault != RingFault::kEmpty) {
        ASSERT_EQ(now, fault) << "a fault stays";
      }
      fault = now;
      if (fault != RingFault::kNone) continue;
      Check(work);
      rig.device->Complete(work.handle);
    }
    EXPECT_TRUE(rig.ReclaimAll().empty()) << "nothing was sent";
    EXPECT_EQ(rig.rings.BrokenGuard(), "");
  }
}

TEST_P(HostileTx, WhatIsNotPublishedNeverComesBack) {
  Random random(23);
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(30); ++run) {
    TxRig rig(GetParam(), 16);
    ASSERT_TRUE(rig.status.ok()) << rig.status;
    for (uint32_t i = 0; i < 5; ++i) {
      if (rig.driver->Push(RandomSegments(rig, random, 1), TxRequest{}, i) != PushResult::kPushed) {
        break;
      }
    }
    for (int i = 0; i < 20; ++i) {
      Scribble(rig, random, 30);
      ASSERT_TRUE(rig.ReclaimAll().empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, HostileTx, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& tested) { return tested.param.name; });

// Chains in a table, written by hand.
class HostileChains : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const TxCase& candidate : AllTxCases()) {
      if (case_.layout == nullptr &&
          candidate.name.starts_with("virtio_split_EventIndex_off_Indirect_on_")) {
        case_ = candidate;
      }
    }
    ASSERT_NE(case_.layout, nullptr);
    rig_ = std::make_unique<TxRig>(case_, 16);
    ASSERT_TRUE(rig_->status.ok()) << rig_->status;
  }
  static constexpr uint16_t kNext = 1;
  static constexpr uint16_t kIndirect = 4;
  static void Put(std::byte* at, Iova address, uint32_t bytes, uint16_t flags, uint16_t next) {
    std::memcpy(at, &address.value, 8);
    std::memcpy(at + 8, &bytes, 4);
    std::memcpy(at + 12, &flags, 2);
    std::memcpy(at + 14, &next, 2);
  }
  void Slot(uint32_t slot, Iova address, uint32_t bytes, uint16_t flags, uint16_t next) {
    Put(rig_->View().rings[0].slots + 16 * slot, address, bytes, flags, next);
  }
  void Offer(uint16_t head) {
    const RingView& available = rig_->View().rings[1];
    std::memcpy(available.slots + 2 * (offered_ % available.slot_count), &head, 2);
    ++offered_;
    const v1::Queue& queue = case_.layout->message().queues(static_cast<int>(case_.queue));
    for (int i = 0; i < queue.rings(1).cells_size(); ++i) {
      if (queue.rings(1).cells(i).name() != "index") continue;
      std::memcpy(available.cells[static_cast<size_t>(i)], &offered_, 2);
    }
  }
  // In the region, behind a header of zeroes.
  static Iova Header() { return Iova(PacketMemory::kIova + 0x10000); }
  static Iova Data(uint32_t at) { return Iova(PacketMemory::kIova + 0x20000 + at); }
  static Iova Table() { return Iova(PacketMemory::kIova + 0x30000); }
  void Entry(uint32_t at, Iova address, uint32_t bytes, uint16_t flags, uint16_t next) {
    Put(rig_->packets.At(Table() + 16 * at), address, bytes, flags, next);
  }
  RingFault Fetch() { return rig_->device->Fetch(&work_); }

  TxCase case_;
  std::unique_ptr<TxRig> rig_;
  uint16_t offered_ = 0;
  TxWork work_;
};

TEST_F(HostileChains, AHeaderMayStandInFrontOfBytesOrInPieces) {
  std::memset(rig_->packets.At(Header()), 0, 64);
  Slot(0, Header(), 5, kNext, 3);
  Slot(3, Header() + 5, 27, kNext, 1);
  Slot(1, Data(0), 100, 0, 0);
  Offer(0);
  ASSERT_EQ(Fetch(), RingFault::kNone);
  ASSERT_EQ(work_.segments.size(), 2u);
  EXPECT_EQ(work_.segments[0], (TxSegment{Header() + 12, 20}));
  EXPECT_EQ(work_.segments[1], (TxSegment{Data(0), 100}));
  EXPECT_EQ(work_.bytes, 120u);
}

TEST_F(HostileChains, ATableInMemoryIsAsGoodAsAChain) {
  std::memset(rig_->packets.At(Header()), 0, 64);
  Entry(0, Header(), 12, kNext, 2);
  Entry(2, Data(0), 100, kNext, 1);
  Entry(1, Data(4096), 7, 0, 0);
  Slot(5, Table(), 48, kIndirect, 0);
  Offer(5);
  ASSERT_EQ(Fetch(), RingFault::kNone);
  ASSERT_EQ(work_.segments.size(), 2u);
  EXPECT_EQ(work_.segments[0], (TxSegment{Data(0), 100}));
  EXPECT_EQ(work_.segments[1], (TxSegment{Data(4096), 7}));
}

TEST_F(HostileChains, AChainInCirclesIsTooLong) {
  Slot(0, Data(0), 100, kNext, 1);
  Slot(1, Data(0), 100, kNext, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kChainTooLong);
  EXPECT_EQ(Fetch(), RingFault::kChainTooLong) << "for good";
}

TEST_F(HostileChains, SlotsThatTheTableDoesNotHave) {
  Slot(0, Data(0), 100, kNext, 16);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kSlotOutOfRange);
}

TEST_F(HostileChains, HeadsThatTheTableDoesNotHave) {
  Offer(16);
  EXPECT_EQ(Fetch(), RingFault::kSlotOutOfRange);
}

TEST_F(HostileChains, ATableInMemoryThatIsInCircles) {
  Entry(0, Data(0), 100, kNext, 1);
  Entry(1, Data(0), 100, kNext, 0);
  Slot(0, Table(), 32, kIndirect, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kChainTooLong);
}

TEST_F(HostileChains, ATableInATable) {
  Entry(0, Table(), 16, kIndirect, 0);
  Slot(0, Table(), 16, kIndirect, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kBadRequest);
}

TEST_F(HostileChains, ATableOfHalfADescriptorOrOfTooMany) {
  Slot(0, Table(), 24, kIndirect, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kBufferLength);
  SetUp();
  offered_ = 0;
  Slot(0, Table(), 17 * 16, kIndirect, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kChainTooLong);
}

TEST_F(HostileChains, AnEntryBehindTheTablesEnd) {
  Entry(0, Data(0), 100, kNext, 2);
  Slot(0, Table(), 32, kIndirect, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kSlotOutOfRange);
}

TEST_F(HostileChains, MemoryThatIsNotThere) {
  Slot(0, Iova(0x10), 100, 0, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kUnreachable);
  SetUp();
  offered_ = 0;
  Slot(0, Iova(0x10), 32, kIndirect, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kUnreachable);
}

TEST_F(HostileChains, AHeaderAlone) {
  Slot(0, Header(), 12, 0, 0);
  Offer(0);
  EXPECT_EQ(Fetch(), RingFault::kBufferLength);
}

}  // namespace
}  // namespace qsplit::dataplane
