// What a device does by itself: links that change, messages of VFs, and bringing its function up
// again when a client that had its descriptor has gone.
#include <poll.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/vfio_device.h"
#include "daemon/linux/eventfd.h"

namespace qsplit::vfio {
namespace {

constexpr int kLookEveryMs = 100;

}  // namespace

absl::Status VfioDevice::BringUp() {
  DriverSettings settings = config_.driver;
  if (settings_.mtu_bytes) settings.mtu_bytes = *settings_.mtu_bytes;
  if (absl::Status status = driver_->Start(settings); !status.ok()) return status;
  if (absl::Status status = MakeVectors(); !status.ok()) return status;
  device::DeviceSettings rest = settings_;
  rest.mtu_bytes.reset();
  if (absl::Status status = driver_->Set(rest); !status.ok()) return status;
  if (absl::Status status = ApplySteering(); !status.ok()) return status;
  for (const auto& [location, rule] : rules_) {
    if (absl::Status status = driver_->AddRule(rule); !status.ok()) return status;
  }
  ready_ = true;
  Trouble({});
  Look();
  ready_changed_.notify_all();
  return absl::OkStatus();
}

// New ones each time: those of a former lease are still in its client's hands.
absl::Status VfioDevice::MakeVectors() {
  const uint32_t count = std::min(driver_->facts().vectors, function_->vectors());
  vector_events_.clear();
  std::vector<int> fds;
  for (uint32_t i = 0; i < count; ++i) {
    absl::StatusOr<linux_sys::OwnedFd> event = linux_sys::CreateEventFd();
    if (!event.ok()) return event.status();
    fds.push_back(event->get());
    vector_events_.push_back(std::make_shared<linux_sys::OwnedFd>(*std::move(event)));
  }
  return fds.empty() ? absl::OkStatus() : function_->SetVectors(fds);
}

void VfioDevice::Look() {
  const LinkState link = driver_->Link();
  device::DeviceState next = State();
  next.link_up = link.up;
  next.link_mbps = link.mbps;
  next.mtu_bytes = settings_.mtu_bytes.value_or(config_.driver.mtu_bytes);
  next.mac = driver_->mac();
  next.promiscuous = settings_.promiscuous.value_or(false);
  next.all_multicast = settings_.all_multicast.value_or(false);
  next.multicast = settings_.multicast.value_or(std::vector<device::MacAddress>{});
  const std::lock_guard lock(state_mutex_);
  if (next == state_) return;
  state_ = std::move(next);
  mailer_.PostStateChange();
}

void VfioDevice::Trouble(std::string text) {
  const std::lock_guard lock(state_mutex_);
  if (text == state_.trouble) return;
  state_.trouble = std::move(text);
  if (!state_.trouble.empty()) state_.link_up = false;
  mailer_.PostStateChange();
}

void VfioDevice::Recover() {
  absl::Status status = function_->Reopen();
  if (absl::IsUnavailable(status) && last_holder_pid_ != 0) {
    status = absl::UnavailableError(absl::StrCat("waits for process ", last_holder_pid_, ": ",
                                                 status.message()));
  }
  if (status.ok()) {
    if (config_.on_free) config_.on_free();
    status = BringUp();
    // The next try begins with a function that is closed.
    if (!status.ok()) function_->Close();
  }
  if (!status.ok()) Trouble(std::string(status.message()));
}

void VfioDevice::Care() {
  while (true) {
    std::shared_ptr<const linux_sys::OwnedFd> other;
    {
      const std::lock_guard lock(control_);
      const std::optional<uint32_t> vector = ready_ ? driver_->OtherVector() : std::nullopt;
      if (vector && *vector < vector_events_.size()) other = vector_events_[*vector];
    }
    pollfd fds[] = {{wake_.get(), POLLIN, 0}, {other == nullptr ? -1 : other->get(), POLLIN, 0}};
    (void)::poll(fds, 2, kLookEveryMs);
    if (stop_.load(std::memory_order_relaxed)) return;
    linux_sys::ClearEventFd(wake_.get());
    if (other != nullptr) linux_sys::ClearEventFd(other->get());
    const std::lock_guard lock(control_);
    if (!ready_) {
      Recover();
    } else {
      driver_->Service();
      Look();
    }
  }
}

}  // namespace qsplit::vfio
