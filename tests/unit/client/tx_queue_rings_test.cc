// TxQueue over the transmit queues of every spec, with all their rings: packets that come back in
// any order, bytes that go into the ring itself, buffers that must begin where the device wants.
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "client-lib/src/lease_state.h"
#include "client-lib/src/tx_queue_impl.h"
#include "dataplane/queue_shape.h"
#include "tests/support/rounds.h"
#include "tests/unit/client/packets.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::internal {
namespace {

using dataplane::RingFault;
using dataplane::testing::AllTxCases;
using dataplane::testing::PacketMemory;
using dataplane::testing::Random;
using dataplane::testing::TxCase;
using dataplane::testing::TxRig;

class TxQueueRings : public ::testing::TestWithParam<TxCase> {
 protected:
  static constexpr uint32_t kBuffers = 160;
  static constexpr uint32_t kBufferBytes = 2048;

  void SetUp() override {
    rig_ = std::make_unique<TxRig>(GetParam(), 32);
    ASSERT_TRUE(rig_->status.ok()) << rig_->status;
    const std::span<std::byte> memory(rig_->packets.bytes());
    pool_ = new BufferPool(memory.subspan(rig_->packets_begin, kBuffers * kBufferBytes),
                           kBufferBytes, PacketMemory::kIova + rig_->packets_begin, this, nullptr);
    in_place_ =
        dataplane::ShapeInPlaceQueue(*GetParam().layout, rig_->View(), v1::DIRECTION_TRANSMIT).ok();
    most_ = rig_->driver->NeedsMemory() || rig_->driver->MaxSegments() == 1 ? 1900 : 5000;
    TxQueueImpl::Setup setup;
    setup.bell.state = &state_;
    queue_ = std::make_unique<TxQueue>(
        std::make_unique<TxQueueImpl>(std::move(*rig_->driver), pool_, setup));
  }
  void TearDown() override {
    queue_.reset();
    if (pool_ == nullptr) return;
    EXPECT_EQ(pool_->free_count(), kBuffers) << "no buffer is lost";
    BufferPool::Abandon(pool_);
  }
  void Complete(size_t which) {
    rig_->device->Complete(fetched_[which]);
    fetched_.erase(fetched_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  LeaseState state_{1};
  std::unique_ptr<TxRig> rig_;
  BufferPool* pool_ = nullptr;
  bool in_place_ = false;
  uint32_t most_ = 0;
  std::unique_ptr<TxQueue> queue_;
  std::vector<dataplane::TxHandle> fetched_;
};

TEST_P(TxQueueRings, BuffersComeBackInWhateverOrderTheDeviceIsDone) {
  Random random(31);
  std::deque<std::string> sent;
  uint32_t made = 0;
  uint32_t taken = 0;
  const auto fetch = [&] {
    dataplane::TxWork work;
    if (rig_->device->Fetch(&work) != RingFault::kNone) return false;
    const std::vector<std::byte> bytes = BytesOf(*rig_, work);
    EXPECT_FALSE(sent.empty());
    if (sent.empty()) return false;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), sent.front());
    sent.pop_front();
    ++taken;
    fetched_.push_back(work.handle);
    return true;
  };
  for (uint32_t step = 0; step < testing::Rounds(3000) && !HasFailure(); ++step) {
    const uint32_t bytes = 64 + random() % (random() % 8 == 0 ? most_ - 64 : 400);
    Packet packet = queue_->Allocate(bytes);
    if (packet) {
      std::string text = "packet " + std::to_string(made) + " ";
      text.resize(bytes, static_cast<char>('a' + made % 26));
      packet.CopyFrom({reinterpret_cast<const std::byte*>(text.data()), text.size()});
      if (queue_->Send(std::move(packet))) {
        sent.push_back(std::move(text));
        ++made;
      }
    }
    while (random() % 3 == 0 && fetch()) {
    }
    while (!fetched_.empty() && random() % 2 == 0) {
      Complete(in_place_ ? 0 : random() % fetched_.size());
    }
  }
  while (fetch()) {
  }
  while (!fetched_.empty()) Complete(in_place_ ? 0 : random() % fetched_.size());
  EXPECT_TRUE(queue_->Flush(absl::Seconds(1)).ok());
  EXPECT_EQ(taken, made);
  EXPECT_GT(made, testing::Rounds(500));
  EXPECT_EQ(queue_->counters().refused, 0u);
  EXPECT_EQ(rig_->rings.BrokenGuard(), "");
}

TEST_P(TxQueueRings, BurstsOfLongAndShortPacketsKeepTheirOrder) {
  Random random(32);
  std::deque<std::string> sent;
  std::array<Packet, 24> burst;
  uint32_t made = 0;
  uint32_t taken = 0;
  for (int step = 0; step < 400 && !HasFailure(); ++step) {
    // Some are there still from the burst before, or are longer than a buffer.
    if (random() % 2 == 0) {
      Packet& one = burst[random() % burst.size()];
      if (!one) one = queue_->Allocate(most_);
    }
    const size_t count = queue_->Allocate(burst, 300);
    for (size_t i = 0; i < count; ++i) ASSERT_TRUE(burst[i]);
    std::vector<std::string> texts;
    for (Packet& packet : std::span(burst).first(count)) {
      packet.Truncate(64 + random() % 200);
      std::string& text = texts.emplace_back("packet " + std::to_string(made + texts.size()) + " ");
      text.resize(packet.length(), 'x');
      packet.CopyFrom({reinterpret_cast<const std::byte*>(text.data()), text.size()});
    }
    const size_t went = queue_->Send(std::span(burst).first(count));
    for (size_t i = 0; i < went; ++i) {
      EXPECT_FALSE(burst[i]);
      sent.push_back(std::move(texts[i]));
    }
    made += static_cast<uint32_t>(went);
    dataplane::TxWork work;
    while (random() % 16 != 0 && rig_->device->Fetch(&work) == RingFault::kNone) {
      const std::vector<std::byte> bytes = BytesOf(*rig_, work);
      ASSERT_FALSE(sent.empty());
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                sent.front());
      sent.pop_front();
      ++taken;
      rig_->device->Complete(work.handle);
    }
  }
  EXPECT_GT(taken, 500u);
  EXPECT_EQ(queue_->counters().packets, made);
  EXPECT_EQ(queue_->counters().refused, 0u);
  EXPECT_EQ(rig_->rings.BrokenGuard(), "");
}

// Some packets ask when they leave, some of them for sums and tags as well, whoever makes these.
TEST_P(TxQueueRings, TimesComeBackUnderTheNumbersOfTheRequests) {
  Random random(33);
  const bool told = queue_->offloads_timestamps();
  std::deque<std::pair<uint64_t, bool>> sent;        // the packet's number, or that it did not ask
  std::vector<std::pair<uint64_t, bool>> fetched;    // parallel to fetched_
  std::vector<std::optional<uint64_t>> times(2000);  // by number; 0: no answer yet
  uint64_t asked = 0;
  uint64_t answered = 0;
  const auto take = [&] {
    std::array<TxTimestamp, 7> out;
    while (const size_t n = queue_->TakeTimestamps(out)) {
      for (const TxTimestamp& one : std::span(out).first(n)) {
        ASSERT_LT(one.number, asked);
        ASSERT_EQ(times[one.number], 0u) << "a second answer";
        ASSERT_EQ(one.time_ns.has_value(), told);
        ASSERT_TRUE(!told || *one.time_ns == 5000 + one.number) << *one.time_ns;
        times[one.number] = one.time_ns.value_or(1);
        ++answered;
      }
    }
  };
  for (auto& time : times) time = 0;
  for (uint32_t step = 0; step < testing::Rounds(1500) && !HasFailure(); ++step) {
    Packet packet = queue_->Allocate(64 + random() % 400);
    if (packet) {
      const bool asks = random() % 2 == 0;
      packet.RequestTimestamp(asks);
      if (random() % 3 == 0) packet.set_vlan(5);
      if (random() % 3 == 0) packet.RequestChecksums();
      if (queue_->Send(std::move(packet))) {
        sent.emplace_back(asked, asks);
        if (asks) ++asked;
      }
    }
    dataplane::TxWork work;
    while (random() % 3 == 0 && rig_->device->Fetch(&work) == RingFault::kNone) {
      ASSERT_FALSE(sent.empty());
      EXPECT_TRUE(!told || !sent.front().second || work.wants_time);
      fetched_.push_back(work.handle);
      fetched.push_back(sent.front());
      sent.pop_front();
    }
    while (!fetched_.empty() && random() % 2 == 0) {
      const size_t which = in_place_ ? 0 : random() % fetched_.size();
      rig_->device->Complete(fetched_[which], 5000 + fetched[which].first);
      fetched_.erase(fetched_.begin() + static_cast<std::ptrdiff_t>(which));
      fetched.erase(fetched.begin() + static_cast<std::ptrdiff_t>(which));
    }
    if (random() % 4 == 0) take();
  }
  dataplane::TxWork work;
  do {
    for (size_t i = 0; i < fetched_.size(); ++i) {
      rig_->device->Complete(fetched_[i], 5000 + fetched[i].first);
    }
    fetched_.clear();
    fetched.clear();
    while (rig_->device->Fetch(&work) == RingFault::kNone) {
      ASSERT_FALSE(sent.empty());
      fetched_.push_back(work.handle);
      fetched.push_back(sent.front());
      sent.pop_front();
    }
  } while (!fetched_.empty());
  EXPECT_TRUE(queue_->Flush(absl::Seconds(1)).ok());
  take();
  EXPECT_GT(asked, testing::Rounds(200));
  EXPECT_EQ(answered, asked);
  EXPECT_EQ(queue_->counters().timestamps_lost, 0u);
}

TEST_P(TxQueueRings, ADroppedPacketHasNoTime) {
  Packet packet = queue_->Allocate(400);
  const std::array<std::byte, 400> nothing_to_cut{};
  packet.CopyFrom(nothing_to_cut);
  packet.RequestSegments(100);
  packet.RequestTimestamp();
  ASSERT_TRUE(queue_->Send(std::move(packet)));
  EXPECT_EQ(queue_->counters().refused, 1u);
  std::array<TxTimestamp, 2> out;
  ASSERT_EQ(queue_->TakeTimestamps(out), 1u);
  EXPECT_EQ(out[0].number, 0u);
  EXPECT_EQ(out[0].time_ns, std::nullopt);
}

// All that was out comes back before a Send, and all that it sent before the program asks.
TEST_P(TxQueueRings, WhoTakesTimesAfterEachSendLosesNone) {
  const auto send_all = [&] {
    uint32_t sent = 0;
    for (;;) {
      Packet packet = queue_->Allocate(100);
      if (!packet) return sent;
      packet.RequestTimestamp();
      if (!queue_->Send(std::move(packet))) return sent;
      ++sent;
    }
  };
  const auto complete_all = [&] {
    dataplane::TxWork work;
    while (rig_->device->Fetch(&work) == RingFault::kNone) rig_->device->Complete(work.handle, 5);
  };
  if (!queue_->offloads_timestamps()) return;  // nothing to lose
  uint32_t sent = send_all();
  complete_all();
  queue_->Reclaim();
  sent += send_all();
  complete_all();
  std::array<TxTimestamp, 7> out;
  uint32_t answered = 0;
  while (const size_t n = queue_->TakeTimestamps(out)) {
    for (const TxTimestamp& one : std::span(out).first(n)) EXPECT_EQ(one.number, answered++);
  }
  EXPECT_GT(sent, 16u);
  EXPECT_EQ(answered, sent);
  EXPECT_EQ(queue_->counters().timestamps_lost, 0u);
}

TEST_P(TxQueueRings, TimesThatNobodyTakesAreCountedAsLost) {
  constexpr uint32_t kPackets = 300;
  for (uint32_t i = 0; i < kPackets; ++i) {
    Packet packet = queue_->Allocate(100);
    packet.RequestTimestamp();
    ASSERT_TRUE(queue_->Send(std::move(packet)));
    dataplane::TxWork work;
    while (rig_->device->Fetch(&work) == RingFault::kNone) rig_->device->Complete(work.handle, i);
    queue_->Reclaim();
  }
  std::vector<TxTimestamp> out(kPackets);
  const size_t n = queue_->TakeTimestamps(out);
  EXPECT_LT(n, kPackets);
  EXPECT_EQ(n + queue_->counters().timestamps_lost, kPackets);
  for (size_t i = 0; i < n; ++i) EXPECT_EQ(out[i].number, kPackets - n + i) << "the newest stay";
}

INSTANTIATE_TEST_SUITE_P(Layouts, TxQueueRings, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace qsplit::internal
