#include "daemon/backend/af_xdp/netdevs.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/backend/common/unusable_device.h"

namespace qsplit::af_xdp {
namespace {

constexpr std::chrono::milliseconds kLookEvery(500);
// A NIC may lose its link for seconds when its channels are changed.
constexpr std::chrono::milliseconds kLongestPause(64'000);

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

absl::StatusOr<std::shared_ptr<AfXdpDevice>> Netdevs::Make(Place& place) {
  if (absl::Status status = AfXdpDevice::CheckUsable(place.plan); !status.ok()) {
    // Nothing was changed, and another netdev or another program is another case.
    place.pause = {};
    place.not_before = {};
    return status;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now < place.not_before) return absl::UnavailableError(place.why);
  absl::StatusOr<std::unique_ptr<AfXdpDevice>> made =
      AfXdpDevice::Create(place.plan, journal_, nullptr, on_trouble_);
  place.pause = made.ok() ? std::chrono::milliseconds(0)
                          : std::clamp(2 * place.pause, kLookEvery, kLongestPause);
  place.not_before = now + place.pause;
  if (!made.ok()) return made.status();
  return std::shared_ptr<AfXdpDevice>(*std::move(made));
}

// Null: as before it cannot be used, for the same reason.
std::shared_ptr<device::Device> Netdevs::Try(Place& place) {
  absl::StatusOr<std::shared_ptr<AfXdpDevice>> made = Make(place);
  if (made.ok()) {
    place.device = *made;
    place.why.clear();
    return *std::move(made);
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

void Netdevs::Watch(OnFound on_found, OnLost on_lost) {
  if (places_.empty()) return;
  thread_ = std::thread(
      [this, found = std::move(on_found), lost = std::move(on_lost)] { Run(found, lost); });
}

void Netdevs::Look(Place& place, const OnFound& on_found, const OnLost& on_lost) {
  if (const std::shared_ptr<AfXdpDevice> device = place.device.lock(); device != nullptr) {
    device->FollowRings();
    if (!device->gone() && !device->CheckDetached()) return;
    // As long as it has leases or rules, the broker keeps it.
    if (device->gone()) on_lost(place.plan.name);
    const std::string why = device->State().trouble;
    if (!on_found(StandIn(place.plan, why)).ok()) return;
    place.why = why;
    return;
  }
  std::shared_ptr<device::Device> now = Try(place);
  // What the broker does not take goes, and is made anew.
  if (now != nullptr) (void)on_found(std::move(now));
}

void Netdevs::Run(const OnFound& on_found, const OnLost& on_lost) {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLookEvery, [this] { return stop_; })) {
    for (Place& place : places_) {
      if (stop_) return;
      lock.unlock();
      Look(place, on_found, on_lost);
      lock.lock();
    }
  }
}

}  // namespace qsplit::af_xdp
