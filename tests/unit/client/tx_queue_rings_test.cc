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

class TxQueueRings : public testing::TestWithParam<TxCase> {
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
  for (int step = 0; step < 3000 && !HasFailure(); ++step) {
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
  EXPECT_GT(made, 500u);
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

INSTANTIATE_TEST_SUITE_P(Layouts, TxQueueRings, testing::ValuesIn(AllTxCases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace qsplit::internal
