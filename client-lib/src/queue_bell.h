// How a queue's thread sleeps until the device signals, and wakes a device that sleeps.
//
// The request cell is shared with the device; it is only written here. One thread, the queue's.
#ifndef QSPLIT_CLIENT_LIB_SRC_QUEUE_BELL_H_
#define QSPLIT_CLIENT_LIB_SRC_QUEUE_BELL_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client-lib/src/lease_state.h"

namespace qsplit::internal {

struct QueueBell {
  const LeaseState* state = nullptr;
  int event_fd = -1;         // owned by the grant's mapping; -1: none
  bool event_drains = true;  // an event fd; false: a socket, which is only polled
  std::byte* event_request = nullptr;
  int wakeup_fd = -1;
  bool wakeup_is_socket = false;
  bool receives = true;  // a receive queue's
  // A socket that its owner's calls poll the device for (SO_PREFER_BUSY_POLL).
  bool polls_in_calls = false;

  // Wakes the device.
  [[gnu::hot]] void Wakeup() const;
  // Wakes one that takes only some of what it was told of, however it was told: a socket that
  // sends.
  void WakeupAgain() const {
    if (wakeup_is_socket && !receives) Wakeup();
  }
  // Has the kernel look for packets in this call, where it is to.
  void PollInCall() const {
    if (polls_in_calls && receives) Wakeup();
  }
  // Forgets earlier events and asks for the next one, and wakes a device that may have left
  // something; a full barrier stands behind it, so that a look at the ring afterwards sees
  // everything that came before.
  void Arm() const;
  // Sleeps until an event, at most until `deadline`. OK: look at the ring again. Otherwise the
  // lease's status, or DEADLINE_EXCEEDED.
  absl::Status Sleep(absl::Time deadline) const;

  // Calls ready() until it returns true, sleeping in between.
  template <typename Ready>
  absl::Status WaitUntil(Ready&& ready, absl::Duration timeout) const {
    const absl::Time deadline = absl::Now() + timeout;
    while (true) {
      if (ready()) return absl::OkStatus();
      if (!state->ok()) return state->status();
      Arm();
      if (ready()) return absl::OkStatus();
      if (absl::Status status = Sleep(deadline); !status.ok()) {
        // What came at the last moment counts, but not from a lease that is gone.
        return absl::IsDeadlineExceeded(status) && ready() ? absl::OkStatus() : status;
      }
    }
  }
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_QUEUE_BELL_H_
