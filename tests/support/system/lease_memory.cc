#include "tests/support/system/lease_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qsplit::testing {
namespace {

constexpr uint32_t kNics = 8;
constexpr uint32_t kQueuesOfNic = 64;
constexpr uint64_t kBuffersOfPair =
    2 * LeaseMemoryScale::kMostSlots + 256;  // the library's default

std::string Name(uint32_t nic) { return absl::StrCat("nic", nic); }

ProcessMemory PerLease(const ProcessMemory& before, const ProcessMemory& after, uint32_t leases) {
  return {(after.own_bytes - before.own_bytes) / leases,
          (after.ring_bytes - before.ring_bytes) / leases};
}

}  // namespace

ProcessMemory MemoryOf(pid_t pid) {
  ProcessMemory memory;
  std::ifstream smaps(absl::StrCat("/proc/", pid, "/smaps"));
  bool rings = false;
  for (std::string line; std::getline(smaps, line);) {
    const size_t colon = line.find(':');
    // A mapping's own line has its addresses in front: "7f…-7f… rw-s 00000000 00:01 5 /memfd:…".
    if (line.find('-') < line.find(' ')) rings = line.find("/memfd:qsplit-rings") != line.npos;
    const double bytes =
        colon == line.npos ? 0 : 1024 * std::strtod(line.c_str() + colon + 1, nullptr);
    if (rings && line.starts_with("Rss:")) memory.ring_bytes += bytes;
    if (line.starts_with("Anonymous:")) memory.own_bytes += bytes;
  }
  return memory;
}

std::string LeaseMemoryScale::Devices() {
  std::string text;
  for (uint32_t nic = 0; nic < kNics; ++nic) {
    absl::StrAppend(&text, "[[device]]\nname = \"", Name(nic), "\"\nqueues = ", kQueuesOfNic,
                    "\nworker = \"w\"\n");
  }
  return text;
}

absl::StatusOr<LeaseMemoryScale> LeaseMemoryScale::Make(const Daemon& daemon) {
  absl::StatusOr<Session> session = Session::Connect(daemon.Options("scale"));
  if (!session.ok()) return session.status();
  LeaseMemoryScale scale(*std::move(session));
  scale.daemon_ = daemon.pid();
  auto region = scale.session_.RegisterRegion({.bytes = kMostPairs * kBuffersOfPair * 2048});
  if (!region.ok()) return region.status();
  scale.region_ = *std::move(region);
  // Something is always done once, for whoever comes first.
  if (const auto first = scale.Weigh(64, 1); !first.ok()) return first.status();
  return scale;
}

absl::StatusOr<LeaseMemory> LeaseMemoryScale::Weigh(uint32_t slots, uint32_t pairs) {
  if (next_nic_ == kNics) return absl::ResourceExhaustedError("every NIC has leases");
  absl::StatusOr<Device> device = session_.OpenDevice(Name(next_nic_++));
  if (!device.ok()) return device.status();
  const uint32_t count = kQueuesOfNic / 2 / pairs;
  leases_.reserve(leases_.size() + count);
  const ProcessMemory daemon = MemoryOf(daemon_), client = MemoryOf(::getpid());
  for (uint32_t i = 0; i < count; ++i) {
    absl::StatusOr<Lease> lease = device->Acquire({.rx_queues = pairs,
                                                   .tx_queues = pairs,
                                                   .rx_slots = slots,
                                                   .tx_slots = slots,
                                                   .region = region_,
                                                   .layout = kLayout});
    if (!lease.ok()) return lease.status();
    leases_.push_back(*std::move(lease));
  }
  return LeaseMemory{PerLease(daemon, MemoryOf(daemon_), count),
                     PerLease(client, MemoryOf(::getpid()), count)};
}

}  // namespace qsplit::testing
