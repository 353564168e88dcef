#include "daemon/backend/common/event_mailer.h"

#include <pthread.h>

#include <utility>

namespace qsplit::backend {
namespace {

constexpr size_t kMaxFaults = 1024;

}  // namespace

EventMailer::EventMailer(std::function<device::DeviceState()> state) : state_(std::move(state)) {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "nic-events");
}

EventMailer::~EventMailer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void EventMailer::SetEvents(device::DeviceEvents events) {
  const std::lock_guard lock(listener_mutex_);
  events_ = std::move(events);
}

void EventMailer::PostFault(const device::Fault& fault) {
  {
    const std::lock_guard lock(mutex_);
    if (faults_.size() < kMaxFaults) faults_.push_back(fault);
  }
  changed_.notify_one();
}

void EventMailer::PostStateChange() {
  {
    const std::lock_guard lock(mutex_);
    state_changed_ = true;
  }
  changed_.notify_one();
}

void EventMailer::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || state_changed_ || !faults_.empty(); });
    if (stop_) return;
    const std::deque<device::Fault> faults = std::exchange(faults_, {});
    const bool state_changed = std::exchange(state_changed_, false);
    lock.unlock();
    {
      const std::lock_guard listener(listener_mutex_);
      if (events_.fault) {
        for (const device::Fault& fault : faults) events_.fault(fault);
      }
      if (state_changed && events_.state) events_.state(state_());
    }
    lock.lock();
  }
}

}  // namespace qsplit::backend
