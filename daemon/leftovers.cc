#include "daemon/leftovers.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/netdev_changes.h"
#include "daemon/backend/vfio/ownership.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/runtime_dir.h"

namespace qsplit::daemon {
namespace {

std::string JournalIn(const std::string& runtime_dir) { return runtime_dir + "/journal"; }

std::string TextOf(const journal::Record& record) {
  std::string text = record.kind;
  for (const auto& [name, value] : record.fields) {
    if (!value.empty()) absl::StrAppend(&text, " ", name, "=", value);
  }
  return text;
}

}  // namespace

Leftovers UndoLeftovers(journal::Journal& journal, bool functions) {
  const std::vector<journal::Record> before = journal.Records();
  Leftovers leftovers;
  leftovers.why = af_xdp::UndoLeftovers(journal);
  if (functions) {
    for (absl::Status& status : vfio::UndoLeftovers(journal)) {
      leftovers.why.push_back(std::move(status));
    }
  }
  std::set<journal::RecordId> left;
  for (const journal::Record& record : journal.Records()) left.insert(record.id);
  for (const journal::Record& record : before) {
    (left.contains(record.id) ? leftovers.left : leftovers.undone).push_back(TextOf(record));
  }
  return leftovers;
}

absl::StatusOr<std::vector<std::string>> ReadLeftovers(const std::string& runtime_dir) {
  std::vector<std::string> lines;
  const std::string file = JournalIn(runtime_dir);
  std::ifstream in(file, std::ios::binary);
  if (!in && errno == ENOENT) return lines;
  if (!in) return linux_sys::ErrnoStatus(errno, "read the journal", file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.empty()) return lines;
  const auto contents = journal::ParseText(text, file);
  if (!contents.ok()) return contents.status();
  for (const journal::Record& record : contents->records) lines.push_back(TextOf(record));
  return lines;
}

absl::StatusOr<int> Clean(const std::string& runtime_dir) {
  // Nobody serves there, and nobody begins to.
  const auto dir = linux_sys::RuntimeDir::Open(runtime_dir);
  if (!dir.ok()) return dir.status();
  const auto journal = journal::Journal::Open(JournalIn(runtime_dir));
  if (!journal.ok()) return journal.status();
  const Leftovers leftovers = UndoLeftovers(**journal, /*functions=*/true);
  for (const std::string& text : leftovers.undone) std::printf("undone  %s\n", text.c_str());
  for (const std::string& text : leftovers.left) std::printf("left    %s\n", text.c_str());
  if (leftovers.undone.empty() && leftovers.left.empty()) {
    std::printf("nothing was left behind\n");
  }
  for (const absl::Status& status : leftovers.why) {
    std::fprintf(stderr, "qsplitd: %s\n", std::string(status.message()).c_str());
  }
  return leftovers.left.empty() ? 0 : 1;
}

}  // namespace qsplit::daemon
