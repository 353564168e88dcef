// Writes to files of the kernel whose write may never return.
//
// Some attributes of sysfs act inside of the write: `unbind` waits until the driver lets go of the
// device, and a driver that waits for its own users waits with it, without end and deaf to signals.
// A thread that writes there would be stuck in the kernel, and with it the whole process: it could
// not exit, and would keep every descriptor open, devices among them. So a process of its own
// writes: it has no descriptor of ours, is nobody's child to wait for, and may stay stuck alone.
//
// Any thread; the caller waits for `patience` at most.
#ifndef QSPLIT_DAEMON_LINUX_PATIENT_WRITE_H_
#define QSPLIT_DAEMON_LINUX_PATIENT_WRITE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace qsplit::linux_sys {

// Opens `file` and writes `text` in one write. DEADLINE_EXCEEDED: it has not returned yet; it is
// still under way, and may act later. Otherwise what open or write said, naming the file.
absl::Status PatientWrite(const std::string& file, std::string_view text, absl::Duration patience);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PATIENT_WRITE_H_
