// Takes a record apart; the first thing that is missing or does not read is kept as the error.
//
// One record, one thread; the record outlives it.
#ifndef QSPLIT_DAEMON_JOURNAL_FIELD_READER_H_
#define QSPLIT_DAEMON_JOURNAL_FIELD_READER_H_

#include <charconv>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/journal/text.h"

namespace qsplit::journal {

class FieldReader {
 public:
  FieldReader(const Record& record, std::string_view kind) : record_(record) {
    if (record.kind != kind) Fail("its kind");
  }

  std::string Text(const std::string& name) {
    const auto at = record_.fields.find(name);
    if (at != record_.fields.end()) return at->second;
    Fail(name);
    return {};
  }
  template <typename T>
  T Number(const std::string& name) {
    const std::string text = Text(name);
    T value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end) Fail(name);
    return value;
  }
  void Fail(const std::string& what) {
    if (!status_.ok()) return;
    status_ = absl::DataLossError(absl::StrCat("journal record ", record_.id, " (", record_.kind,
                                               "): ", what, " is missing or does not read"));
  }
  // OK, or DATA_LOSS.
  const absl::Status& status() const { return status_; }

 private:
  const Record& record_;
  absl::Status status_;
};

}  // namespace qsplit::journal

#endif  // QSPLIT_DAEMON_JOURNAL_FIELD_READER_H_
