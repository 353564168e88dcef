#include "tests/hostile/raw_client.h"

#include <fcntl.h>
#include <qsplit/rpc_flow_rule.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/layout_service.grpc.pb.h"
#include "qsplit/v1/region.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"

namespace qsplit::testing {

uint64_t RawLease::IovaOf(const Memory& memory) const {
  for (const v1::RegionGrant& region : grant.regions()) {
    if (region.region_id() == memory.region) return region.iova();
  }
  return 0;
}

void RawLease::Wake() const {
  const uint64_t one = 1;
  for (const int fd : wakeups) {
    if (::write(fd, &one, sizeof one) != sizeof one) continue;  // full: it is awake
  }
}

RawClient::RawClient(const std::string& runtime_dir, const std::string& program)
    : rpc_(RpcSession::Open({.runtime_dir = runtime_dir, .program = program})),
      leases_(v1::LeaseService::NewStub(rpc_->channel())) {}

absl::Status RawClient::Open(const std::string& device) {
  if (absl::Status status = rpc_->OpenSession(); !status.ok()) return status;
  device_ = device;
  const absl::StatusOr<v1::Device> got = GetDevice();
  if (!got.ok()) return got.status();
  const auto layouts = v1::LayoutService::NewStub(rpc_->channel());
  for (const auto& reference : got->layouts()) {
    v1::GetLayoutRequest request;
    request.set_name(reference.name());
    v1::GetLayoutResponse response;
    absl::Status status = Call(*layouts, &v1::LayoutService::Stub::GetLayout, request, &response);
    if (!status.ok()) return status;
    absl::StatusOr<layout::VerifiedLayout> layout =
        layout::VerifiedLayout::FromBytes(response.layout());
    if (!layout.ok()) return layout.status();
    layouts_.push_back(*std::move(layout));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Device> RawClient::GetDevice() {
  v1::GetDeviceRequest request;
  request.set_name(device_);
  v1::GetDeviceResponse response;
  absl::Status status = Call(*v1::DeviceService::NewStub(rpc_->channel()),
                             &v1::DeviceService::Stub::GetDevice, request, &response);
  if (!status.ok()) return status;
  return response.device();
}

absl::StatusOr<Memory> RawClient::Register(uint64_t bytes, bool read_only) {
  Memory memory;
  memory.fd = internal::OwnedFd(::memfd_create("harm", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (::ftruncate(memory.fd.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(memory.fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    return absl::ErrnoToStatus(errno, "memfd");
  }
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd.get(), 0);
  if (at == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap");
  memory.bytes = {static_cast<std::byte*>(at), bytes};
  const absl::StatusOr<uint64_t> handle = rpc_->PutDescriptor(memory.fd.get());
  if (!handle.ok()) return handle.status();
  v1::RegisterRegionRequest request;
  request.set_descriptor_handle(*handle);
  request.set_length_bytes(bytes);
  request.set_read_only(read_only);
  v1::RegisterRegionResponse response;
  absl::Status status = Call(*v1::RegionService::NewStub(rpc_->channel()),
                             &v1::RegionService::Stub::RegisterRegion, request, &response);
  if (!status.ok()) return status;
  memory.region = response.region().region_id();
  return memory;
}

absl::Status RawClient::Take(RawLease& lease, const v1::QueueGrant& grant,
                             const layout::VerifiedLayout& layout, bool transmit,
                             const Memory& scratch) {
  const auto direction = transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE;
  uint32_t number = 0;
  while (layout.message().queues(static_cast<int>(number)).direction() != direction) ++number;
  absl::StatusOr<dataplane::QueueView> made =
      internal::ViewOf(lease.map, grant, layout.message(), number, "queue");
  if (!made.ok()) return made.status();
  dataplane::QueueView& view = *made;
  if (transmit) {
    // Beside the buffers, in the same memory: what it harms is its own.
    const uint64_t half = scratch.bytes.size() / 2;
    const uint64_t each = half / static_cast<uint64_t>(lease.grant.tx_size());
    const uint64_t at = half + lease.tx.size() * each;
    view.scratch_bytes =
        std::min(static_cast<uint32_t>(each), dataplane::TxDriver::ScratchBytes(layout, view));
    view.scratch = &scratch.bytes[at];
    view.scratch_iova = dataplane::Iova(lease.IovaOf(scratch) + at);
    absl::StatusOr<dataplane::TxDriver> tx = dataplane::TxDriver::Create(layout, view, {});
    if (!tx.ok()) return tx.status();
    lease.tx.push_back(*std::move(tx));
  } else {
    absl::StatusOr<dataplane::RxDriver> rx =
        dataplane::RxDriver::Create(layout, view, {.buffer_bytes = grant.rx_buffer_bytes()});
    if (!rx.ok()) return rx.status();
    lease.rx.push_back(*std::move(rx));
  }
  for (uint32_t r = 0; r < view.ring_count; ++r) {
    const dataplane::RingView& ring = view.rings[r];
    if (ring.slot_count == 0) continue;  // left out by the layout's features
    const v1::Ring& form =
        layout.message().queues(static_cast<int>(number)).rings(static_cast<int>(r));
    lease.slots.emplace_back(ring.slots, size_t{ring.slot_count} * form.slot_bytes());
    lease.slot_counts.push_back(ring.slot_count);
    for (std::byte* at : ring.producer_doorbells) lease.cells.push_back(at);
    for (std::byte* at : ring.consumer_doorbells) lease.cells.push_back(at);
    for (std::byte* at : ring.cells) lease.cells.push_back(at);
    lease.cells.push_back(ring.need_wakeup);
    const v1::RingGrant& of_grant = grant.rings(static_cast<int>(r));
    if (!of_grant.has_wakeup_descriptor()) continue;
    const absl::StatusOr<int> wakeup =
        lease.map.Descriptor(of_grant.wakeup_descriptor(), v1::GRANT_DESCRIPTOR_KIND_WAKEUP,
                             v1::GRANT_DESCRIPTOR_KIND_WAKEUP, "wakeup");
    if (!wakeup.ok()) return wakeup.status();
    lease.wakeups.push_back(*wakeup);
  }
  if (grant.has_event_request()) {
    const absl::StatusOr<std::byte*> cell = lease.map.At(
        grant.event_request(), 4, 4, internal::GrantMap::Need::kReadWrite, "event request");
    if (!cell.ok()) return cell.status();
    lease.cells.push_back(*cell);
  }
  std::erase(lease.cells, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RawLease>> RawClient::Acquire(const v1::AcquireLeaseRequest& request,
                                                             const Memory& scratch) {
  v1::AcquireLeaseResponse response;
  absl::Status status = Call(*leases_, &v1::LeaseService::Stub::AcquireLease, request, &response);
  if (!status.ok()) return status;
  const v1::Grant& grant = response.grant();
  const auto fetched = rpc_->FetchGrant(response.lease().lease_id());
  if (!fetched.ok()) return fetched.status();
  std::vector<internal::OwnedFd> fds;
  for (const int fd : *fetched) fds.emplace_back(fd);
  int memory = -1, function = -1;
  for (int i = 0; i < grant.descriptors_size(); ++i) {
    const int fd = fds[static_cast<size_t>(i)].get();
    if (grant.descriptors(i).kind() == v1::GRANT_DESCRIPTOR_KIND_MEMORY) memory = fd;
    if (grant.descriptors(i).kind() == v1::GRANT_DESCRIPTOR_KIND_VFIO_DEVICE) function = fd;
  }
  absl::StatusOr<internal::GrantMap> map = internal::GrantMap::Map(grant, std::move(fds));
  if (!map.ok()) return map.status();
  auto lease = std::make_unique<RawLease>(response.lease(), grant, *std::move(map));
  lease->ring_memory = memory;
  lease->function = function;
  for (const v1::Area& area : grant.areas()) {
    if (grant.descriptors(static_cast<int>(area.descriptor_index())).kind() ==
        v1::GRANT_DESCRIPTOR_KIND_MEMORY) {
      lease->ring_memory_bytes += area.length_bytes();
    }
  }
  const std::string& name = response.lease().layout().name();
  const auto layout = std::find_if(layouts_.begin(), layouts_.end(),
                                   [&](const auto& one) { return one.name() == name; });
  if (layout == layouts_.end()) return absl::InternalError(absl::StrCat("no layout ", name));
  for (const auto& queue : grant.rx()) status.Update(Take(*lease, queue, *layout, false, scratch));
  for (const auto& queue : grant.tx()) status.Update(Take(*lease, queue, *layout, true, scratch));
  if (!status.ok()) return status;
  return lease;
}

absl::Status RawClient::AddRule(uint64_t lease, const std::string& words) {
  const absl::StatusOr<FlowRule> rule = ParseRule(words);
  if (!rule.ok()) return rule.status();
  v1::AddRuleRequest request;
  request.set_lease_id(lease);
  FillRequest(*rule, /*of_lease=*/true, &request);
  v1::AddRuleResponse added;
  return Call(*v1::SteeringService::NewStub(rpc_->channel()), &v1::SteeringService::Stub::AddRule,
              request, &added);
}

absl::StatusOr<v1::Lease> RawClient::Get(uint64_t lease) {
  v1::GetLeaseRequest request;
  request.set_lease_id(lease);
  v1::GetLeaseResponse response;
  absl::Status status = Call(*leases_, &v1::LeaseService::Stub::GetLease, request, &response);
  if (!status.ok()) return status;
  return response.lease();
}

absl::Status RawClient::Release(uint64_t lease) {
  v1::ReleaseLeaseRequest request;
  request.set_lease_id(lease);
  v1::ReleaseLeaseResponse response;
  uint64_t busy = 0;
  absl::Status status =
      OkIfBusy(Once(*leases_, &v1::LeaseService::Stub::ReleaseLease, request, &response), busy);
  busy_ += busy;
  return status;
}

}  // namespace qsplit::testing
