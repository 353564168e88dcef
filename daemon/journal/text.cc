#include "daemon/journal/text.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace qsplit::journal {
namespace {

// Higher ones no daemon reaches, and one more than any of these is a number still.
constexpr RecordId kHighestId = UINT64_MAX / 2;

// http://www.isthe.com/chongo/tech/comp/fnv: offset basis and prime of 64 bits.
uint64_t Fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::string Signed(std::string line) {
  absl::StrAppendFormat(&line, " #%016x\n", Fnv1a(line));
  return line;
}

bool IsWord(std::string_view text, char joint) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == joint;
  });
}

bool IsPlain(char c) { return c > ' ' && c < 0x7f && c != '%' && c != '=' && c != '#'; }

std::string Escape(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (IsPlain(c)) {
      text.push_back(c);
    } else {
      absl::StrAppendFormat(&text, "%%%02x", static_cast<uint8_t>(c));
    }
  }
  return text;
}

template <typename T>
std::optional<T> Number(std::string_view text, int base) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<std::string> Unescape(std::string_view text) {
  std::string value;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto byte = Number<uint8_t>(text.substr(i + 1, 2), 16);
      if (i + 2 >= text.size() || !byte) return std::nullopt;
      value.push_back(static_cast<char>(*byte));
      i += 2;
    } else if (IsPlain(text[i])) {
      value.push_back(text[i]);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

// What is wrong with a line; empty: nothing.
class Reader {
 public:
  std::string_view Read(std::string_view line) {
    const size_t mark = line.rfind(" #");
    const auto sum =
        mark == std::string_view::npos ? std::nullopt : Number<uint64_t>(line.substr(mark + 2), 16);
    if (!sum || line.size() != mark + 2 + 16) return "there is no checksum at its end";
    const std::string_view said = line.substr(0, mark);
    if (Fnv1a(said) != *sum) return "its checksum does not fit";
    const std::vector<std::string> words =
        absl::StrSplit(absl::string_view(said.data(), said.size()), ' ');
    const auto id = words.size() < 2 ? std::nullopt : Number<RecordId>(words[1], 10);
    if (!id || *id == 0 || *id > kHighestId) return "it has no number";
    if (words[0] == "+") return Add(*id, std::span(words).subspan(2));
    if (words[0] == "=") return Replace(*id, std::span(words).subspan(2));
    if (words[0] == "-" && words.size() == 2) return Remove(*id);
    return "it is neither a record nor the end of one";
  }

  Contents Take() { return std::move(contents_); }

 private:
  // `words`: kind, fields.
  std::string_view Add(RecordId id, std::span<const std::string> words) {
    if (id <= contents_.last_id) return "its number is not higher than those before it";
    if (words.empty() || !IsWord(words[0], '-')) return "it has no kind";
    Record record{.id = id, .kind = words[0]};
    for (size_t i = 1; i < words.size(); ++i) {
      const std::string_view word = words[i];
      const size_t equals = word.find('=');
      if (equals == std::string_view::npos || !IsWord(word.substr(0, equals), '_')) {
        return "it has a field without a name";
      }
      auto value = Unescape(word.substr(equals + 1));
      if (!value) return "it has a field whose value does not read";
      if (!record.fields.emplace(word.substr(0, equals), *std::move(value)).second) {
        return "it has a field twice";
      }
    }
    contents_.last_id = id;
    contents_.records.push_back(std::move(record));
    return {};
  }

  // `words`: number of the former, kind, fields.
  std::string_view Replace(RecordId id, std::span<const std::string> words) {
    const auto former = words.empty() ? std::nullopt : Number<RecordId>(words[0], 10);
    if (!former) return "it does not say which record it replaces";
    const std::string_view wrong = Remove(*former);
    return wrong.empty() ? Add(id, words.subspan(1)) : wrong;
  }

  std::string_view Remove(RecordId id) {
    const auto at = std::find_if(contents_.records.begin(), contents_.records.end(),
                                 [&](const Record& record) { return record.id == id; });
    if (at == contents_.records.end()) return "it ends a record that there is not";
    contents_.records.erase(at);
    return {};
  }

  Contents contents_;
};

absl::Status Damaged(std::string_view file, size_t line, std::string_view what) {
  return absl::DataLossError(absl::StrCat(
      std::string(file), ":", line, ": the journal is damaged: ", std::string(what),
      "; what a former qsplitd has left to undo cannot be known: see that PCI functions have the ",
      "drivers that they should have (lspci -k), and netdevs their channels, tables and filters ",
      "(ethtool -l, -x, -n), then remove the file"));
}

// From the kind on, signed with what stands before it.
absl::StatusOr<std::string> Line(std::string line, const Record& record) {
  if (!IsWord(record.kind, '-')) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", Escape(record.kind), "' is no kind of record; allowed: a-z 0-9 -"));
  }
  absl::StrAppend(&line, " ", record.kind);
  for (const auto& [name, value] : record.fields) {
    if (!IsWord(name, '_')) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", Escape(name), "' is no name of a field; allowed: a-z 0-9 _"));
    }
    absl::StrAppend(&line, " ", name, "=", Escape(value));
  }
  return Signed(std::move(line));
}

}  // namespace

absl::StatusOr<std::string> RecordLine(const Record& record) {
  return Line(absl::StrCat("+ ", record.id), record);
}

absl::StatusOr<std::string> InsteadLine(const Record& record, RecordId former) {
  return Line(absl::StrCat("= ", record.id, " ", former), record);
}

std::string DoneLine(RecordId id) { return Signed(absl::StrCat("- ", id)); }

absl::StatusOr<Contents> ParseText(std::string_view text, std::string_view file) {
  // A journal that was being made when the power went.
  if (text.size() < kHeading.size() && kHeading.substr(0, text.size()) == text) return Contents();
  if (text.substr(0, kHeading.size()) != kHeading) {
    return Damaged(file, 1, "it does not begin with 'qsplit journal 1'");
  }
  Reader reader;
  size_t at = kHeading.size();
  for (size_t line = 2;; ++line) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    const std::string_view wrong = reader.Read(text.substr(at, end - at));
    if (!wrong.empty()) return Damaged(file, line, wrong);
    at = end + 1;
  }
  Contents contents = reader.Take();
  contents.whole_bytes = at;
  return contents;
}

}  // namespace qsplit::journal
