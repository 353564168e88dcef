// A client that rewrites its shadow ring as fast as it can while the guard reads it: whatever the
// guard saw, what it checked is what the device gets. Nothing outside of the regions ever stands in
// the real ring.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "dataplane/barriers.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::Iova;
using dataplane::PushResult;
using dataplane::testing::PacketMemory;
using dataplane::testing::Region;
using testing::QueueMemory;
using testing::Random;
using testing::RawRing;
using testing::RxCase;
using testing::RxGuardRig;
using testing::TxCase;
using testing::TxGuardRig;

constexpr uint32_t kSlots = 64;
constexpr int kRounds = 1000;
constexpr auto kPatience = std::chrono::seconds(60);

// Two words of a descriptor; any two of several make a descriptor that is good, or that is not.
struct Words {
  std::array<uint64_t, 2> word;
};

Words Take(const std::byte* slot) {
  Words words;
  std::memcpy(words.word.data(), slot, sizeof words.word);
  return words;
}

// Writes words of the samples into slots until it is told to stop; the doorbell goes round. Every
// `rare`-th store is of a bad sample. number: so many times the slot's number is added to its
// second word.
class Rewriter {
 public:
  Rewriter(const RawRing& ring, std::vector<Words> good, std::vector<Words> bad, uint32_t rare,
           uint64_t number = 0)
      : thread_([this, ring, good = std::move(good), bad = std::move(bad), rare, number] {
          Random random(1);
          while (!stop_.load(std::memory_order_relaxed)) {
            const uint32_t slot = random() % kSlots;
            const std::vector<Words>& from = random() % rare == 0 ? bad : good;
            Words words = from[random() % from.size()];
            words.word[1] += slot * number;
            for (size_t i = 0; i < words.word.size(); ++i) {
              dataplane::StoreRelaxed<uint64_t>(ring.slot(slot) + 8 * i, words.word[i]);
            }
          }
        }) {}
  ~Rewriter() {
    stop_.store(true);
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Lets guards of fresh real rings read that shadow; after each step the real ring is looked
// through.
void ReadMany(const layout::VerifiedLayout& layout, v1::Direction direction,
              const dataplane::QueueView& shadow, uint32_t queue, uint32_t ring,
              const testing::AddressPair& addresses, const GuardOptions& options,
              const RawRing& raw, uint64_t bytes_without_length) {
  const v1::Queue& of = layout.message().queues(static_cast<int>(queue));
  const bool has_doorbell = of.rings(static_cast<int>(ring)).producer_doorbells_size() != 0;
  uint64_t forwarded = 0;
  uint64_t faults = 0;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  // On a busy machine the other thread may be late.
  for (int round = 0; round < kRounds || ((faults == 0 || forwarded == 0) &&
                                          std::chrono::steady_clock::now() < deadline);
       ++round) {
    if (round % 16 == 0) std::this_thread::yield();
    QueueMemory memory(layout, queue, shadow.features, kSlots);
    const RawRing real(layout, memory.view(), ring);
    auto guard =
        *GuardedQueue::Create(layout, direction, shadow, memory.view(), addresses.regions, options);
    if (has_doorbell) raw.Ring(kSlots - 1);
    while (!guard.fault().has_value()) {
      const uint32_t moved = guard.Poll(7).forwarded;
      forwarded += moved;
      ASSERT_EQ(real.Escapes(addresses, bytes_without_length), "");
      if (moved == 0) break;
    }
    faults += guard.counters().faults.Read();
    if (has_doorbell) {
      ASSERT_LT(real.Rung(), kSlots);
    }
  }
  // Both ends were met, or this shows nothing.
  EXPECT_GT(forwarded, 0u);
  EXPECT_GT(faults, 0u);
}

template <typename Case>
std::vector<Case> OneOfEachLayout(const std::vector<Case>& all) {
  std::vector<Case> some;
  for (const Case& c : all) {
    if (some.empty() || some.back().layout->name() != c.layout->name()) some.push_back(c);
  }
  return some;
}

class TxToctou : public ::testing::TestWithParam<TxCase> {};
INSTANTIATE_TEST_SUITE_P(
    AllLayouts, TxToctou,
    ::testing::ValuesIn(OneOfEachLayout(testing::InPlace(testing::GuardedTxCases()))),
    testing::CaseName<TxCase>);

TEST_P(TxToctou, WhatWasCheckedIsWhatTheDeviceGets) {
  TxGuardRig rig(GetParam(), kSlots);
  const uint32_t ring = testing::UsedRing(GetParam());
  const RawRing shadow(*GetParam().layout, rig.client.View(), ring);
  // Near the region's end only short packets are good.
  constexpr uint64_t kEnd = PacketMemory::kIova + PacketMemory::kBytes;
  ASSERT_EQ(rig.client.driver->Push(Iova(PacketMemory::kIova), 2000, 1), PushResult::kPushed);
  ASSERT_EQ(rig.client.driver->Push(Iova(kEnd - 100), 100, 2), PushResult::kPushed);
  ASSERT_EQ(rig.client.driver->Push(Iova(kEnd - 100), 2000, 3), PushResult::kPushed);
  ASSERT_EQ(rig.client.driver->Push(Iova(kEnd), 100, 4), PushResult::kPushed);
  ASSERT_EQ(rig.client.driver->Push(Iova(0), 100, 5), PushResult::kPushed);
  const std::vector<Words> good = {Take(shadow.slot(0)), Take(shadow.slot(1))};
  const std::vector<Words> bad = {Take(shadow.slot(2)), Take(shadow.slot(3)), Take(shadow.slot(4))};
  for (uint32_t i = 0; i < kSlots; ++i) std::memcpy(shadow.slot(i), &good[i % 2], sizeof(Words));
  const Rewriter rewriter(shadow, good, bad, 100);
  ReadMany(*GetParam().layout, v1::DIRECTION_TRANSMIT, rig.client.View(), GetParam().queue, ring,
           rig.addresses, {}, shadow, 0);
}

class RxToctou : public ::testing::TestWithParam<RxCase> {};
INSTANTIATE_TEST_SUITE_P(
    AllLayouts, RxToctou,
    ::testing::ValuesIn(OneOfEachLayout(testing::InPlace(testing::GuardedRxCases()))),
    testing::CaseName<RxCase>);

TEST_P(RxToctou, WhatWasCheckedIsWhatTheDeviceGets) {
  RxGuardRig rig(GetParam(), kSlots);
  const uint32_t ring = testing::UsedRing(GetParam());
  const RawRing shadow(*GetParam().layout, rig.client.memory().view(), ring);
  const uint32_t bytes = rig.client.buffer_bytes();
  const uint64_t end = Region::kIova + rig.client.region().bytes().size();
  uint32_t cookie = 0;
  for (const uint64_t address : {uint64_t{Region::kIova}, end - bytes, end - bytes / 2, end}) {
    ASSERT_TRUE(rig.client.driver().Post(Iova(address), bytes, cookie++));
  }
  const std::vector<Words> good = {Take(shadow.slot(0)), Take(shadow.slot(1))};
  const std::vector<Words> bad = {Take(shadow.slot(2)), Take(shadow.slot(3))};
  for (uint32_t i = 0; i < kSlots; ++i) std::memcpy(shadow.slot(i), &good[i % 2], sizeof(Words));
  const Rewriter rewriter(shadow, good, bad, 100);
  GuardOptions options;
  options.rx_buffer_bytes = bytes;
  ReadMany(*GetParam().layout, v1::DIRECTION_RECEIVE, rig.client.memory().view(), GetParam().queue,
           ring, rig.addresses, options, shadow, bytes);
}

// Where descriptors are handed over by their own bits, or by names in another ring (Virtio 1.2,
// 2.8.13 and 2.7.5: address, then length, tag or flags, flags or next): packets of one descriptor,
// which is what the guard takes in bursts.
class ChainToctou : public ::testing::TestWithParam<TxCase> {};
INSTANTIATE_TEST_SUITE_P(AllLayouts, ChainToctou,
                         ::testing::ValuesIn(OneOfEachLayout(testing::Where(
                             testing::GuardedTxCases(),
                             [](const TxCase& c) { return c.name.starts_with("virtio_"); }))),
                         testing::CaseName<TxCase>);

TEST_P(ChainToctou, WhatWasCheckedIsWhatTheDeviceGets) {
  const bool is_packed = GetParam().layout->name() == "virtio.packed";
  TxGuardRig rig(GetParam(), kSlots);
  const dataplane::QueueView& view = rig.client.View();
  const RawRing shadow(*GetParam().layout, view, 0);
  constexpr uint64_t kAvailable = uint64_t{0x80} << 48;  // in the ring's first pass
  constexpr uint64_t kTag = uint64_t{1} << 32;           // must differ from slot to slot
  constexpr uint64_t kEnd = PacketMemory::kIova + PacketMemory::kBytes;
  const uint64_t more = is_packed ? kAvailable : 0;
  const uint64_t number = is_packed ? kTag : 0;
  const std::vector<Words> good = {{{PacketMemory::kIova, 2000 | more}},
                                   {{kEnd - 100, 100 | more}}};
  const std::vector<Words> bad = {
      {{kEnd - 100, 2000 | more}}, {{kEnd, 100 | more}}, {{0, 100 | more}}};
  for (uint32_t i = 0; i < kSlots; ++i) {
    Words words = good[i % 2];
    words.word[1] += i * number;
    std::memcpy(shadow.slot(i), &words, sizeof words);
    if (is_packed) continue;
    const auto name = static_cast<uint16_t>(i);
    std::memcpy(view.rings[1].slots + sizeof name * i, &name, sizeof name);
    dataplane::StoreRelease<uint16_t>(view.rings[1].slots - 2, static_cast<uint16_t>(kSlots));
  }
  const Rewriter rewriter(shadow, good, bad, 100, number);
  ReadMany(*GetParam().layout, v1::DIRECTION_TRANSMIT, view, GetParam().queue, 0, rig.addresses, {},
           shadow, 0);
}

}  // namespace
}  // namespace qsplit::guard
