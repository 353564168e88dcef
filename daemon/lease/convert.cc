#include "daemon/lease/convert.h"

#include <algorithm>
#include <string>

#include "daemon/steering/flow_match.h"

namespace qsplit::lease {
namespace {

v1::GrantDescriptorKind ToProto(device::GrantFdKind kind) {
  switch (kind) {
    case device::GrantFdKind::kMemory:
      return v1::GRANT_DESCRIPTOR_KIND_MEMORY;
    case device::GrantFdKind::kEvent:
      return v1::GRANT_DESCRIPTOR_KIND_EVENT;
    case device::GrantFdKind::kWakeup:
      return v1::GRANT_DESCRIPTOR_KIND_WAKEUP;
    case device::GrantFdKind::kSocket:
      return v1::GRANT_DESCRIPTOR_KIND_SOCKET;
    case device::GrantFdKind::kVfioDevice:
      return v1::GRANT_DESCRIPTOR_KIND_VFIO_DEVICE;
  }
  return v1::GRANT_DESCRIPTOR_KIND_UNSPECIFIED;
}

v1::AreaAccess ToProto(device::AreaAccess access) {
  switch (access) {
    case device::AreaAccess::kRead:
      return v1::AREA_ACCESS_READ;
    case device::AreaAccess::kReadWrite:
      return v1::AREA_ACCESS_READ_WRITE;
    case device::AreaAccess::kWrite:
      return v1::AREA_ACCESS_WRITE;
  }
  return v1::AREA_ACCESS_UNSPECIFIED;
}

v1::FaultKind ToProto(device::FaultKind kind) {
  switch (kind) {
    case device::FaultKind::kUnmapped:
      return v1::FAULT_KIND_UNMAPPED;
    case device::FaultKind::kReadOnly:
      return v1::FAULT_KIND_READ_ONLY;
    case device::FaultKind::kBadIndex:
      return v1::FAULT_KIND_BAD_INDEX;
    case device::FaultKind::kEndlessChain:
      return v1::FAULT_KIND_ENDLESS_CHAIN;
    case device::FaultKind::kBadDescriptor:
      return v1::FAULT_KIND_BAD_DESCRIPTOR;
    case device::FaultKind::kBadPacket:
      return v1::FAULT_KIND_BAD_PACKET;
  }
  return v1::FAULT_KIND_UNSPECIFIED;
}

void Fill(const device::Place& place, v1::Place* to) {
  to->set_area(place.area);
  to->set_offset_bytes(place.offset_bytes);
}

void Fill(const device::RingGrant& ring, v1::RingGrant* to) {
  if (ring.slot_count == 0) return;  // left out
  Fill(ring.slots, to->mutable_slots());
  to->set_slot_count(ring.slot_count);
  for (const auto& place : ring.producer_doorbells) Fill(place, to->add_producer_doorbells());
  for (const auto& place : ring.consumer_doorbells) Fill(place, to->add_consumer_doorbells());
  for (const auto& place : ring.cells) Fill(place, to->add_cells());
  if (ring.need_wakeup) Fill(*ring.need_wakeup, to->mutable_need_wakeup());
  if (ring.wakeup_fd) to->set_wakeup_descriptor(*ring.wakeup_fd);
  to->set_iova(ring.iova);
  to->set_counts_for_increments(ring.counts_for_increments);
}

void Fill(const device::QueueGrant& queue, const std::vector<uint32_t>& features,
          v1::QueueGrant* to) {
  to->set_queue(queue.queue);
  for (const auto& ring : queue.rings) Fill(ring, to->add_rings());
  if (queue.event_fd) to->set_event_descriptor(*queue.event_fd);
  if (queue.event_request) Fill(*queue.event_request, to->mutable_event_request());
  to->set_rx_buffer_bytes(queue.rx_buffer_bytes);
  if (queue.doorbell_number) to->set_doorbell_number(*queue.doorbell_number);
  for (uint32_t choice : features) to->add_feature_choices(choice);
}

}  // namespace

uint64_t Nanoseconds(absl::Time time) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixNanos(time), 0));
}

v1::LayoutReference ToProto(const layout::VerifiedLayout& layout) {
  v1::LayoutReference reference;
  reference.set_name(layout.name());
  reference.set_digest(layout.digest());
  return reference;
}

v1::ProtectionMode ToProto(device::Protection protection) {
  switch (protection) {
    case device::Protection::kDirect:
      return v1::PROTECTION_MODE_DIRECT;
    case device::Protection::kGuarded:
      return v1::PROTECTION_MODE_GUARDED;
    case device::Protection::kKernel:
      return v1::PROTECTION_MODE_KERNEL;
  }
  return v1::PROTECTION_MODE_UNSPECIFIED;
}

std::string_view WordOf(device::Protection protection) {
  switch (protection) {
    case device::Protection::kDirect:
      return "direct";
    case device::Protection::kGuarded:
      return "guarded";
    case device::Protection::kKernel:
      return "kernel";
  }
  return "none";
}

v1::RateLimit ToProto(const device::RateLimit& limit) {
  v1::RateLimit to;
  to.set_tx_packets_per_second(limit.tx_packets_per_second);
  to.set_tx_bytes_per_second(limit.tx_bytes_per_second);
  to.set_burst_packets(limit.burst_packets);
  to.set_burst_bytes(limit.burst_bytes);
  return to;
}

std::optional<device::Protection> FromProto(v1::ProtectionMode mode) {
  switch (mode) {
    case v1::PROTECTION_MODE_DIRECT:
      return device::Protection::kDirect;
    case v1::PROTECTION_MODE_GUARDED:
      return device::Protection::kGuarded;
    case v1::PROTECTION_MODE_KERNEL:
      return device::Protection::kKernel;
    default:
      return std::nullopt;
  }
}

std::optional<device::InjectedFault> FromProto(v1::InjectedFault fault) {
  switch (fault) {
    case v1::INJECTED_FAULT_LINK_DOWN:
      return device::InjectedFault::kLinkDown;
    case v1::INJECTED_FAULT_STALL_QUEUE:
      return device::InjectedFault::kStallQueue;
    case v1::INJECTED_FAULT_LOSE_COMPLETION:
      return device::InjectedFault::kLoseCompletion;
    case v1::INJECTED_FAULT_REPEAT_COMPLETION:
      return device::InjectedFault::kRepeatCompletion;
    case v1::INJECTED_FAULT_DELAY_COMPLETION:
      return device::InjectedFault::kDelayCompletion;
    case v1::INJECTED_FAULT_WRONG_LENGTH:
      return device::InjectedFault::kWrongLength;
    default:
      return std::nullopt;
  }
}

v1::Grant ToProto(const device::Grant& grant, const device::QueueRequest& request) {
  v1::Grant to;
  for (const auto& fd : grant.fds) to.add_descriptors()->set_kind(ToProto(fd.kind));
  for (const auto& area : grant.areas) {
    v1::Area* out = to.add_areas();
    out->set_descriptor_index(area.fd);
    out->set_offset_bytes(area.offset_bytes);
    out->set_length_bytes(area.length_bytes);
    out->set_access(ToProto(area.access));
  }
  for (const auto& queue : grant.rx) Fill(queue, request.features, to.add_rx());
  for (const auto& queue : grant.tx) Fill(queue, request.features, to.add_tx());
  for (const auto& region : request.regions) {
    v1::RegionGrant* out = to.add_regions();
    out->set_region_id(region.region);
    out->set_iova(region.iova);
    out->set_length_bytes(region.length_bytes);
  }
  return to;
}

v1::Fault ToProto(const device::Fault& fault) {
  v1::Fault to;
  to.set_kind(ToProto(fault.kind));
  to.set_transmit(fault.transmit);
  to.set_queue(fault.queue);
  to.set_slot(fault.slot);
  to.set_iova(fault.iova);
  to.set_length_bytes(fault.length_bytes);
  to.set_time_ns(Nanoseconds(fault.time));
  return to;
}

v1::Region ToProto(const region::Region& region) {
  v1::Region to;
  to.set_region_id(region.id);
  to.set_session_id(region.session);
  to.set_length_bytes(region.length_bytes);
  to.set_offset_bytes(region.offset_bytes);
  to.set_page_bytes(region.page_bytes);
  for (device::LeaseId lease : region.leases) to.add_lease_ids(lease);
  to.set_device_writable(region.device_writable);
  to.set_uid(region.uid);
  to.set_name(region.name);
  return to;
}

v1::Rule ToProto(std::string_view device, const steering::OwnedRule& rule) {
  v1::Rule to;
  to.set_device(std::string(device));
  to.set_location(rule.rule.location);
  *to.mutable_match() = steering::FromMatch(rule.rule.match);
  const device::FlowAction action = rule.rule.action;
  if (action.drops()) {
    to.set_drop(true);
  } else if (action.passes()) {
    to.set_pass(true);
  } else if (action.reflects()) {
    to.set_reflect(true);
  } else {
    to.set_queue(action.queue);
  }
  to.set_lease_id(rule.lease);
  return to;
}

v1::QueueStats ToProto(uint32_t queue, bool transmit, const device::QueueCounters& counters) {
  v1::QueueStats to;
  to.set_queue(queue);
  to.set_transmit(transmit);
  to.set_packets(counters.packets);
  to.set_bytes(counters.bytes);
  to.set_completions(counters.completions);
  to.set_drops_no_descriptor(counters.drops_no_descriptor);
  to.set_drops_too_long(counters.drops_too_long);
  to.set_drops_down(counters.drops_down);
  to.set_checksum_errors(counters.checksum_errors);
  to.set_faults(counters.faults);
  to.set_events(counters.events);
  to.set_wakeups(counters.wakeups);
  to.set_descriptors(counters.descriptors);
  to.set_drops_injected(counters.drops_injected);
  to.set_drops_source(counters.drops_source);
  return to;
}

v1::DeviceStats ToProto(std::string_view device, absl::Time time,
                        const device::DeviceCounters& counters) {
  v1::DeviceStats to;
  to.set_device(std::string(device));
  to.set_time_ns(Nanoseconds(time));
  to.set_wire_rx_packets(counters.wire_rx_packets);
  to.set_wire_rx_bytes(counters.wire_rx_bytes);
  to.set_wire_tx_packets(counters.wire_tx_packets);
  to.set_wire_tx_bytes(counters.wire_tx_bytes);
  to.set_drops_mac_filter(counters.drops_mac_filter);
  to.set_drops_rule(counters.drops_rule);
  to.set_drops_malformed(counters.drops_malformed);
  to.set_drops_wire(counters.drops_wire);
  to.set_representor_rx_packets(counters.representor_rx_packets);
  to.set_representor_tx_packets(counters.representor_tx_packets);
  to.set_drops_representor(counters.drops_representor);
  for (const device::NamedCounter& counter : counters.more) {
    v1::NamedCounter* named = to.add_more();
    named->set_name(counter.name);
    named->set_value(counter.value);
  }
  return to;
}

v1::Rss ToProto(const device::DeviceInfo& info, const device::RssConfig& config) {
  v1::Rss to;
  to.set_device(info.name);
  for (uint32_t queue : config.indirection) to.add_indirection(queue);
  to.set_key(std::string(reinterpret_cast<const char*>(config.key.data()), config.key.size()));
  using device::FlowType;
  const struct {
    v1::FlowType name;
    FlowType type;
    FlowType without_ports;
  } kTypes[] = {{v1::FLOW_TYPE_IP4, FlowType::kIp4, FlowType::kIp4},
                {v1::FLOW_TYPE_IP6, FlowType::kIp6, FlowType::kIp6},
                {v1::FLOW_TYPE_TCP4, FlowType::kTcp4, FlowType::kIp4},
                {v1::FLOW_TYPE_UDP4, FlowType::kUdp4, FlowType::kIp4},
                {v1::FLOW_TYPE_SCTP4, FlowType::kSctp4, FlowType::kIp4},
                {v1::FLOW_TYPE_TCP6, FlowType::kTcp6, FlowType::kIp6},
                {v1::FLOW_TYPE_UDP6, FlowType::kUdp6, FlowType::kIp6},
                {v1::FLOW_TYPE_SCTP6, FlowType::kSctp6, FlowType::kIp6},
                {v1::FLOW_TYPE_AH4, FlowType::kIp4, FlowType::kIp4},
                {v1::FLOW_TYPE_ESP4, FlowType::kIp4, FlowType::kIp4},
                {v1::FLOW_TYPE_AH6, FlowType::kIp6, FlowType::kIp6},
                {v1::FLOW_TYPE_ESP6, FlowType::kIp6, FlowType::kIp6}};
  for (const auto& [name, type, without_ports] : kTypes) {
    const bool ports = type != without_ports && info.rss_types.Has(type);
    if (!ports && !info.rss_types.Has(without_ports)) continue;
    v1::RssFields* fields = to.add_fields();
    fields->set_flow_type(name);
    fields->set_fields(ports ? "sdfn" : "sd");
  }
  return to;
}

}  // namespace qsplit::lease
