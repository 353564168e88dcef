// A device's registers, mapped into this process.
//
// Written by the device at any moment, by this process, and by a client who was given the device's
// fd. What is read may be hostile.
//
// Registers go away under the mapping while the device is being reset, sleeps, or has its memory
// decoding off, which a client with the device's fd can do. The next access would kill the daemon
// by SIGBUS; bus_guard.h puts zero pages of the process's own there instead. From then on reads
// give 0 and writes reach nothing: lost() says so, and mapping it anew repairs it.
//
// Move-only. Accesses: any thread. Moving and destroying: one thread, while nobody accesses.
#ifndef QSPLIT_DAEMON_LINUX_BAR_WINDOW_H_
#define QSPLIT_DAEMON_LINUX_BAR_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "daemon/linux/mapping.h"

namespace qsplit::linux_sys {

class BarWindow {
 public:
  BarWindow() = default;
  BarWindow(Mapping mapping, uint64_t length_bytes)
      : mapping_(std::move(mapping)), length_bytes_(length_bytes) {}

  // Each access through it is one access of the device, of the width of its type.
  volatile std::byte* data() const { return mapping_.data(); }
  // Of the registers; the mapping is rounded up to pages.
  uint64_t length_bytes() const { return length_bytes_; }
  bool lost() const { return mapping_.lost_pages() != 0; }

 private:
  Mapping mapping_;
  uint64_t length_bytes_ = 0;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_BAR_WINDOW_H_
