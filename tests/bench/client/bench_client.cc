// What Send and Receive of the client library cost a program for each packet, with all that is
// theirs: packets and buffers, requests, metadata. Bursts of 32 of 60 bytes, the ring in the cache;
// the device's part is done beforehand and not counted, nor is filling packets in.
//
//   bench_client [LAYOUT]      medians of 9 runs, ns for each packet, of the first queue and the
//                              first choices of each layout; +-: half of what lies between the
//                              quartiles, in percent
//
// plain: packets as they are. sums: each asks for all checksums (UDP over IPv4); mixed: every other
// burst asks, some for UDP's and some for TCP's. all: receives all fields; none: none of them.
// alone: share of the sums packets that did not go in a burst, in percent.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client-lib/src/lease_state.h"
#include "client-lib/src/rx_queue_impl.h"
#include "client-lib/src/tx_queue_impl.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::internal {
namespace {

using dataplane::RingFault;
using dataplane::RxFields;
using dataplane::testing::PacketMemory;
using dataplane::testing::Region;
using dataplane::testing::RxCase;
using dataplane::testing::TxCase;
using dataplane::testing::TxRig;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kSlots = 512;
constexpr uint32_t kBurst = 32;
constexpr uint32_t kBursts = 4;  // timed together
constexpr uint32_t kBufferBytes = 512;
constexpr uint32_t kBuffers = 512;
constexpr uint32_t kFrameBytes = 60;
constexpr int kRuns = 9;
constexpr int kRounds = 100;  // of each run

double Ns(Clock::duration time) { return std::chrono::duration<double, std::nano>(time).count(); }

struct Runs {
  std::vector<double> values;
  double At(double share) const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))];
  }
  void Print() const {
    if (values.empty()) {
      std::printf(" %8s      ", "-");
    } else {
      std::printf(" %8.1f +-%2.0f%%", At(0.5), 50 * (At(0.75) - At(0.25)) / At(0.5));
    }
  }
};

std::string Frame(bool tcp) {
  std::string frame = testing_support::Datagram(1000, 4242, std::string(kFrameBytes - 42, 'b'));
  if (tcp) {
    frame[23] = 6;
    frame[46] = 0x50;  // the header's words
  }
  return frame;
}

enum class Ask { kNothing, kSums, kMixed };

class Sender {
 public:
  explicit Sender(const TxCase& c) : rig_(c, kSlots) {
    if (!rig_.status.ok()) return;
    const std::span<std::byte> memory(rig_.packets.bytes());
    const uint64_t room = memory.size() - rig_.packets_begin;
    const uint64_t bytes = std::min<uint64_t>(room / kBufferBytes, kBuffers) * kBufferBytes;
    pool_ = new BufferPool(memory.subspan(rig_.packets_begin, bytes), kBufferBytes,
                           PacketMemory::kIova + rig_.packets_begin, this, nullptr);
    TxQueueImpl::Setup setup;
    setup.bell.state = &state_;
    queue_ = std::make_unique<TxQueueImpl>(std::move(*rig_.driver), pool_, setup);
  }
  ~Sender() {
    queue_.reset();
    if (pool_ != nullptr) BufferPool::Abandon(pool_);
  }
  bool there() const { return queue_ != nullptr; }

  // 0: they do not fit.
  double RunOf(Ask ask) {
    Clock::duration time{};
    uint64_t packets = 0;
    for (int round = 0; round < kRounds; ++round) {
      for (uint32_t burst = 0; burst < kBursts; ++burst) {
        if (queue_->Allocate(bursts_[burst], kFrameBytes) != kBurst) return 0;
        Fill(burst, ask);
      }
      const uint64_t alone = queue_->counters.sent_alone;
      const Clock::time_point begin = Clock::now();
      for (auto& burst : bursts_) {
        if (queue_->Send(burst) != kBurst) return 0;
      }
      time += Clock::now() - begin;
      packets += kBursts * kBurst;
      if (ask == Ask::kSums) {
        alone_ += queue_->counters.sent_alone - alone;
        asked_ += kBursts * kBurst;
      }
      dataplane::TxWork work;
      while (rig_.device->Fetch(&work) == RingFault::kNone) rig_.device->Complete(work.handle);
      queue_->Reclaim();
    }
    return Ns(time) / static_cast<double>(packets);
  }
  double AlonePercent() const {
    return asked_ == 0 ? 0 : 100 * static_cast<double>(alone_) / static_cast<double>(asked_);
  }

 private:
  void Fill(uint32_t burst, Ask ask) {
    const bool asks = ask == Ask::kSums || (ask == Ask::kMixed && burst % 2 != 0);
    const bool tcp = ask == Ask::kMixed && burst % 4 == 3;
    for (Packet& packet : bursts_[burst]) {
      testing_support::Fill(packet, tcp ? tcp_ : udp_);
      packet.RequestChecksums(asks, asks);
    }
  }

  LeaseState state_{1};
  TxRig rig_;
  BufferPool* pool_ = nullptr;
  std::unique_ptr<TxQueueImpl> queue_;
  std::array<std::array<Packet, kBurst>, kBursts> bursts_;
  uint64_t alone_ = 0;
  uint64_t asked_ = 0;
  const std::string udp_ = Frame(false);
  const std::string tcp_ = Frame(true);
};

class Receiver {
 public:
  Receiver(const RxCase& c, RxFields wanted)
      : buffer_bytes_(dataplane::testing::BufferBytesFrom(c, kBufferBytes)),
        memory_(*c.layout, c.queue, c.choices, kSlots),
        region_(size_t{4} * kSlots * buffer_bytes_) {
    dataplane::QueueView view = memory_.view();
    dataplane::RxOptions options;
    options.wanted = wanted;
    options.buffer_bytes = buffer_bytes_;
    options.packet_bytes = buffer_bytes_;
    auto driver = dataplane::RxDriver::Create(*c.layout, view, options);
    dataplane::RxDeviceOptions of_device;
    of_device.buffer_bytes = buffer_bytes_;
    of_device.memory = region_.memory();
    auto device = dataplane::RxDevice::Create(*c.layout, view, of_device);
    if (!driver.ok() || !device.ok()) return;
    device_ = std::make_unique<dataplane::RxDevice>(*std::move(device));
    pool_ = new BufferPool(region_.bytes(), buffer_bytes_, Region::kIova, this, nullptr);
    RxQueueImpl::Setup setup{.buffer_bytes = buffer_bytes_, .max_posted = driver->Capacity()};
    setup.bell.state = &state_;
    queue_ = std::make_unique<RxQueueImpl>(*std::move(driver), pool_, setup);
  }
  ~Receiver() {
    queue_.reset();
    if (pool_ != nullptr) BufferPool::Abandon(pool_);
  }

  double Run() {
    if (queue_ == nullptr) return 0;
    Clock::duration time{};
    uint64_t packets = 0;
    dataplane::RxMetadata meta;
    meta.present = device_->Supported();
    meta.hash = 0x12345678;
    meta.hash_type = dataplane::HashType::kUdp4;
    meta.l3 = dataplane::L3Kind::kIp4;
    meta.l4 = dataplane::L4Kind::kUdp;
    meta.l3_checksum = meta.l4_checksum = dataplane::ChecksumState::kGood;
    // Neither tagged nor merged.
    meta.present.bits &= ~(dataplane::RxField::kVlanTci | dataplane::RxField::kSegment).bits;
    for (int round = 0; round < kRounds; ++round) {
      uint32_t put = 0;
      for (; put < kBursts * kBurst; ++put) {
        dataplane::PostedBuffer buffer;
        if (device_->Fetch(&buffer) != RingFault::kNone) break;
        device_->Complete({.length = kFrameBytes, .last = true, .meta = meta});
      }
      device_->Publish();
      if (put < kBursts * kBurst) return 0;
      const Clock::time_point begin = Clock::now();
      size_t got = 0;
      for (uint32_t i = 0; i < kBursts; ++i) got += queue_->Receive(packets_);
      time += Clock::now() - begin;
      if (got != put) return 0;
      packets += got;
    }
    return Ns(time) / static_cast<double>(packets);
  }

 private:
  const uint32_t buffer_bytes_;
  LeaseState state_{1};
  dataplane::testing::QueueMemory memory_;
  Region region_;
  std::unique_ptr<dataplane::RxDevice> device_;
  BufferPool* pool_ = nullptr;
  std::unique_ptr<RxQueueImpl> queue_;
  std::array<Packet, kBurst> packets_;
};

void Add(double ns, Runs* to) {
  if (ns != 0) to->values.push_back(ns);
}

}  // namespace

int Main(std::string_view only) {
  std::set<std::string> done;
  std::printf("%-28s %15s %14s %14s %8s\n", "send", "plain", "sums", "mixed", "alone");
  for (const TxCase& c : dataplane::testing::AllTxCases()) {
    const std::string& name = c.layout->name();
    if ((!only.empty() && name != only) || !done.insert(name).second) continue;
    Sender sender(c);
    if (!sender.there()) continue;
    Runs plain, sums, mixed;
    for (int run = 0; run < kRuns; ++run) {
      Add(sender.RunOf(Ask::kNothing), &plain);
      Add(sender.RunOf(Ask::kSums), &sums);
      Add(sender.RunOf(Ask::kMixed), &mixed);
    }
    std::printf("%-28s", name.c_str());
    plain.Print();
    sums.Print();
    mixed.Print();
    std::printf(" %7.0f%%\n", sender.AlonePercent());
  }
  done.clear();
  std::printf("%-28s %15s %14s\n", "receive", "all", "none");
  for (const RxCase& c : dataplane::testing::AllRxCases()) {
    const std::string& name = c.layout->name();
    if ((!only.empty() && name != only) || !done.insert(name).second) continue;
    Receiver all_fields(c, RxFields::All());
    Receiver no_fields(c, RxFields::None());
    Runs all, none;
    for (int run = 0; run < kRuns; ++run) {
      Add(all_fields.Run(), &all);
      Add(no_fields.Run(), &none);
    }
    std::printf("%-28s", name.c_str());
    all.Print();
    none.Print();
    std::printf("\n");
  }
  return 0;
}

}  // namespace qsplit::internal

int main(int argc, char** argv) { return qsplit::internal::Main(argc > 1 ? argv[1] : ""); }
