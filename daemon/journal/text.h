// The journal's text: one line for each thing to undo, and one when it is undone.
//
//   qsplit journal 1
//   + 1 pci-driver driver=former function=0000:01:00.0 … #9c3f…        to be undone: record 1
//   - 1 #51aa…                                                         record 1 is done
//   = 3 2 netdev-rule … #07d2…                                         record 3 in place of record
//   2
//
// Values are escaped as in URLs ("%20"), so that a line has no blank, line end, '=' or '#' but its
// own. Behind '#' stand 16 hexadecimal digits: FNV-1a, 64 bits, of the line before " #". Whoever
// appends writes a line in one piece, its end last: a crash leaves a last line without an end,
// which was never acted upon. Everything else that does not read is damage.
//
// Pure functions of any bytes, any thread. Nothing here touches a file.
#ifndef QSPLIT_DAEMON_JOURNAL_TEXT_H_
#define QSPLIT_DAEMON_JOURNAL_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::journal {

using RecordId = uint64_t;  // from 1 on
using Fields = std::map<std::string, std::string>;

// Something to undo. `kind` says who knows how.
struct Record {
  RecordId id = 0;
  std::string kind;  // of a-z 0-9 -, not empty
  Fields fields;     // names of a-z 0-9 _, not empty; values any bytes

  bool operator==(const Record&) const = default;
};

struct Contents {
  std::vector<Record> records;  // those that are not done, in the order in which they were written
  RecordId last_id = 0;         // the highest ever seen in it
  size_t whole_bytes = 0;       // without a torn last line

  bool operator==(const Contents&) const = default;
};

inline constexpr std::string_view kHeading = "qsplit journal 1\n";

// With their line ends. INVALID_ARGUMENT: a name in it is not of the allowed characters.
absl::StatusOr<std::string> RecordLine(const Record& record);
// `former` is done, and the record holds, both at once.
absl::StatusOr<std::string> InsteadLine(const Record& record, RecordId former);
std::string DoneLine(RecordId id);

// `file` names the text in errors. DATA_LOSS: it is damaged; the message says at which line, and
// what to do.
absl::StatusOr<Contents> ParseText(std::string_view text, std::string_view file);

}  // namespace qsplit::journal

#endif  // QSPLIT_DAEMON_JOURNAL_TEXT_H_
