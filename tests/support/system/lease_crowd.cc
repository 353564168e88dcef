#include "tests/support/system/lease_crowd.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

constexpr uint64_t kLeaseBytes = uint64_t{LeaseCrowd::kBuffers} * 2048;
constexpr absl::Duration kPatience = absl::Seconds(5);

std::string Name(int nic) { return absl::StrCat("nic", nic); }

std::string Mac(int nic) {
  return absl::StrCat("02:00:00:00:", absl::Hex(nic, absl::kZeroPad2), ":01");
}

// What the peer's lease waits for; ports are those of the lease's place in its pair.
uint16_t PortOf(size_t lease) {
  return static_cast<uint16_t>(5000 + lease % (2 * LeaseCrowd::kQueuesPerNic));
}

absl::Status Carry(Lease& from, Lease& to, uint16_t port) {
  const std::string text = absl::StrCat("lease ", from.id(), " to lease ", to.id());
  std::string frame = Datagram(kAskerPort, port, text);
  frame.replace(0, 6, 6, '\xff');  // for every NIC
  Packet packet = from.tx(0).Allocate(static_cast<uint32_t>(frame.size()));
  if (!packet) return absl::ResourceExhaustedError(absl::StrCat("no buffer: ", text));
  packet.CopyFrom(std::as_bytes(std::span(frame.data(), frame.size())));
  if (!from.tx(0).Send(std::move(packet))) {
    return absl::ResourceExhaustedError(absl::StrCat("not sent: ", text));
  }
  if (absl::Status status = to.rx(0).Wait(kPatience); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(text, ": ", status.message()));
  }
  Packet arrived[2];
  const size_t count = to.rx(0).Receive(arrived);
  const bool same = count == 1 && arrived[0].length() >= frame.size() &&
                    std::memcmp(arrived[0].bytes().data(), frame.data(), frame.size()) == 0;
  return same ? absl::OkStatus()
              : absl::DataLossError(absl::StrCat(text, ": ", count, " packets, or another one"));
}

}  // namespace

std::string CrowdDevices(int pairs) {
  std::string text;
  for (int nic = 0; nic < 2 * pairs; ++nic) {
    absl::StrAppend(&text, "[[device]]\nname = \"", Name(nic),
                    "\"\nqueues = ", LeaseCrowd::kQueuesPerNic, "\nworker = \"w\"\nmac = \"",
                    Mac(nic), "\"\nwire = { peer = \"", Name(nic ^ 1), "\" }\n");
  }
  return text;
}

absl::StatusOr<LeaseCrowd> LeaseCrowd::Take(const Session& session, int first_pair, int leases) {
  LeaseCrowd crowd;
  auto region = session.RegisterRegion({.bytes = static_cast<uint64_t>(leases) * kLeaseBytes});
  if (!region.ok()) return region.status();
  crowd.region_ = *std::move(region);
  for (int i = 0; i < leases; ++i) {
    const int nic = 2 * (first_pair + i / (2 * kQueuesPerNic)) + i % 2;
    absl::StatusOr<Device> device = session.OpenDevice(Name(nic));
    if (!device.ok()) return device.status();
    absl::StatusOr<Lease> lease =
        device->Acquire({.rx_slots = kSlots,
                         .tx_slots = kSlots,
                         .buffers_per_pair = kBuffers,
                         .region = crowd.region_,
                         .region_offset_bytes = static_cast<uint64_t>(i) * kLeaseBytes});
    if (!lease.ok()) {
      return absl::Status(lease.status().code(),
                          absl::StrCat("lease ", i, ": ", lease.status().message()));
    }
    crowd.leases_.push_back(*std::move(lease));
  }
  return crowd;
}

absl::Status LeaseCrowd::CarryPackets() {
  for (size_t i = 0; i < leases_.size(); ++i) {
    const auto rule =
        leases_[i].AddRule(absl::StrCat("flow-type udp4 dst-port ", PortOf(i), " action 0"));
    if (!rule.ok()) return rule.status();
  }
  for (size_t i = 0; i < leases_.size(); ++i) {
    absl::Status status = Carry(leases_[i], leases_[i ^ 1], PortOf(i ^ 1));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace qsplit::testing
