// The broker's calls about devices, layouts and statistics.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/lease/broker.h"
#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::InCall;

constexpr int kMaxMulticast = 128;
constexpr uint64_t kHourNs = 3'600'000'000'000;
constexpr size_t kDigestBytes = 32;

absl::StatusOr<device::DeviceSettings> ToSettings(const v1::SetDeviceRequest& request) {
  device::DeviceSettings settings;
  if (request.has_mtu_bytes()) settings.mtu_bytes = request.mtu_bytes();
  if (request.has_promiscuous()) settings.promiscuous = request.promiscuous();
  if (request.has_all_multicast()) settings.all_multicast = request.all_multicast();
  if (!request.has_multicast()) return settings;
  const auto& addresses = request.multicast().addresses();
  if (addresses.size() > kMaxMulticast) {
    return Error(v1::ERROR_REASON_OUT_OF_RANGE, "multicast.addresses",
                 fmt::format("{}", addresses.size()), fmt::format("{}", kMaxMulticast),
                 fmt::format("{} multicast addresses are more than {}; set all_multicast instead",
                             addresses.size(), kMaxMulticast));
  }
  std::vector<device::MacAddress> list;
  for (const std::string& address : addresses) {
    device::MacAddress mac;
    if (address.size() != mac.size() || (static_cast<uint8_t>(address[0]) & 1) == 0) {
      return Error(v1::ERROR_REASON_MALFORMED, "multicast.addresses",
                   fmt::format("{} bytes", address.size()), "6 bytes, the first one odd",
                   "a multicast address has 6 bytes, the first of them odd");
    }
    std::copy(address.begin(), address.end(), mac.begin());
    list.push_back(mac);
  }
  settings.multicast = std::move(list);
  return settings;
}

}  // namespace

v1::ListDevicesResponse Broker::ListDevices() const {
  Locked state(*state_);
  v1::ListDevicesResponse response;
  for (const auto& [name, room] : state->rooms) *response.add_devices() = state->ToProto(room);
  return response;
}

absl::StatusOr<v1::GetDeviceResponse> Broker::GetDevice(const v1::GetDeviceRequest& request) const {
  Locked state(*state_);
  auto room = state->Room(request.name());
  if (!room.ok()) return InCall("GetDevice", room.status());
  v1::GetDeviceResponse response;
  *response.mutable_device() = state->ToProto(**room);
  return response;
}

absl::StatusOr<v1::SetDeviceResponse> Broker::SetDevice(SessionId caller,
                                                        const v1::SetDeviceRequest& request) {
  constexpr std::string_view kCall = "SetDevice";
  Locked state(*state_);
  auto session = state->Admin(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto room = state->Room(request.name());
  if (!room.ok()) return InCall(kCall, room.status());
  auto settings = ToSettings(request);
  if (!settings.ok()) return InCall(kCall, settings.status());
  if (absl::Status status = (*room)->device->Set(*settings); !status.ok()) {
    return InCall(kCall, policy::FromDevice(status));
  }
  state->Publish(**room);
  v1::SetDeviceResponse response;
  *response.mutable_device() = state->ToProto(**room);
  return response;
}

absl::Status Broker::ReplaceDevice(std::shared_ptr<device::Device> device) {
  constexpr std::string_view kCall = "ReplaceDevice";
  std::shared_ptr<device::Device> former;  // goes without the lock: its threads end then
  Locked state(*state_);
  auto found = state->Room(device->info().name);
  if (!found.ok()) return InCall(kCall, found.status());
  DeviceRoom& room = **found;
  if (room.Leased() || room.rules.size() != 0) {
    return policy::ErrorWithCode(
        absl::StatusCode::kFailedPrecondition, v1::ERROR_REASON_IN_USE, "device", room.name(), "",
        fmt::format("ReplaceDevice: device {} has leases or rules; it can be replaced when all are "
                    "given back",
                    room.name()));
  }
  room.device->SetEvents({});
  former = room.device;
  room.Seat(std::move(device));
  state->Serve(room.device->info().layouts);
  state->Listen(room);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<DeviceSubscription>> Broker::WatchDevices(
    const v1::WatchDevicesRequest& request, DeviceSubscription::OnReady on_ready) {
  constexpr std::string_view kCall = "WatchDevices";
  Locked state(*state_);
  if (state->stopping) {
    return Error(v1::ERROR_REASON_NOT_READY, "", "", "",
                 "WatchDevices: the daemon is stopping; watch again when it has started");
  }
  if (!request.name().empty()) {
    auto room = state->Room(request.name());
    if (!room.ok()) return InCall(kCall, room.status());
  }
  return state->hub->WatchDevices(request.name(), std::move(on_ready));
}

v1::ListLayoutsResponse Broker::ListLayouts() const {
  Locked state(*state_);
  v1::ListLayoutsResponse response;
  for (const auto& layout : state->layouts) {
    v1::LayoutSummary* summary = response.add_layouts();
    *summary->mutable_layout() = ToProto(layout);
    summary->set_title(layout.message().documentation().title());
    for (const auto& [name, room] : state->rooms) {
      const auto& offered = room.device->info().layouts;
      if (std::find(offered.begin(), offered.end(), layout) != offered.end()) {
        summary->add_devices(name);
      }
    }
  }
  return response;
}

absl::StatusOr<v1::GetLayoutResponse> Broker::GetLayout(const v1::GetLayoutRequest& request) const {
  constexpr std::string_view kCall = "GetLayout";
  Locked state(*state_);
  const bool by_digest = request.by_case() == v1::GetLayoutRequest::kDigest;
  if (request.by_case() == v1::GetLayoutRequest::BY_NOT_SET ||
      (by_digest && request.digest().size() != kDigestBytes)) {
    return InCall(kCall, Error(v1::ERROR_REASON_MALFORMED, by_digest ? "digest" : "name",
                               by_digest ? fmt::format("{} bytes", request.digest().size()) : "",
                               by_digest ? "32 bytes" : "",
                               "give the layout's name, or its digest of 32 bytes"));
  }
  for (const auto& layout : state->layouts) {
    if (by_digest ? layout.digest() != request.digest() : layout.name() != request.name()) continue;
    v1::GetLayoutResponse response;
    response.set_layout(layout.canonical_bytes());
    response.set_digest(layout.digest());
    return response;
  }
  const std::string shown = by_digest ? "of this digest" : "'" + request.name().substr(0, 64) + "'";
  return InCall(kCall, Error(v1::ERROR_REASON_NOT_FOUND, by_digest ? "digest" : "name",
                             by_digest ? "" : request.name().substr(0, 64), "",
                             fmt::format("there is no layout {}; ListLayouts names them", shown)));
}

absl::StatusOr<v1::GetStatsResponse> Broker::GetStats(SessionId caller,
                                                      const v1::GetStatsRequest& request,
                                                      std::string_view call) const {
  std::shared_ptr<device::Device> device;
  {
    Locked state(*state_);
    if (auto room = state->Room(request.device()); room.ok()) device = (*room)->device;
  }
  // Waits for a device that is busy, and holds up nobody else.
  const device::DeviceCounters counters =
      device != nullptr ? device->ReadCounters() : device::DeviceCounters();
  Locked state(*state_);
  Sight sight;
  if (caller != kNobody) {
    auto seen = state->SightOf(caller, /*all=*/true);
    if (!seen.ok()) return InCall(call, seen.status());
    sight = *seen;
  }
  auto found = state->Room(request.device());
  if (!found.ok()) return InCall(call, found.status());
  const DeviceRoom& room = **found;
  v1::GetStatsResponse response;
  v1::DeviceStats* stats = response.mutable_stats();
  *stats = ToProto(room.name(), state->clock(), counters);
  const auto add = [&](const std::vector<LeaseId>& holders,
                       const std::vector<device::QueueCounters>& queues,
                       const std::vector<device::QueueCounters>& base, bool transmit) {
    for (uint32_t queue = 0; queue < holders.size(); ++queue) {
      const auto lease = state->leases.find(holders[queue]);
      const bool held = lease != state->leases.end();
      const bool visible =
          !held || (caller != kNobody && sight.Sees(lease->second.session, lease->second.peer.uid));
      const bool known = visible && queue < queues.size();
      v1::QueueStats* to = stats->add_queues();
      *to = ToProto(queue, transmit,
                    known ? Since(queues[queue], base[queue]) : device::QueueCounters{});
      if (visible && held) to->set_lease_id(holders[queue]);
    }
  };
  add(room.rx_holder, counters.rx, room.rx_base, false);
  add(room.tx_holder, counters.tx, room.tx_base, true);
  return response;
}

absl::StatusOr<v1::InjectFaultResponse> Broker::InjectFault(SessionId caller,
                                                            const v1::InjectFaultRequest& request) {
  constexpr std::string_view kCall = "InjectFault";
  Locked state(*state_);
  auto session = state->Admin(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto found = state->Room(request.device());
  if (!found.ok()) return InCall(kCall, found.status());
  DeviceRoom& room = **found;
  const auto fault = FromProto(request.fault());
  if (!fault) {
    const auto number = static_cast<int>(request.fault());
    return InCall(kCall, Error(v1::ERROR_REASON_MALFORMED, "fault", fmt::format("{}", number), "",
                               fmt::format("fault {} is none; name one", number)));
  }
  const size_t queues = request.transmit() ? room.tx_holder.size() : room.rx_holder.size();
  if (*fault != device::InjectedFault::kLinkDown && request.queue() >= queues) {
    return InCall(kCall, Error(v1::ERROR_REASON_OUT_OF_RANGE, "queue",
                               fmt::format("{}", request.queue()), fmt::format("{}", queues),
                               fmt::format("queue {} is not there; the device has {} {} queues",
                                           request.queue(), queues,
                                           request.transmit() ? "transmit" : "receive")));
  }
  if (request.duration_ns() > kHourNs) {
    return InCall(kCall, Error(v1::ERROR_REASON_OUT_OF_RANGE, "duration_ns",
                               fmt::format("{}", request.duration_ns()), fmt::format("{}", kHourNs),
                               fmt::format("duration {} ns is more than an hour; take at most {}",
                                           request.duration_ns(), kHourNs)));
  }
  device::Injection injection;
  injection.fault = *fault;
  injection.queue = request.queue();
  injection.transmit = request.transmit();
  injection.count = std::max(request.count(), 1U);
  injection.duration = absl::Nanoseconds(static_cast<int64_t>(request.duration_ns()));
  if (absl::Status status = room.device->Inject(injection); !status.ok()) {
    return InCall(kCall, policy::FromDevice(status));
  }
  state->Publish(room);
  v1::InjectFaultResponse response;
  *response.mutable_device() = state->ToProto(room);
  return response;
}

}  // namespace qsplit::lease
