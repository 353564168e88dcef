// Bursts against one by one: guards that check in different ways stand before the same bytes, of an
// honest driver and of somebody who writes over them. After every turn all of them must have done
// the same: both rings, doorbells, counters, fault, and what the rate limit has left.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/tx_driver.h"
#include "tests/support/rounds.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::QueueView;
using dataplane::RingFault;
using dataplane::testing::PacketMemory;
using dataplane::testing::Region;
using testing::GuardedRxCases;
using testing::GuardedTxCases;
using testing::QueueMemory;
using testing::Random;
using testing::RxCase;
using testing::RxPair;
using testing::TxCase;
using testing::TxRig;

using Checks = GuardOptions::Checks;

constexpr uint32_t kSlots = 64;
constexpr uint32_t kRounds = qsplit::testing::Rounds(60);
constexpr uint32_t kTurns = 24;
constexpr uint64_t kDelta = 0x0800'0000;
constexpr uint64_t kTurnNs = 1'000'000;

// One way of checking, with a shadow ring and a real one of its own.
template <typename Case>
struct Lane {
  Lane(const Case& c, v1::Direction direction, std::span<const GuardedRegion> regions,
       GuardOptions options, Checks checks, const device::RateLimit& limit)
      : shadow(*c.layout, c.queue, c.choices, kSlots),
        real(*c.layout, c.queue, c.choices, kSlots),
        buckets(limit) {
    options.checks = checks;
    auto made =
        GuardedQueue::Create(*c.layout, direction, shadow.view(), real.view(), regions, options);
    EXPECT_TRUE(made.ok()) << made.status();
    guard.emplace(*std::move(made));
    guard->SetRateLimit(limit.tx_packets_per_second == 0 ? nullptr : &buckets);
  }

  QueueMemory shadow;
  QueueMemory real;
  TokenBuckets buckets;
  std::optional<GuardedQueue> guard;
};

void CopyShared(QueueMemory& from, QueueMemory* to) {
  const auto a = from.Shared();
  const auto b = to->Shared();
  for (size_t i = 0; i < a.size(); ++i) std::memcpy(b[i].data(), a[i].data(), a[i].size());
}

bool SameShared(QueueMemory& one, QueueMemory& other) {
  const auto a = one.Shared();
  const auto b = other.Shared();
  return std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
    return std::memcmp(x.data(), y.data(), x.size()) == 0;
  });
}

// Something a little wrong, anywhere in what the client may write.
void Scribble(QueueMemory* memory, Random* random) {
  const auto shared = memory->Shared();
  for (uint32_t n = 1 + (*random)() % 4; n > 0; --n) {
    const std::span<std::byte> span =
        shared[(*random)() % 8 == 0 ? (*random)() % shared.size()
                                    : (*random)() % shared.size() / 3 * 3];
    if (span.empty()) continue;
    const size_t at = (*random)() % span.size();
    const auto bit = static_cast<std::byte>(1u << (*random)() % 8);
    switch ((*random)() % 3) {
      case 0:
        span[at] ^= bit;
        break;
      case 1:
        span[at] = static_cast<std::byte>((*random)());
        break;
      default:
        // A word from elsewhere: descriptors that are half of another one.
        std::memcpy(&span[at / 8 * 8], &span[(*random)() % span.size() / 8 * 8],
                    std::min<size_t>(8, span.size() - at / 8 * 8));
    }
  }
}

struct Seen {
  uint64_t forwarded = 0;
  uint64_t faults = 0;
  uint64_t limited = 0;
};

template <typename Case>
class Lanes {
 public:
  Lanes(const Case& c, v1::Direction direction, std::span<const GuardedRegion> regions,
        const GuardOptions& options, const device::RateLimit& limit) {
    for (const Checks checks : {Checks::kOneByOne, Checks::kPortable, Checks::kFastest}) {
      lanes_.push_back(std::make_unique<Lane<Case>>(c, direction, regions, options, checks, limit));
    }
  }

  std::vector<std::unique_ptr<Lane<Case>>>& all() { return lanes_; }
  bool stopped() const { return lanes_.front()->guard->fault().has_value(); }

  // One turn of each, before the same shadow. The shadow is the client's again afterwards.
  void Turn(QueueMemory* client, uint32_t budget, Seen* seen) {
    ++turn_;
    Lane<Case>& first = *lanes_.front();
    GuardedQueue::Moved moved;
    for (auto& lane : lanes_) {
      CopyShared(*client, &lane->shadow);
      lane->buckets.Refill(turn_ * kTurnNs);
      const GuardedQueue::Moved now = lane->guard->Poll(budget);
      if (lane == lanes_.front()) moved = now;
      EXPECT_EQ(now.forwarded, moved.forwarded);
      EXPECT_EQ(now.returned, moved.returned);
      EXPECT_TRUE(SameShared(lane->shadow, first.shadow));
      EXPECT_TRUE(SameShared(lane->real, first.real));
      EXPECT_EQ(lane->buckets.WaitNs(), first.buckets.WaitNs());
      EXPECT_EQ(lane->guard->WorkInNs(), first.guard->WorkInNs());
      ExpectSame(*lane->guard, *first.guard);
    }
    CopyShared(first.shadow, client);
    seen->forwarded += moved.forwarded;
  }
  void Add(Seen* seen) const {
    seen->faults += lanes_.front()->guard->counters().faults.Read();
    seen->limited += lanes_.front()->guard->counters().limited.Read();
  }

 private:
  static void ExpectSame(const GuardedQueue& a, const GuardedQueue& b) {
    const GuardCounters& x = a.counters();
    const GuardCounters& y = b.counters();
    EXPECT_EQ(x.packets.Read(), y.packets.Read());
    EXPECT_EQ(x.bytes.Read(), y.bytes.Read());
    EXPECT_EQ(x.descriptors.Read(), y.descriptors.Read());
    EXPECT_EQ(x.completions.Read(), y.completions.Read());
    EXPECT_EQ(x.faults.Read(), y.faults.Read());
    EXPECT_EQ(x.limited.Read(), y.limited.Read());
    ASSERT_EQ(a.fault().has_value(), b.fault().has_value());
    if (!a.fault().has_value()) return;
    EXPECT_EQ(a.fault()->kind, b.fault()->kind);
    EXPECT_EQ(a.fault()->slot, b.fault()->slot);
    EXPECT_EQ(a.fault()->iova, b.fault()->iova);
    EXPECT_EQ(a.fault()->length_bytes, b.fault()->length_bytes);
  }

  std::vector<std::unique_ptr<Lane<Case>>> lanes_;
  uint64_t turn_ = 0;
};

device::RateLimit LimitOf(uint32_t round) {
  if (round % 3 != 0) return {};
  return {.tx_packets_per_second = 5000,
          .tx_bytes_per_second = 20'000'000,
          .burst_packets = 12,
          .burst_bytes = 30'000};
}
// Rounds of which nothing is wrong, of which much is.
bool IsRogue(uint32_t round) { return round % 4 != 0; }

class SentInBursts : public ::testing::TestWithParam<TxCase> {};
INSTANTIATE_TEST_SUITE_P(AllLayouts, SentInBursts, ::testing::ValuesIn(GuardedTxCases()),
                         testing::CaseName<TxCase>);

TEST_P(SentInBursts, AllWaysFindTheSame) {
  const TxCase& c = GetParam();
  // The scratch memory stands in front; some of it is of another region, one hole, one end.
  const GuardedRegion regions[] = {
      {PacketMemory::kIova, PacketMemory::kBytes / 2, PacketMemory::kIova + kDelta, false},
      {PacketMemory::kIova + PacketMemory::kBytes / 2, PacketMemory::kBytes / 4,
       PacketMemory::kIova + 3 * kDelta, true},
      {PacketMemory::kIova + 3 * (PacketMemory::kBytes / 4), PacketMemory::kBytes / 4 - 8192,
       PacketMemory::kIova + 5 * kDelta, true}};
  Random random(1);
  Seen seen;
  for (uint32_t round = 0; round < kRounds && !HasFailure(); ++round) {
    TxRig client(c, kSlots, {1 + random() % 8});
    Lanes<TxCase> lanes(c, v1::DIRECTION_TRANSMIT, regions, {}, LimitOf(round));
    std::vector<dataplane::TxDevice> devices;
    for (auto& lane : lanes.all()) {
      dataplane::TxDeviceOptions options;
      options.memory.context = &client;
      options.memory.read = [](void*, dataplane::Iova, std::byte* to, uint32_t bytes) {
        std::memset(to, 0, bytes);
        return true;
      };
      devices.push_back(*dataplane::TxDevice::Create(*c.layout, lane->real.view(), options));
    }
    for (uint32_t turn = 0; turn < kTurns && !lanes.stopped() && !HasFailure(); ++turn) {
      const bool mixed = random() % 2 == 0;
      for (uint32_t n = random() % 48; n > 0; --n) {
        const bool odd = mixed && random() % 4 == 0;
        client.driver->Push(
            dataplane::testing::RandomSegments(client, random, odd ? 1 + random() % 3 : 1),
            odd && random() % 2 == 0 ? dataplane::testing::RandomRequest(client, random)
                                     : dataplane::TxRequest{},
            0);
      }
      client.driver->Publish();
      if (IsRogue(round) && random() % 4 == 0) Scribble(&client.rings, &random);
      lanes.Turn(&client.rings, 1 + random() % 64, &seen);
      for (uint32_t n = random() % 32; n > 0; --n) {
        for (dataplane::TxDevice& device : devices) {
          dataplane::TxWork work;
          if (device.Fetch(&work) == RingFault::kNone) device.Complete(work.handle);
        }
      }
      client.ReclaimAll();
    }
    lanes.Add(&seen);
  }
  EXPECT_GT(seen.forwarded, 0u);
  EXPECT_GT(seen.faults, 0u);
  EXPECT_GT(seen.limited, 0u);
}

class ReceivedInBursts : public ::testing::TestWithParam<RxCase> {};
INSTANTIATE_TEST_SUITE_P(AllLayouts, ReceivedInBursts, ::testing::ValuesIn(GuardedRxCases()),
                         testing::CaseName<RxCase>);

TEST_P(ReceivedInBursts, AllWaysFindTheSame) {
  const RxCase& c = GetParam();
  const uint32_t bytes = dataplane::testing::BufferBytesFrom(c, 512);
  Random random(1);
  Seen seen;
  for (uint32_t round = 0; round < kRounds && !HasFailure(); ++round) {
    RxPair client(c, kSlots, bytes, 256);
    // Buffers of the second half stand in several regions; in rogue rounds the last may be read
    // only.
    const uint64_t half = client.region().bytes().size() / 2;
    const uint64_t last = 16 * uint64_t{bytes};
    const GuardedRegion regions[] = {
        {Region::kIova, half, Region::kIova + kDelta, true},
        {Region::kIova + half, half - last, Region::kIova + 3 * kDelta, true},
        {Region::kIova + 2 * half - last, last, Region::kIova + 5 * kDelta, !IsRogue(round)}};
    GuardOptions options;
    options.rx_buffer_bytes = bytes;
    Lanes<RxCase> lanes(c, v1::DIRECTION_RECEIVE, regions, options, LimitOf(round));
    std::vector<dataplane::RxDevice> devices;
    for (auto& lane : lanes.all()) {
      dataplane::RxDeviceOptions device_options;
      device_options.buffer_bytes = bytes;
      device_options.memory.write = [](void*, dataplane::Iova, const std::byte*, uint32_t) {
        return true;
      };
      devices.push_back(*dataplane::RxDevice::Create(*c.layout, lane->real.view(), device_options));
    }
    uint32_t next = 0;
    for (uint32_t turn = 0; turn < kTurns && !lanes.stopped() && !HasFailure(); ++turn) {
      for (uint32_t n = random() % 48; n > 0; --n) {
        const dataplane::Iova at(Region::kIova + uint64_t{next % 256} * bytes);
        const dataplane::RxBuffer buffer{at, bytes, next % 256, client.region().At(at)};
        if (client.driver().Post(std::span(&buffer, 1)) == 0) break;
        ++next;
      }
      client.driver().Publish();
      if (IsRogue(round) && random() % 4 == 0) Scribble(&client.memory(), &random);
      lanes.Turn(&client.memory(), 1 + random() % 64, &seen);
      const uint32_t packets = random() % 32;
      for (dataplane::RxDevice& device : devices) {
        for (uint32_t n = 0; n < packets; ++n) {
          dataplane::PostedBuffer buffer;
          if (device.Fetch(&buffer) != RingFault::kNone) break;
          device.Complete({std::min(60u + n, buffer.bytes - device.PrefixBytes()), true, {}});
        }
        device.Publish();
      }
      dataplane::RxCompletion done[kSlots];
      client.driver().Poll(done);
    }
    lanes.Add(&seen);
  }
  EXPECT_GT(seen.forwarded, 0u);
  EXPECT_GT(seen.faults, 0u);
  EXPECT_GT(seen.limited, 0u);
}

}  // namespace
}  // namespace qsplit::guard
