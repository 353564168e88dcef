#include "daemon/journal/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::journal {
namespace {

using linux_sys::ErrnoStatus;
using linux_sys::OwnedFd;

constexpr size_t kMostBytes = size_t{16} << 20;
// From this length on it is written anew when half of it or more is done.
constexpr size_t kTidyBytes = size_t{64} << 10;

absl::Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(errno, "write of", path);
    text.remove_prefix(static_cast<size_t>(put));
  }
  if (::fdatasync(fd) != 0) return ErrnoStatus(errno, "fdatasync of", path);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return ErrnoStatus(errno, "fstat of", path);
  if (!S_ISREG(facts.st_mode) || static_cast<size_t>(facts.st_size) > kMostBytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is no journal of qsplitd: it is ", S_ISREG(facts.st_mode) ? "too long" : "no file",
        "; move it away, or choose another runtime directory"));
  }
  std::string text(static_cast<size_t>(facts.st_size), '\0');
  size_t at = 0;
  while (at < text.size()) {
    const ssize_t got = ::pread(fd, text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read of", path);
    if (got == 0) break;
    at += static_cast<size_t>(got);
  }
  text.resize(at);
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  std::unique_ptr<Journal> journal(new Journal(path));
  const OwnedFd former(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (former.valid()) {
    const auto text = ReadAll(former.get(), path);
    if (!text.ok()) return text.status();
    auto contents = ParseText(*text, path);
    if (!contents.ok()) return contents.status();
    journal->contents_ = *std::move(contents);
  } else if (errno != ENOENT) {
    return ErrnoStatus(errno, "open of", path);
  }
  const std::lock_guard lock(journal->mutex_);
  if (absl::Status status = journal->WriteAnew(); !status.ok()) return status;
  return journal;
}

absl::StatusOr<RecordId> Journal::Add(std::string_view kind, Fields fields) {
  const std::lock_guard lock(mutex_);
  Record record{contents_.last_id + 1, std::string(kind), std::move(fields)};
  const auto line = RecordLine(record);
  if (!line.ok()) return line.status();
  if (absl::Status status = Append(*line); !status.ok()) return status;
  const RecordId id = record.id;
  contents_.last_id = id;
  contents_.records.push_back(std::move(record));
  return id;
}

absl::StatusOr<RecordId> Journal::Replace(RecordId former, std::string_view kind, Fields fields) {
  const std::lock_guard lock(mutex_);
  const auto at = Find(former);
  if (!at.ok()) return at.status();
  Record record{contents_.last_id + 1, std::string(kind), std::move(fields)};
  const auto line = InsteadLine(record, former);
  if (!line.ok()) return line.status();
  if (absl::Status status = Append(*line); !status.ok()) return status;
  const RecordId id = record.id;
  contents_.last_id = id;
  contents_.records.erase(*at);
  contents_.records.push_back(std::move(record));
  Tidy();
  return id;
}

absl::Status Journal::Done(RecordId id) {
  const std::lock_guard lock(mutex_);
  const auto at = Find(id);
  if (!at.ok()) return at.status();
  if (absl::Status status = Append(DoneLine(id)); !status.ok()) return status;
  contents_.records.erase(*at);
  Tidy();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Record>::iterator> Journal::Find(RecordId id) {
  const auto at = std::ranges::find(contents_.records, id, &Record::id);
  if (at != contents_.records.end()) return at;
  return absl::NotFoundError(absl::StrCat(path_, ": there is no record ", id));
}

void Journal::Tidy() {
  if (contents_.whole_bytes < kTidyBytes) return;
  size_t live_bytes = 0;
  for (const Record& record : contents_.records) live_bytes += RecordLine(record)->size();
  // A failure loses nothing: the file stays as it is.
  if (live_bytes <= contents_.whole_bytes / 2) (void)WriteAnew();
}

std::vector<Record> Journal::Records(std::string_view kind) const {
  const std::lock_guard lock(mutex_);
  std::vector<Record> records;
  for (const Record& record : contents_.records) {
    if (kind.empty() || record.kind == kind) records.push_back(record);
  }
  return records;
}

absl::Status Journal::Append(std::string_view line) {
  const auto cut = [&] {
    torn_ = ::ftruncate(file_.get(), static_cast<off_t>(contents_.whole_bytes)) != 0;
  };
  if (torn_) cut();
  if (torn_) return ErrnoStatus(errno, "ftruncate of", path_);
  if (contents_.whole_bytes + line.size() > kMostBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path_, " is full: ", contents_.whole_bytes, " bytes"));
  }
  if (absl::Status status = WriteAll(file_.get(), line, path_); !status.ok()) {
    cut();
    return status;
  }
  contents_.whole_bytes += line.size();
  return absl::OkStatus();
}

absl::Status Journal::WriteAnew() {
  std::string text(kHeading);
  for (const Record& record : contents_.records) absl::StrAppend(&text, *RecordLine(record));
  const std::string beside = path_ + ".new";
  if (::unlink(beside.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, "unlink", beside);
  OwnedFd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(errno, "open of", beside);
  if (absl::Status status = WriteAll(file.get(), text, beside); !status.ok()) return status;
  if (::rename(beside.c_str(), path_.c_str()) != 0) return ErrnoStatus(errno, "rename to", path_);
  file_ = std::move(file);
  contents_.whole_bytes = text.size();
  torn_ = false;
  // The name, too, is to survive.
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  const OwnedFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.valid() && ::fsync(directory.get()) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "fsync of", folder);
}

}  // namespace qsplit::journal
