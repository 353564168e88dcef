#include "cli/usage.h"

#include <cstdio>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/table.h"
#include "cli/words.h"

namespace qsplit::cli {
namespace {

constexpr char kMark[] = "qsplit/wrong-words";

// The object or verb that the words came to.
const CLI::App& Deepest(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  return *deepest;
}

// "qsplit device set".
std::string Path(const CLI::App& app) {
  std::string path;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    path = at->get_name() + (path.empty() ? "" : " ") + path;
  }
  return path;
}

std::string Subcommands(const CLI::App& app) {
  std::string words;
  for (const CLI::App* word : app.get_subcommands({})) {
    words += (words.empty() ? "" : ", ") + word->get_name();
  }
  return words;
}

std::string Unexpected(const std::string& word, bool command_wanted) {
  const char* what = absl::StartsWith(word, "-") ? "unknown option '"
                     : command_wanted            ? "unknown command '"
                                                 : "unexpected word '";
  return absl::StrCat(what, word, "'");
}

// Something required is not there: mostly a word that is none of those expected.
std::string Missing(const CLI::App& app) {
  const CLI::App& at = Deepest(app);
  const std::string words = Subcommands(at);
  const std::vector<std::string> rest = app.remaining(/*recurse=*/true);
  if (!words.empty()) {
    if (!rest.empty() && absl::StartsWith(rest.front(), "-")) return Unexpected(rest.front(), true);
    return absl::StrCat(rest.empty() ? "a command is missing" : Unexpected(rest.front(), true),
                        "; there are: ", words);
  }
  std::vector<std::string> missing;
  for (const CLI::Option* option : at.get_options()) {
    if (option->get_required() && option->count() == 0) missing.push_back(option->get_name(true));
  }
  std::string names;
  for (size_t i = 0; i < missing.size(); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : (i + 1 == missing.size() ? " and " : ", "), missing[i]);
  }
  return absl::StrCat(names, missing.size() == 1 ? " is missing" : " are missing");
}

// "Could not convert: --mtu = x": says instead what the option takes.
std::string NotConverted(const CLI::App& app, absl::string_view what) {
  absl::ConsumePrefix(&what, "Could not convert: ");
  const std::pair<std::string, std::string> parts = absl::StrSplit(what, absl::MaxSplits(" = ", 1));
  const CLI::Option* option = Deepest(app).get_option_no_throw(parts.first);
  if (option == nullptr) option = app.get_option_no_throw(parts.first);
  // What is converted is a number, or on and off.
  const bool on_off = option != nullptr && option->get_type_name() == "on|off";
  return absl::StrCat(parts.first, " takes ", on_off ? "on or off" : "a number", ", not '",
                      parts.second, "'");
}

// Breaks at spaces.
std::string Wrapped(const std::string& text, size_t columns) {
  std::string out;
  size_t used = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (used != 0 && used + 1 + word.size() > columns) {
      out += '\n';
      used = 0;
    } else if (used != 0) {
      out += ' ';
      ++used;
    }
    absl::StrAppend(&out, word);
    used += word.size();
  }
  return out;
}

}  // namespace

absl::Status WrongWords(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kMark, absl::Cord());
  return status;
}

bool IsWrongWords(const absl::Status& status) { return status.GetPayload(kMark).has_value(); }

int PrintWrongWords(const CLI::App& app, absl::string_view message) {
  const std::string path = Path(Deepest(app));
  std::fprintf(stderr, "%s: %s; `%s --help` has examples\n", path.c_str(),
               Harmless(message).c_str(), path.c_str());
  return kUsageExitCode;
}

int PrintParseError(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const std::string what = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return PrintWrongWords(app, Missing(app));
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const std::vector<std::string> rest = app.remaining(/*recurse=*/true);
    return PrintWrongWords(app, rest.empty() ? what : Unexpected(rest.front(), false));
  }
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) {
    return PrintWrongWords(app, NotConverted(app, what));
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return PrintWrongWords(app, absl::StrCat(what.substr(0, what.find(':')), " needs a value"));
  }
  return PrintWrongWords(app, what);
}

std::string Help::make_usage(const CLI::App* app, std::string name) const {
  std::string usage = absl::StrCat("Usage: ", name, " [OPTIONS]");
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_positional()) continue;
    const bool required = option->get_required();
    absl::StrAppend(&usage, required ? " " : " [", option->get_name(true), required ? "" : "]");
  }
  if (app->get_prefix_command()) usage += " RULE";
  if (!app->get_subcommands({}).empty()) {
    usage += app->get_parent() == nullptr ? " OBJECT COMMAND" : " COMMAND";
  }
  return usage + "\n";
}

std::string Help::make_option_opts(const CLI::Option* option) const {
  if (option->get_positional() || option->get_type_size() == 0) return "";
  return " " + option->get_type_name();
}

std::string Help::make_option_desc(const CLI::Option* option) const {
  std::string text = option->get_description();
  if (!option->get_default_str().empty()) {
    absl::StrAppend(&text, " [", option->get_default_str(), "]");
  }
  return Wrapped(text, kColumns - kNameColumns);
}

CLI::Validator WholeNumber() {
  return CLI::Validator(
      [](const std::string& word) {
        uint64_t number = 0;
        return absl::SimpleAtoi(word, &number) ? std::string() : "'" + word + "' is no number";
      },
      "");
}

absl::StatusOr<absl::Duration> DurationOption(absl::string_view option, absl::string_view text,
                                              absl::Duration least, absl::Duration most) {
  const auto duration = ParseDuration(text);
  if (!duration.ok()) return WrongWords(absl::StrCat(option, ": ", duration.status().message()));
  if (*duration < least || *duration > most) {
    return WrongWords(absl::StrCat(option, ": '", text, "' is not within ",
                                   absl::FormatDuration(least), " to ",
                                   absl::FormatDuration(most)));
  }
  return duration;
}

}  // namespace qsplit::cli
