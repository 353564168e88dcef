// A client that means harm. It takes a real lease, and then two threads write to all that it was
// given, as no honest client would: one drives the queues with descriptors whose addresses and
// lengths are wrong as often as right, the other writes random bits to descriptors, doorbells,
// event and wakeup cells at any moment, wakes the device for nothing, and punches holes into the
// memory under the device. Again and again, with a new lease each time.
//
//   rogue RUNTIME_DIR SECONDS SEED
//
// Prints "leases=N faults=N told=N kinds=N busy=N canary=whole" in the end: faults that the daemon
// counted, faults that a watch was told of, how many kinds of them, how often the device was too
// busy to answer, and whether the region that the device may only read is as it was. Exit status:
// 0, unless the daemon ended or refused what it must not.
#include <fcntl.h>
#include <qsplit/qsplit.h>
#include <qsplit/rpc_session.h>
#include <signal.h>
#include <sys/mman.h>
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

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client-lib/src/grant_map.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_driver.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/layout_service.grpc.pb.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "qsplit/v1/region.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"
#include "tests/hostile/ask_again.h"

namespace qsplit {
namespace {

constexpr uint64_t kRegionBytes = 1 << 20;
constexpr uint32_t kQueues = 2;
constexpr uint32_t kScratchBytes = kRegionBytes / 2 / kQueues;  // of a transmit queue
constexpr size_t kBurst = 64;
constexpr uint16_t kPort = 6000;
constexpr absl::Duration kLeaseLife = absl::Milliseconds(40);

using Random = std::mt19937_64;

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

// Memory of ours, registered.
struct Memory {
  int fd = -1;
  std::byte* bytes = nullptr;
  uint64_t region = 0;
};

class Rogue {
 public:
  explicit Rogue(const std::string& runtime_dir, uint64_t seed)
      : random_(seed), rpc_(RpcSession::Open({.runtime_dir = runtime_dir, .program = "rogue"})) {
    Check(rpc_->OpenSession(), "open the session");
    leases_ = v1::LeaseService::NewStub(rpc_->channel());
    v1::GetDeviceRequest get;
    get.set_name("nic0");
    v1::GetDeviceResponse device;
    Call(*v1::DeviceService::NewStub(rpc_->channel()), &v1::DeviceService::Stub::GetDevice, get,
         &device, "get the device");
    for (const auto& reference : device.device().layouts()) {
      v1::GetLayoutRequest request;
      request.set_name(reference.name());
      v1::GetLayoutResponse response;
      Call(*v1::LayoutService::NewStub(rpc_->channel()), &v1::LayoutService::Stub::GetLayout,
           request, &response, "get a layout");
      layouts_.push_back(
          Check(layout::VerifiedLayout::FromBytes(response.layout()), "verify a layout"));
    }
    mine_ = Register(false);
    canary_ = Register(true);
    for (size_t i = 0; i < kRegionBytes; ++i) canary_.bytes[i] = CanaryByte(i);
    watcher_ = std::thread([this] { Watch(); });
  }

  void Run(absl::Duration time) {
    const absl::Time until = absl::Now() + time;
    while (absl::Now() < until) OneLease();
    // What the daemon knows, the watch is told.
    const absl::Time patience = absl::Now() + absl::Seconds(5);
    while (told_ < faults_ && absl::Now() < patience) absl::SleepFor(absl::Milliseconds(5));
    Check(rpc_->Ping(), "ping");
    bool whole = true;
    for (size_t i = 0; i < kRegionBytes; ++i) whole &= canary_.bytes[i] == CanaryByte(i);
    watch_context_.TryCancel();
    watcher_.join();
    std::printf("leases=%llu faults=%llu told=%llu kinds=%zu busy=%llu canary=%s\n",
                static_cast<unsigned long long>(count_), static_cast<unsigned long long>(faults_),
                static_cast<unsigned long long>(told_.load()), kinds_.size(),
                static_cast<unsigned long long>(busy_), whole ? "whole" : "broken");
  }

 private:
  static std::byte CanaryByte(size_t at) { return static_cast<std::byte>(at * 13 + (at >> 7)); }

  template <typename Stub, typename Request, typename Response>
  void Call(Stub& stub,
            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
            const Request& request, Response* response, const char* what) {
    Check(testing::AskAgain([&] { return Ask(stub, method, request, response); }, busy_), what);
  }
  template <typename Stub, typename Request, typename Response>
  absl::Status Ask(Stub& stub,
                   grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const Request& request, Response* response) {
    grpc::ClientContext context;
    rpc_->PrepareContext(context);
    return rpc_->ToStatus((stub.*method)(&context, request, response));
  }

  Memory Register(bool read_only) {
    Memory memory;
    memory.fd = ::memfd_create("rogue", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (::ftruncate(memory.fd, kRegionBytes) != 0 ||
        ::fcntl(memory.fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
      Check(absl::ErrnoToStatus(errno, "memfd"), "make memory");
    }
    memory.bytes = static_cast<std::byte*>(
        ::mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0));
    v1::RegisterRegionRequest request;
    request.set_descriptor_handle(Check(rpc_->PutDescriptor(memory.fd), "put a descriptor"));
    request.set_length_bytes(kRegionBytes);
    request.set_read_only(read_only);
    v1::RegisterRegionResponse response;
    Call(*v1::RegionService::NewStub(rpc_->channel()), &v1::RegionService::Stub::RegisterRegion,
         request, &response, "register a region");
    memory.region = response.region().region_id();
    return memory;
  }

  void Watch() {
    rpc_->PrepareContext(watch_context_, absl::InfiniteDuration());
    const auto stream = leases_->WatchLeases(&watch_context_, {});
    v1::WatchLeasesResponse event;
    while (stream->Read(&event)) {
      if (event.event() != v1::LEASE_EVENT_FAULT) continue;
      kinds_.insert(event.fault().kind());
      ++told_;
    }
  }

  // What one lease gave us.
  struct Loot {
    explicit Loot(internal::GrantMap grant) : map(std::move(grant)) {}
    internal::GrantMap map;
    std::vector<dataplane::TxDriver> tx;
    std::vector<dataplane::RxDriver> rx;
    std::vector<std::span<std::byte>> slots;
    std::vector<uint32_t> slot_counts;  // parallel to slots
    std::vector<std::byte*> cells;      // doorbells, index cells, event requests, need_wakeup
    std::vector<int> wakeups;
    int memory = -1;
    uint64_t memory_bytes = 0;
    uint64_t mine_iova = 0;
    uint64_t canary_iova = 0;
  };

  template <typename Queue>
  void Take(Loot& loot, const Queue& grant, const layout::VerifiedLayout& layout, bool transmit) {
    const auto direction = transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE;
    uint32_t number = 0;
    while (layout.message().queues(static_cast<int>(number)).direction() != direction) ++number;
    dataplane::QueueView view =
        Check(internal::ViewOf(loot.map, grant, layout.message(), number, "queue"), "view");
    if (transmit) {
      // Beside the buffers, in the same memory: what it harms is its own.
      const uint64_t at = kRegionBytes / 2 + loot.tx.size() * kScratchBytes;
      view.scratch_bytes = std::min(kScratchBytes, dataplane::TxDriver::ScratchBytes(layout, view));
      view.scratch = mine_.bytes + at;
      view.scratch_iova = dataplane::Iova(loot.mine_iova + at);
      loot.tx.push_back(Check(dataplane::TxDriver::Create(layout, view, {}), "transmit"));
    } else {
      loot.rx.push_back(Check(
          dataplane::RxDriver::Create(layout, view, {.buffer_bytes = grant.rx_buffer_bytes()}),
          "receive"));
    }
    for (uint32_t r = 0; r < view.ring_count; ++r) {
      const dataplane::RingView& ring = view.rings[r];
      if (ring.slot_count == 0) continue;  // left out by the layout's features
      const v1::Ring& form =
          layout.message().queues(static_cast<int>(number)).rings(static_cast<int>(r));
      loot.slots.emplace_back(ring.slots, size_t{ring.slot_count} * form.slot_bytes());
      loot.slot_counts.push_back(ring.slot_count);
      for (std::byte* at : ring.producer_doorbells) loot.cells.push_back(at);
      for (std::byte* at : ring.consumer_doorbells) loot.cells.push_back(at);
      for (std::byte* at : ring.cells) loot.cells.push_back(at);
      loot.cells.push_back(ring.need_wakeup);
      if (grant.rings(static_cast<int>(r)).has_wakeup_descriptor()) {
        loot.wakeups.push_back(
            Check(loot.map.Descriptor(grant.rings(static_cast<int>(r)).wakeup_descriptor(),
                                      v1::GRANT_DESCRIPTOR_KIND_WAKEUP,
                                      v1::GRANT_DESCRIPTOR_KIND_WAKEUP, "wakeup"),
                  "wakeup"));
      }
    }
    if (grant.has_event_request()) {
      loot.cells.push_back(Check(
          loot.map.At(grant.event_request(), 4, 4, internal::GrantMap::Need::kReadWrite, "event"),
          "event request"));
    }
    std::erase(loot.cells, nullptr);
  }

  void OneLease() {
    const layout::VerifiedLayout& layout = layouts_[count_ % layouts_.size()];
    v1::AcquireLeaseRequest request;
    request.set_device("nic0");
    request.set_rx_queue_count(kQueues);
    request.set_tx_queue_count(kQueues);
    request.set_layout(layout.name());
    request.add_region_ids(mine_.region);
    request.add_region_ids(canary_.region);
    v1::AcquireLeaseResponse response;
    Call(*leases_, &v1::LeaseService::Stub::AcquireLease, request, &response, "acquire");
    const uint64_t id = response.lease().lease_id();
    std::vector<internal::OwnedFd> fds;
    for (const int fd : Check(rpc_->FetchGrant(id), "fetch the grant")) fds.emplace_back(fd);
    const v1::Grant& grant = response.grant();
    int memory = -1;
    for (int i = 0; i < grant.descriptors_size(); ++i) {
      if (grant.descriptors(i).kind() == v1::GRANT_DESCRIPTOR_KIND_MEMORY) {
        memory = fds[static_cast<size_t>(i)].get();
      }
    }
    Loot loot(Check(internal::GrantMap::Map(grant, std::move(fds)), "map the grant"));
    loot.memory = memory;
    for (const v1::Area& area : grant.areas()) loot.memory_bytes += area.length_bytes();
    for (const v1::RegionGrant& region : grant.regions()) {
      (region.region_id() == mine_.region ? loot.mine_iova : loot.canary_iova) = region.iova();
    }
    for (const auto& queue : grant.rx()) Take(loot, queue, layout, false);
    for (const auto& queue : grant.tx()) Take(loot, queue, layout, true);
    v1::AddRuleRequest rule;
    rule.set_lease_id(id);
    rule.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
    rule.mutable_match()->mutable_dst_port()->set_value(kPort);
    rule.mutable_match()->mutable_dst_port()->set_mask(0xffff);
    rule.set_lease_queue(static_cast<uint32_t>(count_ % kQueues));
    v1::AddRuleResponse added;
    Call(*v1::SteeringService::NewStub(rpc_->channel()), &v1::SteeringService::Stub::AddRule, rule,
         &added, "add a rule");

    std::atomic<bool> stop = false;
    // How often something is wrong, 1 in so many: from hardly ever to always.
    const uint64_t mercy = uint64_t{1} << (random_() % 12);
    std::thread driver([&, seed = random_()] { Drive(loot, seed, mercy, stop); });
    std::thread vandal([&, seed = random_()] { Destroy(loot, seed, mercy, stop); });
    absl::SleepFor(kLeaseLife);
    stop = true;
    driver.join();
    vandal.join();

    v1::GetLeaseRequest get;
    get.set_lease_id(id);
    v1::GetLeaseResponse got;
    Call(*leases_, &v1::LeaseService::Stub::GetLease, get, &got, "get the lease");
    v1::ReleaseLeaseRequest release;
    release.set_lease_id(id);
    v1::ReleaseLeaseResponse released;
    Check(testing::OkIfBusy(
              Ask(*leases_, &v1::LeaseService::Stub::ReleaseLease, release, &released), busy_),
          "release");
    faults_ += got.lease().faults();
    ++count_;
  }

  // An address that is right as often as mercy says.
  dataplane::Iova Address(const Loot& loot, Random& random, uint64_t mercy, bool receive) {
    if (random() % mercy != 0) {
      return dataplane::Iova(loot.mine_iova + random() % (kRegionBytes / 2048) * 2048);
    }
    switch (random() % 6) {
      case 0:
        return dataplane::Iova(loot.mine_iova + kRegionBytes - random() % 2048);
      case 1:
        return dataplane::Iova(loot.mine_iova - 1 - random() % 4096);
      case 2:
        return dataplane::Iova(random());
      case 3:
        return dataplane::Iova(~uint64_t{0} - random() % 4096);
      case 4:
        return dataplane::Iova(random() % 65536);
      default:
        // The device may read here, so only receiving is harm.
        return dataplane::Iova(receive ? loot.canary_iova + random() % kRegionBytes : 0);
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
        if (tx.Publish()) Wake(loot);
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

  static void Wake(const Loot& loot) {
    const uint64_t one = 1;
    for (const int fd : loot.wakeups) {
      if (::write(fd, &one, sizeof one) != sizeof one) continue;  // full: it is awake
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
          Wake(loot);
          break;
        case 6:  // a hole in our region
          ::fallocate(mine_.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(random() % (kRegionBytes / 4096) * 4096), 4096);
          break;
        default:  // a hole in the rings
          if (random() % mercy != 0) break;
          ::fallocate(loot.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(random() % (loot.memory_bytes / 4096) * 4096), 4096);
      }
    }
  }

  Random random_;
  std::shared_ptr<RpcSession> rpc_;
  std::unique_ptr<v1::LeaseService::Stub> leases_;
  std::vector<layout::VerifiedLayout> layouts_;
  Memory mine_, canary_;
  uint64_t count_ = 0;
  uint64_t faults_ = 0;
  uint64_t busy_ = 0;
  std::atomic<uint64_t> told_ = 0;
  std::set<int> kinds_;  // the watcher's until it ends
  grpc::ClientContext watch_context_;
  std::thread watcher_;
};

}  // namespace
}  // namespace qsplit

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  // A wakeup that is written past its limit must not end us.
  ::signal(SIGPIPE, SIG_IGN);
  qsplit::Rogue rogue(argv[1], std::strtoull(argv[3], nullptr, 0));
  rogue.Run(absl::Seconds(std::atof(argv[2])));
  return 0;
}
