// Words that are wrong, and help: how both read.
//
// One thread. Never calls the daemon. Nothing here is written to a terminal unless harmless.
#ifndef QSPLIT_CLI_USAGE_H_
#define QSPLIT_CLI_USAGE_H_

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace qsplit::cli {

inline constexpr int kUsageExitCode = 2;

// The status of a verb whose words cannot be meant: exit code 2 instead of 1.
absl::Status WrongWords(absl::string_view message);
bool IsWrongWords(const absl::Status& status);

// A line on stderr: which command, what is wrong with which word, where to read on. Returns
// kUsageExitCode.
int PrintWrongWords(const CLI::App& app, absl::string_view message);
// The same for what the parser refused; --help and --version are printed and return 0.
int PrintParseError(const CLI::App& app, const CLI::ParseError& error);

// Help of at most 100 columns.
class Help : public CLI::Formatter {
 public:
  Help() { column_width(kNameColumns); }
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;

 private:
  static constexpr size_t kColumns = 100;
  static constexpr size_t kNameColumns = 24;
};

// Checks a word against the keys of a map.
template <typename Value>
CLI::Validator OneOf(const std::map<std::string, Value>& words) {
  return CLI::Validator(
      [&words](const std::string& word) {
        if (words.count(word) != 0) return std::string();
        std::string all;
        for (const auto& [name, value] : words) all += (all.empty() ? "" : ", ") + name;
        return "'" + word + "' is none of " + all;
      },
      "");
}

// Checks that a word is a number from 0 to 2^64 - 1; the parser alone takes -1 for the greatest.
CLI::Validator WholeNumber();

// The value of an option that takes a duration; WrongWords names the option and the limits.
absl::StatusOr<absl::Duration> DurationOption(absl::string_view option, absl::string_view text,
                                              absl::Duration least, absl::Duration most);

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_USAGE_H_
