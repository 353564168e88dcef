// What devices do in bursts against what they do one by one, over every spec: queues with the same
// memory, one one by one, the others in bursts by what the engine knows, by plans and by machine
// code, stay the same byte for byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/tx_rig.h"
#include "tests/unit/dataplane/without_plan.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr uint32_t kSlots = 64;
constexpr uint32_t kBuffers = 96;
constexpr auto kRounds = static_cast<int>(qsplit::testing::RoundsOfEach(60));

constexpr AccessMode kModes[] = {AccessMode::kEngine, AccessMode::kInterpreted,
                                 AccessMode::kCompiled};

void ExpectSame(QueueMemory& a, QueueMemory& b) {
  const auto left = a.Shared();
  const auto right = b.Shared();
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    ASSERT_EQ(left[i].size(), right[i].size());
    if (left[i].empty()) continue;
    ASSERT_EQ(std::memcmp(left[i].data(), right[i].data(), left[i].size()), 0) << "span " << i;
  }
}

// The same bits change in the memory of both, as a driver might change them.
void Scribble(QueueMemory& a, QueueMemory& b, Random& random) {
  const auto left = a.Shared();
  const auto right = b.Shared();
  for (uint32_t n = random() % 3; n > 0; --n) {
    const size_t memory = random() % left.size();
    const uint64_t place = random.Wide();
    const auto bits = static_cast<std::byte>(random() % 3 == 0 ? 0xff : 1u << random() % 8);
    if (left[memory].empty()) continue;
    left[memory][place % left[memory].size()] ^= bits;
    right[memory][place % right[memory].size()] ^= bits;
  }
}

class PlainRx : public ::testing::TestWithParam<RxCase> {};

// So many packets to posted buffers, as bursts or one by one.
uint32_t DeliverOneByOne(RxPair& pair, const RxMetadata& meta, std::span<const RxPlain> packets) {
  uint32_t done = 0;
  for (const RxPlain& packet : packets) {
    PostedBuffer buffer;
    if (pair.device().Fetch(&buffer, true, packet.length) != RingFault::kNone) {
      pair.device().Unfetch();
      break;
    }
    RxResult result{.length = packet.length, .last = true, .meta = meta};
    result.meta.hash = packet.hash;
    EXPECT_TRUE(pair.device().Complete(result));
    ++done;
  }
  pair.device().Publish();
  return done;
}

uint32_t DeliverInBurst(RxPair& pair, const RxMetadata& meta, std::span<const RxPlain> packets,
                        uint32_t* plain) {
  std::vector<PlainBuffer> buffers(packets.size());
  const uint32_t count = pair.device().FetchPlain(buffers);
  pair.device().CompletePlain(meta, packets.first(count));
  *plain += count;
  EXPECT_EQ(pair.device().Fetched(), 0u);
  return count + DeliverOneByOne(pair, meta, packets.subspan(count));
}

void BurstsWriteTheSame(const RxCase& c, AccessMode access) {
  const uint32_t bytes = BufferBytesFrom(c, 1024);
  RxPair one(c, kSlots, bytes, kBuffers, 0, RxFields::All(), AccessMode::kEngine);
  RxPair burst(c, kSlots, bytes, kBuffers, 0, RxFields::All(), access);
  const bool has_plan = HasPlan(PlanOf::kRxDevice, c.name);
  ASSERT_EQ(burst.device().Access().mode, has_plan ? access : AccessMode::kEngine)
      << burst.device().Access().why_not_compiled;
  Random random(7);
  const RxFields can = one.device().Supported();
  // Few kinds, so that each comes again; hashes, times and lengths are of each packet.
  std::array<RxMetadata, 3> kinds;
  for (RxMetadata& kind : kinds) kind = MakeMetadata(c, can, &random);
  uint32_t plain = 0;
  for (int round = 0; round < kRounds; ++round) {
    const uint32_t most = 1 + random() % 40;
    ASSERT_EQ(one.Post(most), burst.Post(most));
    one.driver().Publish();
    burst.driver().Publish();
    for (int run = 0; run < 3; ++run) {
      RxMetadata meta = kinds[random() % kinds.size()];
      if (meta.present.Has(RxField::kTimestamp) && random() % 2 == 0) meta.timestamp = random();
      std::vector<RxPlain> packets(1 + random() % 8);
      for (RxPlain& packet : packets) {
        packet.length = 60 + random() % (bytes - 60 - one.device().PrefixBytes());
        if (random() % 20 == 0) packet.length = random();
        packet.hash = meta.present.Has(RxField::kHash) ? random() : 0;
      }
      ASSERT_EQ(DeliverOneByOne(one, meta, packets), DeliverInBurst(burst, meta, packets, &plain));
      ExpectSame(one.memory(), burst.memory());
    }
    ASSERT_EQ(one.Poll(kBuffers), burst.Poll(kBuffers));
    ASSERT_EQ(one.got.size(), burst.got.size());
  }
  EXPECT_FALSE(one.got.empty());
  // That the test says something hangs on it.
  if (has_plan && access != AccessMode::kEngine) {
    EXPECT_GT(plain, 0u);
  }
}

// Whatever drivers write: the same completions, and the same fault at the same packet.
void BurstsBearTheSame(const RxCase& c, AccessMode access) {
  const uint32_t bytes = BufferBytesFrom(c, 1024);
  Random random(13);
  for (int run = 0; run < 6; ++run) {
    RxPair one(c, kSlots, bytes, kBuffers, 0, RxFields::All(), AccessMode::kEngine);
    RxPair burst(c, kSlots, bytes, kBuffers, 0, RxFields::All(), access);
    const RxMetadata meta = MakeMetadata(c, one.device().Supported(), &random);
    uint32_t plain = 0;
    for (int round = 0; round < 25; ++round) {
      const uint32_t most = 1 + random() % 20;
      ASSERT_EQ(one.Post(most), burst.Post(most));
      one.driver().Publish();
      burst.driver().Publish();
      Scribble(one.memory(), burst.memory(), random);
      std::vector<RxPlain> packets(1 + random() % 8);
      for (RxPlain& packet : packets) {
        packet = {static_cast<uint32_t>(60 + random() % 800), static_cast<uint32_t>(random())};
      }
      ASSERT_EQ(DeliverOneByOne(one, meta, packets), DeliverInBurst(burst, meta, packets, &plain));
      ExpectSame(one.memory(), burst.memory());
      PostedBuffer left, right;
      ASSERT_EQ(one.device().Fetch(&left), burst.device().Fetch(&right));
      one.device().Unfetch();
      burst.device().Unfetch();
      if (::testing::Test::HasFailure()) return;
      // Drivers of both read the same.
      std::array<RxCompletion, 64> unused;
      ASSERT_EQ(one.driver().Poll(unused), burst.driver().Poll(unused));
    }
  }
}

TEST_P(PlainRx, BurstsBearTheSame) {
  for (const AccessMode access : kModes) BurstsBearTheSame(GetParam(), access);
}

TEST_P(PlainRx, BurstsWriteTheSame) {
  for (const AccessMode access : kModes) BurstsWriteTheSame(GetParam(), access);
}
INSTANTIATE_TEST_SUITE_P(Specs, PlainRx, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& of) { return of.param.name; });

class PlainTxQueue : public ::testing::TestWithParam<TxCase> {};

struct Sent {
  std::vector<TxSegment> segments;
  TxRequest request;
  friend bool operator==(const Sent&, const Sent&) = default;
};

// Takes one packet in full.
bool TakeOne(TxRig& rig, std::vector<Sent>* out) {
  TxWork work;
  const RingFault fault = rig.device->Fetch(&work);
  EXPECT_TRUE(fault == RingFault::kNone || fault == RingFault::kEmpty) << RingFaultText(fault);
  if (fault != RingFault::kNone) return false;
  out->push_back({{work.segments.begin(), work.segments.end()}, work.request});
  rig.device->Complete(work.handle);
  return true;
}

void BurstsTakeTheSame(const TxCase& c, AccessMode access) {
  TxRig one(c, kSlots, {.access = AccessMode::kEngine});
  TxRig burst(c, kSlots, {.access = access});
  ASSERT_NE(one.driver, nullptr) << one.status;
  const bool has_plan = HasPlan(PlanOf::kTxDevice, c.name);
  ASSERT_EQ(burst.device->Access().mode, has_plan ? access : AccessMode::kEngine)
      << burst.device->Access().why_not_compiled;
  Random random(11);
  uint32_t plain = 0;
  for (int round = 0; round < kRounds; ++round) {
    const uint32_t packets = 1 + random() % 12;
    for (uint32_t i = 0; i < packets; ++i) {
      const uint32_t most = std::min(one.driver->MaxSegments(), 3u);
      const auto segments =
          RandomSegments(one, random, random() % 4 == 0 ? 1 + random() % most : 1);
      TxRequest request;
      if (random() % 4 == 0) request = RandomRequest(one, random);
      if (!one.driver->Supports(request)) request = {};
      std::vector<TxSegment> same = segments;
      for (TxSegment& segment : same) {
        if (segment.memory != nullptr) segment.memory = burst.packets.At(segment.address);
      }
      ASSERT_EQ(one.driver->Push(segments, request, i), burst.driver->Push(same, request, i));
    }
    one.driver->Publish();
    burst.driver->Publish();
    std::vector<Sent> of_one, of_burst;
    while (TakeOne(one, &of_one)) {
    }
    while (true) {
      std::array<PlainTx, 5> fetched;
      const uint32_t count = burst.device->FetchPlain(fetched);
      for (const PlainTx& packet : std::span(fetched).first(count)) {
        of_burst.push_back({{{packet.address, packet.bytes}}, {}});
      }
      burst.device->CompletePlain(std::span(fetched).first(count));
      plain += count;
      if (count == 0 && !TakeOne(burst, &of_burst)) break;
    }
    ASSERT_EQ(of_one.size(), of_burst.size());
    for (size_t i = 0; i < of_one.size(); ++i) EXPECT_EQ(of_one[i], of_burst[i]) << i;
    ExpectSame(one.rings, burst.rings);
    ASSERT_EQ(one.ReclaimAll(), burst.ReclaimAll());
  }
  if (has_plan && access != AccessMode::kEngine) {
    EXPECT_GT(plain, 0u);
  }
}

// Whatever drivers write: the same packets, and the same fault behind them.
RingFault TakeAll(TxRig& rig, bool in_bursts, std::vector<Sent>* out) {
  for (;;) {
    std::array<PlainTx, 5> fetched;
    bool nothing = false;
    const uint32_t count = in_bursts ? rig.device->FetchPlain(fetched, &nothing) : 0;
    for (const PlainTx& packet : std::span(fetched).first(count)) {
      out->push_back({{{packet.address, packet.bytes}}, {}});
    }
    rig.device->CompletePlain(std::span(fetched).first(count));
    if (count != 0) continue;
    TxWork work;
    const RingFault fault = rig.device->Fetch(&work);
    if (nothing) {
      EXPECT_EQ(fault, RingFault::kEmpty);
    }
    if (fault != RingFault::kNone) return fault;
    out->push_back({{work.segments.begin(), work.segments.end()}, work.request});
    rig.device->Complete(work.handle);
  }
}

void BurstsBearTheSame(const TxCase& c, AccessMode access) {
  Random random(17);
  for (int run = 0; run < 6; ++run) {
    TxRig one(c, kSlots, {.access = AccessMode::kEngine});
    TxRig burst(c, kSlots, {.access = access});
    ASSERT_NE(one.driver, nullptr) << one.status;
    for (int round = 0; round < 25; ++round) {
      for (uint32_t i = 1 + random() % 12; i > 0; --i) {
        const auto segments = RandomSegments(one, random, 1);
        std::vector<TxSegment> same = segments;
        for (TxSegment& segment : same) {
          if (segment.memory != nullptr) segment.memory = burst.packets.At(segment.address);
        }
        ASSERT_EQ(one.driver->Push(segments, {}, i), burst.driver->Push(same, {}, i));
      }
      one.driver->Publish();
      burst.driver->Publish();
      Scribble(one.rings, burst.rings, random);
      std::vector<Sent> of_one, of_burst;
      ASSERT_EQ(TakeAll(one, false, &of_one), TakeAll(burst, true, &of_burst));
      ASSERT_EQ(of_one.size(), of_burst.size());
      for (size_t i = 0; i < of_one.size(); ++i) EXPECT_EQ(of_one[i], of_burst[i]) << i;
      ExpectSame(one.rings, burst.rings);
      ASSERT_EQ(one.ReclaimAll(), burst.ReclaimAll());
      // Looks at the device's cell, which bursts do later than the engine, perhaps after it has
      // been scribbled on.
      ASSERT_EQ(one.driver->Room(), burst.driver->Room());
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST_P(PlainTxQueue, BurstsBearTheSame) {
  for (const AccessMode access : kModes) BurstsBearTheSame(GetParam(), access);
}

// Who finds nothing need not look again.
TEST_P(PlainTxQueue, BurstsSayThatNothingIsThere) {
  TxRig rig(GetParam(), kSlots, {});
  ASSERT_NE(rig.driver, nullptr) << rig.status;
  Random random(23);
  std::array<PlainTx, 5> fetched;
  if (!HasPlan(PlanOf::kTxDevice, GetParam().name)) {  // no burst looks there
    EXPECT_EQ(rig.device->FetchPlain(fetched), 0u);
    return;
  }
  for (int round = 0; round < 3; ++round) {
    bool nothing = false;
    EXPECT_EQ(rig.device->FetchPlain(fetched, &nothing), 0u);
    EXPECT_TRUE(nothing) << "round " << round;
    ASSERT_EQ(rig.driver->Push(RandomSegments(rig, random, 1), {}, 0), PushResult::kPushed);
    rig.driver->Publish();
    const uint32_t count = rig.device->FetchPlain(fetched, &nothing);
    EXPECT_FALSE(nothing) << "round " << round;
    rig.device->CompletePlain(std::span(fetched).first(count));
    std::vector<Sent> rest;
    EXPECT_EQ(TakeAll(rig, true, &rest), RingFault::kEmpty);
    EXPECT_EQ(count + rest.size(), 1u);
    rig.ReclaimAll();
  }
}

TEST_P(PlainTxQueue, BurstsTakeTheSame) {
  for (const AccessMode access : kModes) BurstsTakeTheSame(GetParam(), access);
}
INSTANTIATE_TEST_SUITE_P(Specs, PlainTxQueue, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
