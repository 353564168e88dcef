// What must be undone after a crash: written down before it is done.
//
//   Add ──► in the file, and on the disk ──► the caller changes the world
//   the caller has changed it back ──► Done ──► struck from the file
//   the daemon starts: Records() is what a former daemon did not change back
//
// The file is the daemon's own, mode 0600, in its runtime directory, whose lock sees to it that
// there is one daemon; only this class writes it. Lines are appended; what is done is dropped by
// writing the file anew and renaming it, at Open and when much of it is done. text.h has the
// format.
//
// Any thread. Add and Done wait for the disk.
#ifndef QSPLIT_DAEMON_JOURNAL_JOURNAL_H_
#define QSPLIT_DAEMON_JOURNAL_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/journal/text.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::journal {

class Journal {
 public:
  // Makes the file if there is none. DATA_LOSS: it is damaged. FAILED_PRECONDITION: it is no file,
  // or too long to be ours.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& path);

  // When it returns a number, the record survives a crash. On an error nothing is recorded, and the
  // caller does not do what he wanted to.
  absl::StatusOr<RecordId> Add(std::string_view kind, Fields fields);

  // As Add, and the former is done, at once: a crash leaves one of the two. NOT_FOUND: there is no
  // former.
  absl::StatusOr<RecordId> Replace(RecordId former, std::string_view kind, Fields fields);

  // NOT_FOUND: no such record, or it is done. Another error: it is still there; the next daemon
  // will undo it again.
  absl::Status Done(RecordId id);

  // Those of this kind that are not done, oldest first; of all kinds where it is empty.
  std::vector<Record> Records(std::string_view kind = {}) const;

 private:
  explicit Journal(std::string path) : path_(std::move(path)) {}

  // With mutex_ held.
  absl::StatusOr<std::vector<Record>::iterator> Find(RecordId id);
  void Tidy();
  absl::Status Append(std::string_view line);
  absl::Status WriteAnew();

  const std::string path_;
  mutable std::mutex mutex_;
  linux_sys::OwnedFd file_;
  Contents contents_;  // whole_bytes: the file's length
  bool torn_ = false;  // a line that could not be written stands at its end
};

}  // namespace qsplit::journal

#endif  // QSPLIT_DAEMON_JOURNAL_JOURNAL_H_
