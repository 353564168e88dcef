// Writes to files of the kernel whose write may never return.
//
// Some attributes of sysfs act inside of the write: `unbind` waits until the driver lets go of the
// device, and a driver that waits for its own users waits with it, without end and deaf to signals.
// A thread that writes there would be stuck in the kernel, and with it the whole process: it could
// not exit, and would keep every descriptor open, devices among them. So a process of its own
// writes: it has no descriptor of ours, is nobody's child to wait for, and may stay stuck alone.
//
// Whoever tries again what is stuck would leave another such process each time: the next write to
// the same device would only wait for the first. So there is one at most for each device.
//
// Any thread, one at a time for each device; the caller waits for `patience` at most.
#ifndef QSPLIT_DAEMON_LINUX_PATIENT_WRITE_H_
#define QSPLIT_DAEMON_LINUX_PATIENT_WRITE_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

class PatientWriters {
 public:
  // Opens `file` and writes `text` in one write, once the last write to the same `device` (a name
  // of the caller's) has returned. DEADLINE_EXCEEDED: that one has not, and nothing was written; or
  // this one has not: it is still under way, and may act later. Otherwise what open or write said,
  // naming the file.
  absl::Status Write(const std::string& device, const std::string& file, std::string_view text,
                     absl::Duration patience);

 private:
  // By device: where the outcome of a write comes from that nobody waited for any longer.
  std::map<std::string, OwnedFd> late_;
  std::mutex mutex_;  // held for moves only
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PATIENT_WRITE_H_
