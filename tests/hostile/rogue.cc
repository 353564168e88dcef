// A client that means harm. It takes a real lease, and then two threads write to all that it was
// given, as no honest client would: one drives the queues with descriptors whose addresses and
// lengths are wrong as often as right, the other writes random bits to descriptors, doorbells,
// event and wakeup cells at any moment, wakes the device for nothing, and punches holes into the
// memory under the device. Again and again, with a new lease each time.
//
//   rogue RUNTIME_DIR SECONDS SEED [DEVICE QUEUES TRAFFIC [--ready-fd FD]]
//
// DEVICE is nic0, QUEUES 2, of either direction, unless it is told; TRAFFIC a rule in ethtool's
// words, "rss" to share what no rule takes, or "all" where whoever has the queues gets everything.
// Each lease has the next one of the device's layouts. Writes "ready" to FD when it has its first
// lease.
//
// Prints "leases=N faults=N told=N kinds=N busy=N canary=whole" in the end: faults that the daemon
// counted, faults that a watch was told of, how many kinds of them, how often the device was too
// busy to answer, and whether the region that the device may only read is as it was. Exit status:
// 0, unless the daemon ended or refused what it must not.
#include <fcntl.h>
#include <qsplit/qsplit.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/hostile/raw_client.h"

namespace qsplit {
namespace {

constexpr uint64_t kRegionBytes = 1 << 20;
constexpr size_t kBurst = 64;
constexpr absl::Duration kLeaseLife = absl::Milliseconds(40);

using testing::Memory;
using Loot = testing::RawLease;  // what one lease gave us
using Random = std::mt19937_64;

struct Target {
  std::string device = "nic0";
  uint32_t queues = 2;  // of either direction
  std::string traffic;  // "rss", "all", or a rule; empty: one port's, to each queue in turn
  int ready_fd = -1;
};

void Check(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  std::printf("rogue: %s: %s\n", what, status.ToString().c_str());
  std::exit(1);
}
template <typename T>
T Check(absl::StatusOr<T> value, const char* what) {
  Check(value.status(), what);
  return *std::move(value);
}

class Rogue {
 public:
  Rogue(const std::string& runtime_dir, uint64_t seed, Target target)
      : random_(seed), target_(std::move(target)), client_(runtime_dir, "rogue") {
    Check(client_.Open(target_.device), "open the session");
    mine_ = Check(client_.Register(kRegionBytes, false), "register a region");
    canary_ = Check(client_.Register(kRegionBytes, true), "register a region");
    for (size_t i = 0; i < kRegionBytes; ++i) canary_.bytes[i] = CanaryByte(i);
    watcher_ = std::thread([this] { Watch(); });
  }

  void Run(absl::Duration time) {
    const absl::Time until = absl::Now() + time;
    while (absl::Now() < until) OneLease();
    // What the daemon knows, the watch is told.
    const absl::Time patience = absl::Now() + absl::Seconds(5);
    while (told_ < faults_ && absl::Now() < patience) absl::SleepFor(absl::Milliseconds(5));
    Check(client_.rpc().Ping(), "ping");
    bool whole = true;
    for (size_t i = 0; i < kRegionBytes; ++i) whole &= canary_.bytes[i] == CanaryByte(i);
    watch_context_.TryCancel();
    watcher_.join();
    std::printf("leases=%llu faults=%llu told=%llu kinds=%zu busy=%llu canary=%s\n",
                static_cast<unsigned long long>(count_), static_cast<unsigned long long>(faults_),
                static_cast<unsigned long long>(told_.load()), kinds_.size(),
                static_cast<unsigned long long>(client_.busy()), whole ? "whole" : "broken");
  }

 private:
  static std::byte CanaryByte(size_t at) { return static_cast<std::byte>(at * 13 + (at >> 7)); }

  void Watch() {
    client_.rpc().PrepareContext(watch_context_, absl::InfiniteDuration());
    const auto stream = client_.leases().WatchLeases(&watch_context_, {});
    v1::WatchLeasesResponse event;
    while (stream->Read(&event)) {
      if (event.event() != v1::LEASE_EVENT_FAULT) continue;
      kinds_.insert(event.fault().kind());
      ++told_;
    }
  }

  void OneLease() {
    const auto& layouts = client_.layouts();
    v1::AcquireLeaseRequest request;
    request.set_device(target_.device);
    request.set_rx_queue_count(target_.queues);
    request.set_tx_queue_count(target_.queues);
    request.set_layout(layouts[count_ % layouts.size()].name());
    request.set_join_rss(target_.traffic == "rss");
    request.add_region_ids(mine_.region);
    request.add_region_ids(canary_.region);
    const auto lease = Check(client_.Acquire(request, mine_), "acquire");
    Loot& loot = *lease;
    const std::string turn = std::to_string(count_ % target_.queues);
    if (target_.traffic.empty()) {
      Check(client_.AddRule(loot.id(), "flow-type udp4 dst-port 6000 action " + turn),
            "add a rule");
    } else if (target_.traffic != "rss" && target_.traffic != "all") {
      Check(client_.AddRule(loot.id(), target_.traffic), "add a rule");
    }

    if (count_ == 0 && target_.ready_fd >= 0 && ::write(target_.ready_fd, "ready\n", 6) == 6) {
      ::close(target_.ready_fd);
    }
    std::atomic<bool> stop = false;
    // How often something is wrong, 1 in so many: from hardly ever to always.
    const uint64_t mercy = uint64_t{1} << (random_() % 12);
    std::thread driver([&, seed = random_()] { Drive(loot, seed, mercy, stop); });
    std::thread vandal([&, seed = random_()] { Destroy(loot, seed, mercy, stop); });
    absl::SleepFor(kLeaseLife);
    stop = true;
    driver.join();
    vandal.join();

    faults_ += Check(client_.Get(loot.id()), "get the lease").faults();
    Check(client_.Release(loot.id()), "release");
    ++count_;
  }

  // An address that is right as often as mercy says.
  dataplane::Iova Address(const Loot& loot, Random& random, uint64_t mercy, bool receive) {
    if (random() % mercy != 0) {
      return dataplane::Iova(loot.IovaOf(mine_) + random() % (kRegionBytes / 2048) * 2048);
    }
    switch (random() % 6) {
      case 0:
        return dataplane::Iova(loot.IovaOf(mine_) + kRegionBytes - random() % 2048);
      case 1:
        return dataplane::Iova(loot.IovaOf(mine_) - 1 - random() % 4096);
      case 2:
        return dataplane::Iova(random());
      case 3:
        return dataplane::Iova(~uint64_t{0} - random() % 4096);
      case 4:
        return dataplane::Iova(random() % 65536);
      default:
        // The device may read here, so only receiving is harm.
        return dataplane::Iova(receive ? loot.IovaOf(canary_) + random() % kRegionBytes : 0);
    }
  }

  void Drive(Loot& loot, uint64_t seed, uint64_t mercy, const std::atomic<bool>& stop) {
    Random random(seed);
    std::array<uint32_t, kBurst> cookies;
    std::array<dataplane::RxCompletion, kBurst> completions;
    while (!stop) {
      for (dataplane::TxDriver& tx : loot.tx) {
        for (uint64_t burst = random() % 8; burst > 0; --burst) {
          dataplane::TxRequest wish;
          if (random() % 2 == 0) {
            wish.wants = dataplane::TxFeature::kL3Checksum | dataplane::TxFeature::kL4Checksum;
            wish.l3 = dataplane::L3Kind::kIp4;
            wish.l4 = random() % 2 == 0 ? dataplane::L4Kind::kUdp : dataplane::L4Kind::kTcp;
            wish.l2_header_bytes = random() % 4 == 0 ? static_cast<uint16_t>(random() % 128) : 14;
            wish.l3_header_bytes = random() % 4 == 0 ? static_cast<uint16_t>(random() % 512) : 20;
            if (random() % 2 == 0) {
              wish.wants |= dataplane::TxFeature::kVlanInsert;
              wish.vlan_tci = static_cast<uint16_t>(random());
            }
          }
          std::array<dataplane::TxSegment, 3> segments;
          const size_t n = 1 + random() % segments.size();
          for (size_t i = 0; i < n; ++i) {
            segments[i] = {Address(loot, random, mercy, false),
                           static_cast<uint32_t>(random() % mercy == 0 ? random() % 70000
                                                                       : 60 + random() % 400)};
          }
          tx.Push(std::span(segments).first(n), wish, 0);
        }
        if (tx.Publish()) loot.Wake();
        tx.Reclaim(cookies);
      }
      for (dataplane::RxDriver& rx : loot.rx) {
        while (rx.Room() > 0) {
          if (!rx.Post(Address(loot, random, mercy, true), 2048, 0)) break;
        }
        rx.Publish();
        rx.Poll(completions);
      }
      if (random() % 4 == 0) std::this_thread::yield();
    }
  }

  // Some cells have 16 bits, and stand between others.
  static void StoreCell(std::byte* cell, uint32_t value) {
    if (reinterpret_cast<uintptr_t>(cell) % sizeof value == 0) {
      __atomic_store_n(reinterpret_cast<uint32_t*>(cell), value, __ATOMIC_RELAXED);
    } else {
      __atomic_store_n(reinterpret_cast<uint16_t*>(cell), static_cast<uint16_t>(value),
                       __ATOMIC_RELAXED);
    }
  }

  void Destroy(Loot& loot, uint64_t seed, uint64_t mercy, const std::atomic<bool>& stop) {
    Random random(seed);
    while (!stop) {
      if (mercy > 1) absl::SleepFor(absl::Microseconds(random() % mercy));
      switch (random() % 8) {
        case 0:
        case 1: {  // one bit of a descriptor
          const std::span<std::byte> slots = loot.slots[random() % loot.slots.size()];
          __atomic_fetch_xor(reinterpret_cast<uint8_t*>(&slots[random() % slots.size()]),
                             static_cast<uint8_t>(1u << random() % 8), __ATOMIC_RELAXED);
          break;
        }
        case 2: {  // a word of a descriptor
          const std::span<std::byte> slots = loot.slots[random() % loot.slots.size()];
          __atomic_store_n(reinterpret_cast<uint64_t*>(&slots[random() % (slots.size() / 8) * 8]),
                           random() % 2 == 0 ? random() : Address(loot, random, 2, true).value,
                           __ATOMIC_RELAXED);
          break;
        }
        case 3: {  // a doorbell or a cell: likely and unlikely values
          const uint32_t slots = loot.slot_counts[random() % loot.slot_counts.size()];
          const std::array<uint32_t, 6> values = {0, 1, slots - 1, slots, slots + 1, 0xffffffff};
          StoreCell(loot.cells[random() % loot.cells.size()],
                    random() % 2 == 0 ? values[random() % values.size()]
                                      : static_cast<uint32_t>(random() % (2 * slots)));
          break;
        }
        case 4:  // any bits in any cell
          StoreCell(loot.cells[random() % loot.cells.size()], static_cast<uint32_t>(random()));
          break;
        case 5:
          loot.Wake();
          break;
        case 6:  // a hole in our region
          ::fallocate(mine_.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(random() % (kRegionBytes / 4096) * 4096), 4096);
          break;
        default:  // a hole in the rings
          if (random() % mercy != 0) break;
          ::fallocate(loot.ring_memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(random() % (loot.ring_memory_bytes / 4096) * 4096), 4096);
      }
    }
  }

  Random random_;
  const Target target_;
  testing::RawClient client_;
  Memory mine_, canary_;
  uint64_t count_ = 0;
  uint64_t faults_ = 0;
  std::atomic<uint64_t> told_ = 0;
  std::set<int> kinds_;  // the watcher's until it ends
  grpc::ClientContext watch_context_;
  std::thread watcher_;
};

}  // namespace
}  // namespace qsplit

int main(int argc, char** argv) {
  if (argc != 4 && argc != 7 && argc != 9) return 2;
  // A wakeup that is written past its limit must not end us.
  ::signal(SIGPIPE, SIG_IGN);
  qsplit::Target target;
  if (argc >= 7) {
    target.device = argv[4];
    target.queues = static_cast<uint32_t>(std::strtoul(argv[5], nullptr, 0));
    target.traffic = argv[6];
  }
  if (argc == 9) target.ready_fd = std::atoi(argv[8]);
  qsplit::Rogue rogue(argv[1], std::strtoull(argv[3], nullptr, 0), std::move(target));
  rogue.Run(absl::Seconds(std::atof(argv[2])));
  return 0;
}
