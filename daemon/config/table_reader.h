// Reads one TOML table key by key, and collects what is wrong with it.
//
// A getter gives nothing when the key is absent or wrong; wrong is also reported. Finish reports
// the keys that nobody asked for. Nothing here stops at the first error. One thread.
#ifndef QSPLIT_DAEMON_CONFIG_TABLE_READER_H_
#define QSPLIT_DAEMON_CONFIG_TABLE_READER_H_

#include <toml++/toml.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace qsplit::config {

// Errors of one file, in the order of their places.
class Diagnostics {
 public:
  explicit Diagnostics(std::string file) : file_(std::move(file)) {}

  void Add(const toml::source_region& where, std::string_view what);
  // OK, or INVALID_ARGUMENT with a line for each error; of more than 20 the rest is counted.
  absl::Status ToStatus() const;
  bool ok() const { return errors_.empty(); }

 private:
  struct Error {
    toml::source_position where;
    std::string text;
  };
  std::string file_;
  std::vector<Error> errors_;
};

class TableReader {
 public:
  // `path` names the table in errors ("device", "tenant.quotas"). Keeps references to both.
  TableReader(const toml::table& table, std::string path, Diagnostics& diagnostics)
      : table_(table), path_(std::move(path)), diagnostics_(diagnostics) {}

  bool Has(std::string_view key) const { return table_.contains(key); }
  std::optional<std::string> String(std::string_view key);
  std::optional<std::string> OneOf(std::string_view key,
                                   std::initializer_list<std::string_view> allowed);
  std::optional<bool> Bool(std::string_view key);
  std::optional<uint64_t> Integer(std::string_view key, uint64_t least, uint64_t most);
  // A number of bytes: an integer, or a string such as "64KiB", "512MiB", "2GiB".
  std::optional<uint64_t> Bytes(std::string_view key, uint64_t least, uint64_t most);
  // Permission bits: an octal integer (0o666) or string ("0666").
  std::optional<uint32_t> Mode(std::string_view key);
  const toml::table* Table(std::string_view key);
  // An array of tables; empty when absent.
  std::vector<const toml::table*> Tables(std::string_view key);
  std::optional<std::vector<std::string>> Strings(std::string_view key);
  std::optional<std::vector<uint32_t>> Integers(std::string_view key, uint64_t most);
  // Any node, counted as known.
  const toml::node* Node(std::string_view key);

  // Reports an error of the key's value: "PATH.KEY = VALUE: problem".
  void Error(std::string_view key, std::string_view problem);
  // The same for one element of an array.
  void ElementError(std::string_view key, const toml::node& element, std::string_view problem);
  // An error of the table itself.
  void TableError(std::string_view problem);
  void Missing(std::string_view key, std::string_view allowed);

  // Reports unknown keys, each with the nearest known one.
  void Finish();

 private:
  std::string Full(std::string_view key) const;
  const toml::node* Find(std::string_view key, std::string_view type, bool right_type);

  const toml::table& table_;
  std::string path_;
  Diagnostics& diagnostics_;
  std::vector<std::string> known_;
};

// The nearest of `words` to `word`; empty when none is near.
std::string Nearest(std::string_view word, const std::vector<std::string>& words);

// A value as the file has it, at most 64 bytes of it.
std::string ValueText(const toml::node& node);

}  // namespace qsplit::config

#endif  // QSPLIT_DAEMON_CONFIG_TABLE_READER_H_
