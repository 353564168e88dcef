// Carries a device's events from the packet path to whoever listens, on a thread of its own, so
// that a listener never holds up a packet.
//
// Post: any thread, waits for nothing but a short lock; events beyond the limit are counted and
// lost, faults first of all never more than one for each queue. SetEvents: any thread; when it
// returns, the old listener is not running and is not called again.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_EVENT_MAILER_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_EVENT_MAILER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "daemon/device/device.h"

namespace qsplit::backend {

class EventMailer {
 public:
  // `state` reads the device's state; called on the mailer's thread.
  explicit EventMailer(std::function<device::DeviceState()> state);
  ~EventMailer();
  EventMailer(const EventMailer&) = delete;
  EventMailer& operator=(const EventMailer&) = delete;

  void SetEvents(device::DeviceEvents events);
  void PostFault(const device::Fault& fault);
  void PostStateChange();

 private:
  void Run();

  const std::function<device::DeviceState()> state_;
  std::mutex listener_mutex_;  // held while a listener runs; taken before mutex_
  device::DeviceEvents events_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<device::Fault> faults_;
  bool state_changed_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_EVENT_MAILER_H_
