// Any bytes as a journal: it is read, and written anew says the same; or it is refused with words.
//
// Checksums keep random bytes out of the inner parts, so each input is also read with its lines'
// checksums put right.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "daemon/journal/text.h"

namespace {

namespace journal = qsplit::journal;

void Read(std::string_view text) {
  const auto contents = journal::ParseText(text, "f");
  if (!contents.ok()) {
    if (contents.status().code() != absl::StatusCode::kDataLoss ||
        contents.status().message().substr(0, 2) != "f:") {
      abort();
    }
    return;
  }
  if (contents->whole_bytes > text.size()) abort();
  std::string anew(journal::kHeading);
  for (const journal::Record& record : contents->records) {
    const auto line = journal::RecordLine(record);
    if (!line.ok()) abort();
    anew += *line;
  }
  const auto again = journal::ParseText(anew, "g");
  if (!again.ok() || again->records != contents->records) abort();
}

std::string WithChecksums(std::string_view text) {
  std::string out(journal::kHeading);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    uint64_t hash = 0xcbf29ce484222325;
    for (const char c : line) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    out += std::string(line) + absl::StrFormat(" #%016x\n", hash);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Read(text);
  Read(WithChecksums(text));
  return 0;
}
