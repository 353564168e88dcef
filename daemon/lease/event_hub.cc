#include "daemon/lease/event_hub.h"

#include <utility>

#include "daemon/lease/convert.h"

namespace qsplit::lease {
namespace {

bool Same(const google::protobuf::MessageLite& a, const google::protobuf::MessageLite& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

bool Sees(const EventHub::LeaseFilter& filter, const v1::Lease& lease) {
  if (!filter.sight.Sees(lease.session_id(), lease.uid())) return false;
  return filter.lease == 0 || filter.lease == lease.lease_id();
}

// Gives the event to each reader that wants it, and forgets readers that are over.
template <typename Reader, typename Event, typename Wants, typename Ready>
void Tell(std::vector<Reader>& readers, const Event& event, Wants wants, Ready& ready) {
  std::erase_if(readers, [&](const Reader& reader) {
    const auto subscription = reader.subscription.lock();
    if (!subscription) return true;
    if (!wants(reader)) return false;
    const bool more = subscription->Push(event);
    ready.push_back(subscription);
    return !more;
  });
}

}  // namespace

void EventHub::TellDevice(const v1::Device& device) {
  v1::WatchDevicesResponse event;
  *event.mutable_device() = device;
  Tell(
      device_readers_, event,
      [&](const DeviceReader& reader) {
        return reader.device.empty() || reader.device == device.name();
      },
      ready_devices_);
}

void EventHub::TellLease(const v1::WatchLeasesResponse& event) {
  Tell(
      lease_readers_, event,
      [&](const LeaseReader& reader) { return Sees(reader.filter, event.lease()); }, ready_leases_);
}

void EventHub::PublishDevice(const v1::Device& device) {
  std::lock_guard lock(mutex_);
  v1::Device& known = devices_[device.name()];
  if (Same(known, device)) return;
  known = device;
  TellDevice(known);
}

void EventHub::PublishState(std::string_view device, const device::DeviceState& state) {
  std::lock_guard lock(mutex_);
  const auto known = devices_.find(device);
  if (known == devices_.end()) return;
  v1::Device now = known->second;
  SetState(state, now);
  if (Same(known->second, now)) return;
  known->second = std::move(now);
  TellDevice(known->second);
}

void EventHub::PublishLease(v1::LeaseEvent event, const v1::Lease& lease) {
  std::lock_guard lock(mutex_);
  KnownLease& known = leases_[lease.lease_id()];
  known.lease = lease;
  v1::WatchLeasesResponse message;
  message.set_event(event);
  *message.mutable_lease() = lease;
  TellLease(message);
}

void EventHub::UpdateLease(const v1::Lease& lease) {
  std::lock_guard lock(mutex_);
  const auto known = leases_.find(lease.lease_id());
  if (known == leases_.end()) return;
  const uint64_t faults = known->second.faults;
  known->second.lease = lease;
  // A fault may have come since the caller asked for their number.
  known->second.lease.set_faults(faults);
  if (faults > 0 && lease.state() == v1::LEASE_STATE_ACTIVE) {
    known->second.lease.set_state(v1::LEASE_STATE_FAULTED);
  }
}

void EventHub::PublishFault(std::string_view device, const device::Fault& fault) {
  std::lock_guard lock(mutex_);
  const auto known = leases_.find(fault.lease);
  if (known == leases_.end()) return;
  v1::Lease& lease = known->second.lease;
  if (lease.device() != device ||
      (lease.state() != v1::LEASE_STATE_ACTIVE && lease.state() != v1::LEASE_STATE_FAULTED)) {
    return;
  }
  lease.set_faults(++known->second.faults);
  lease.set_state(v1::LEASE_STATE_FAULTED);
  v1::WatchLeasesResponse message;
  message.set_event(v1::LEASE_EVENT_FAULT);
  *message.mutable_lease() = lease;
  *message.mutable_fault() = ToProto(fault);
  TellLease(message);
}

void EventHub::ForgetLease(LeaseId lease) {
  std::lock_guard lock(mutex_);
  leases_.erase(lease);
}

uint64_t EventHub::FaultsOf(LeaseId lease) const {
  std::lock_guard lock(mutex_);
  const auto known = leases_.find(lease);
  return known == leases_.end() ? 0 : known->second.faults;
}

std::shared_ptr<DeviceSubscription> EventHub::WatchDevices(std::string device,
                                                           DeviceSubscription::OnReady on_ready) {
  auto subscription = std::make_shared<DeviceSubscription>(std::move(on_ready));
  std::lock_guard lock(mutex_);
  for (const auto& [name, known] : devices_) {
    if (!device.empty() && device != name) continue;
    v1::WatchDevicesResponse event;
    *event.mutable_device() = known;
    subscription->Preload(std::move(event));
    ready_devices_.push_back(subscription);
  }
  device_readers_.push_back({std::move(device), subscription});
  return subscription;
}

std::shared_ptr<LeaseSubscription> EventHub::WatchLeases(const LeaseFilter& filter,
                                                         LeaseSubscription::OnReady on_ready) {
  auto subscription = std::make_shared<LeaseSubscription>(std::move(on_ready));
  std::lock_guard lock(mutex_);
  for (const auto& [id, known] : leases_) {
    if (!Sees(filter, known.lease)) continue;
    v1::WatchLeasesResponse event;
    event.set_event(v1::LEASE_EVENT_PRESENT);
    *event.mutable_lease() = known.lease;
    subscription->Preload(std::move(event));
    ready_leases_.push_back(subscription);
  }
  lease_readers_.push_back({filter, subscription});
  return subscription;
}

void EventHub::EndReadersOf(session::SessionId session, const absl::Status& status) {
  std::lock_guard lock(mutex_);
  std::erase_if(lease_readers_, [&](const LeaseReader& reader) {
    if (reader.filter.sight.session != session) return false;
    if (const auto subscription = reader.subscription.lock()) {
      subscription->End(status, false);
      ready_leases_.push_back(subscription);
    }
    return true;
  });
}

void EventHub::EndReadersOfAllBut(const std::set<session::SessionId>& admins,
                                  const absl::Status& status) {
  std::lock_guard lock(mutex_);
  std::erase_if(lease_readers_, [&](const LeaseReader& reader) {
    const Sight& sight = reader.filter.sight;
    if (sight.reach != Sight::Reach::kAll || admins.contains(sight.session)) return false;
    if (const auto subscription = reader.subscription.lock()) {
      subscription->End(status, true);
      ready_leases_.push_back(subscription);
    }
    return true;
  });
}

void EventHub::EndAllReaders(const absl::Status& status) {
  std::lock_guard lock(mutex_);
  for (const DeviceReader& reader : device_readers_) {
    if (const auto subscription = reader.subscription.lock()) {
      subscription->End(status, false);
      ready_devices_.push_back(subscription);
    }
  }
  for (const LeaseReader& reader : lease_readers_) {
    if (const auto subscription = reader.subscription.lock()) {
      subscription->End(status, false);
      ready_leases_.push_back(subscription);
    }
  }
  device_readers_.clear();
  lease_readers_.clear();
}

void EventHub::Flush() {
  std::vector<std::shared_ptr<DeviceSubscription>> devices;
  std::vector<std::shared_ptr<LeaseSubscription>> leases;
  {
    std::lock_guard lock(mutex_);
    devices.swap(ready_devices_);
    leases.swap(ready_leases_);
  }
  for (const auto& subscription : devices) subscription->Notify();
  for (const auto& subscription : leases) subscription->Notify();
}

}  // namespace qsplit::lease
