#include "daemon/backend/af_xdp/netdevs.h"

#include <chrono>
#include <utility>

#include "daemon/backend/common/unusable_device.h"

namespace qsplit::af_xdp {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(500);

std::shared_ptr<device::Device> StandIn(const AfXdpConfig& plan, const std::string& why) {
  device::DeviceInfo info;
  info.name = plan.name;
  info.backend = "af_xdp";
  device::NetdevFacts& facts = info.netdev.emplace();
  facts.name = plan.netdev;
  facts.netns = plan.netns;
  return std::make_shared<backend::UnusableDevice>(std::move(info), why);
}

}  // namespace

Netdevs::Netdevs(std::vector<AfXdpConfig> plans, journal::Journal& journal, OnTrouble on_trouble)
    : journal_(journal), on_trouble_(std::move(on_trouble)) {
  for (AfXdpConfig& plan : plans)
    places_.push_back({.plan = std::move(plan), .device = {}, .why = {}});
}

Netdevs::~Netdevs() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Null: as before it cannot be used, for the same reason.
std::shared_ptr<device::Device> Netdevs::Try(Place& place) {
  absl::StatusOr<std::unique_ptr<AfXdpDevice>> made = AfXdpDevice::Create(place.plan, journal_);
  if (made.ok()) {
    std::shared_ptr<AfXdpDevice> device = *std::move(made);
    place.device = device;
    place.why.clear();
    return device;
  }
  if (made.status().message() == place.why) return nullptr;
  place.why = std::string(made.status().message());
  on_trouble_(place.plan.name, made.status());
  return StandIn(place.plan, place.why);
}

std::vector<std::shared_ptr<device::Device>> Netdevs::Start() {
  std::vector<std::shared_ptr<device::Device>> devices;
  for (Place& place : places_) devices.push_back(Try(place));
  return devices;
}

void Netdevs::Watch(OnFound on_found) {
  if (places_.empty()) return;
  thread_ = std::thread([this, found = std::move(on_found)] { Run(found); });
}

void Netdevs::Look(Place& place, const OnFound& on_found) {
  if (const std::shared_ptr<AfXdpDevice> device = place.device.lock(); device != nullptr) {
    if (!device->gone()) return;
    // As long as it has leases, the broker keeps it.
    const std::string why = device->State().trouble;
    if (!on_found(StandIn(place.plan, why)).ok()) return;
    place.why = why;
    return;
  }
  std::shared_ptr<device::Device> now = Try(place);
  // What the broker does not take goes, and is made anew.
  if (now != nullptr) (void)on_found(std::move(now));
}

void Netdevs::Run(const OnFound& on_found) {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLookEvery, [this] { return stop_; })) {
    for (Place& place : places_) {
      if (stop_) return;
      lock.unlock();
      Look(place, on_found);
      lock.lock();
    }
  }
}

}  // namespace qsplit::af_xdp
