#include "daemon/config/table_reader.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace qsplit::config {
namespace {

constexpr size_t kMaxErrors = 20;
constexpr size_t kMaxValueText = 64;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// "512MiB" to bytes.
std::optional<uint64_t> ParseBytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    int shift;
  };
  for (const Unit unit : {Unit{"KiB", 10}, Unit{"MiB", 20}, Unit{"GiB", 30}, Unit{"TiB", 40}}) {
    absl::string_view rest = View(text);
    if (!absl::ConsumeSuffix(&rest, View(unit.name))) continue;
    uint64_t number = 0;
    rest = absl::StripAsciiWhitespace(rest);
    if (!absl::SimpleAtoi(rest, &number) || number > (~uint64_t{0} >> unit.shift)) return {};
    return number << unit.shift;
  }
  return {};
}

}  // namespace

void Diagnostics::Add(const toml::source_region& where, std::string_view what) {
  errors_.push_back({where.begin, std::string(what)});
}

absl::Status Diagnostics::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  std::vector<Error> sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Error& a, const Error& b) { return a.where < b.where; });
  std::vector<std::string> lines;
  for (const Error& error : sorted) {
    if (lines.size() == kMaxErrors) {
      lines.push_back(absl::StrCat(file_, ": and ", sorted.size() - kMaxErrors, " more errors"));
      break;
    }
    if (error.where.line == 0) {
      lines.push_back(absl::StrCat(file_, ": ", error.text));
    } else {
      lines.push_back(
          absl::StrCat(file_, ":", error.where.line, ":", error.where.column, ": ", error.text));
    }
  }
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

std::string Nearest(std::string_view word, const std::vector<std::string>& words) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : words) {
    const size_t distance = EditDistance(word.substr(0, 64), candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string ValueText(const toml::node& node) {
  std::ostringstream out;
  switch (node.type()) {
    case toml::node_type::table:
      return "{…}";
    case toml::node_type::array:
      out << *node.as_array();
      break;
    default:
      node.visit([&out](const auto& value) {
        if constexpr (toml::is_value<decltype(value)>) out << value;
      });
      break;
  }
  std::string text = out.str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > kMaxValueText) text = text.substr(0, kMaxValueText) + "…";
  return text;
}

std::string TableReader::Full(std::string_view key) const {
  return path_.empty() ? std::string(key) : absl::StrCat(path_, ".", View(key));
}

const toml::node* TableReader::Node(std::string_view key) {
  known_.emplace_back(key);
  return table_.get(key);
}

const toml::node* TableReader::Find(std::string_view key, std::string_view type, bool right_type) {
  if (!right_type) Error(key, absl::StrCat("not ", View(type)));
  return right_type ? table_.get(key) : nullptr;
}

void TableReader::Error(std::string_view key, std::string_view problem) {
  const toml::node* node = table_.get(key);
  if (node == nullptr) return Missing(key, problem);
  diagnostics_.Add(node->source(),
                   absl::StrCat(Full(key), " = ", ValueText(*node), ": ", View(problem)));
}

void TableReader::ElementError(std::string_view key, const toml::node& element,
                               std::string_view problem) {
  diagnostics_.Add(element.source(),
                   absl::StrCat(Full(key), ": ", ValueText(element), ": ", View(problem)));
}

void TableReader::TableError(std::string_view problem) {
  diagnostics_.Add(table_.source(), absl::StrCat(path_, ": ", View(problem)));
}

void TableReader::Missing(std::string_view key, std::string_view allowed) {
  diagnostics_.Add(table_.source(), absl::StrCat(Full(key), " is missing; ", View(allowed)));
}

std::optional<std::string> TableReader::String(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr || !Find(key, "a string; put it in quotes", node->is_string())) return {};
  return node->as_string()->get();
}

std::optional<std::string> TableReader::OneOf(std::string_view key,
                                              std::initializer_list<std::string_view> allowed) {
  auto value = String(key);
  if (!value || std::find(allowed.begin(), allowed.end(), *value) != allowed.end()) return value;
  std::vector<std::string> words;
  for (const std::string_view word : allowed) words.push_back(absl::StrCat("\"", View(word), "\""));
  Error(key, absl::StrCat("unknown; allowed: ", absl::StrJoin(words, ", ")));
  return {};
}

std::optional<bool> TableReader::Bool(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr || !Find(key, "true or false", node->is_boolean())) return {};
  return node->as_boolean()->get();
}

std::optional<uint64_t> TableReader::Integer(std::string_view key, uint64_t least, uint64_t most) {
  const toml::node* node = Node(key);
  if (node == nullptr ||
      !Find(key, absl::StrCat("an integer; allowed: ", least, "..", most), node->is_integer())) {
    return {};
  }
  const int64_t value = node->as_integer()->get();
  if (value < 0 || static_cast<uint64_t>(value) < least || static_cast<uint64_t>(value) > most) {
    Error(key, absl::StrCat("out of range; allowed: ", least, "..", most));
    return {};
  }
  return static_cast<uint64_t>(value);
}

std::optional<uint64_t> TableReader::Bytes(std::string_view key, uint64_t least, uint64_t most) {
  const toml::node* node = table_.get(key);
  if (node == nullptr || !node->is_string()) return Integer(key, least, most);
  Node(key);
  const auto bytes = ParseBytes(node->as_string()->get());
  if (!bytes) {
    Error(key, "no size; allowed: a number of bytes, or a string such as \"512MiB\" or \"2GiB\"");
  } else if (*bytes < least || *bytes > most) {
    Error(key, absl::StrCat("out of range; allowed: ", least, "..", most, " bytes"));
    return {};
  }
  return bytes;
}

std::optional<uint32_t> TableReader::Mode(std::string_view key) {
  const toml::node* node = table_.get(key);
  constexpr std::string_view kAllowed =
      "no permission bits; allowed: 0o000..0o777, as an octal integer (0o666) or string (\"0666\")";
  if (node != nullptr && node->is_string()) {
    Node(key);
    const std::string& text = node->as_string()->get();
    uint32_t mode = 0;
    bool octal = !text.empty() && text.size() <= 4;
    for (const char digit : text) {
      octal = octal && digit >= '0' && digit <= '7';
      mode = mode * 8 + static_cast<uint32_t>(digit - '0');
    }
    if (octal && mode <= 0777) return mode;
    Error(key, kAllowed);
    return {};
  }
  node = Node(key);
  if (node == nullptr) return {};
  if (!node->is_integer() || node->as_integer()->get() < 0 || node->as_integer()->get() > 0777) {
    Error(key, kAllowed);
    return {};
  }
  return static_cast<uint32_t>(node->as_integer()->get());
}

const toml::table* TableReader::Table(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr || !Find(key, "a table", node->is_table())) return nullptr;
  return node->as_table();
}

std::vector<const toml::table*> TableReader::Tables(std::string_view key) {
  std::vector<const toml::table*> tables;
  const toml::node* node = Node(key);
  if (node == nullptr) return tables;
  const std::string hint = absl::StrCat("an array of tables; write [[", Full(key), "]]");
  if (!Find(key, hint, node->is_array())) return tables;
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) {
      ElementError(key, element, "not a table");
      continue;
    }
    tables.push_back(element.as_table());
  }
  return tables;
}

std::optional<std::vector<std::string>> TableReader::Strings(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr || !Find(key, "an array of strings", node->is_array())) return {};
  std::vector<std::string> strings;
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_string()) {
      ElementError(key, element, "not a string; put it in quotes");
      continue;
    }
    strings.push_back(element.as_string()->get());
  }
  return strings;
}

std::optional<std::vector<uint32_t>> TableReader::Integers(std::string_view key, uint64_t most) {
  const toml::node* node = Node(key);
  if (node == nullptr || !Find(key, "an array of integers", node->is_array())) return {};
  std::vector<uint32_t> numbers;
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_integer() || element.as_integer()->get() < 0 ||
        static_cast<uint64_t>(element.as_integer()->get()) > most) {
      ElementError(key, element, absl::StrCat("not an integer of 0..", most));
      continue;
    }
    numbers.push_back(static_cast<uint32_t>(element.as_integer()->get()));
  }
  return numbers;
}

void TableReader::Finish() {
  for (const auto& [key, node] : table_) {
    const std::string_view name = key.str();
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::vector<std::string> sorted = known_;
    std::sort(sorted.begin(), sorted.end());
    const std::string nearest = Nearest(name, sorted);
    diagnostics_.Add(
        key.source(),
        absl::StrCat(Full(name), ": unknown key",
                     nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"),
                     nearest.empty() ? "; allowed: " : " Allowed: ", absl::StrJoin(sorted, ", ")));
  }
}

}  // namespace qsplit::config
