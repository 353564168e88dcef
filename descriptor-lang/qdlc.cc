// qdlc: compiles a spec to a layout, or says everything that is wrong with it.
//
// Exit status: 0 done, 1 the spec has errors or a file cannot be read or written, 2 wrong usage.
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"
#include "descriptor-lang/text.h"

namespace {

using qsplit::qdl::DiagnosticInfo;

constexpr std::string_view kUsage =
    R"(qdlc: compiles a description of descriptors and rings to a layout

usage: qdlc SPEC.qdl [-o OUT] [--emit layout|text|json]
       qdlc SPEC.qdl --check
       qdlc --emit roles
       qdlc --explain QDL0044

  -o FILE         where to write; `-`, and the default for text, json and roles, is stdout
  --emit layout   the compiled layout (default), a qsplit.v1.Layout in canonical form; needs -o
  --emit text     a table for people
  --emit json     every field with its bytes, for programs
  --emit roles    the vocabulary of roles, as Markdown; needs no spec
  --check         compile, write nothing
  --explain CODE  what a message means and what to do
  --help          this text

All errors of a file are reported in one run. SPEC.qdl may be `-` for stdin.

example: qdlc nic.qdl --emit text
)";

struct Options {
  std::optional<std::string> spec;
  std::optional<std::string> output;
  std::string emit = "layout";
  bool check = false;
  std::optional<std::string> explain;
  bool help = false;
};

int UsageError(const std::string& what) {
  std::cerr << "qdlc: " << what << "; `qdlc --help` shows how to use it\n";
  return 2;
}

// Nullopt: a usage error, in `error`.
std::optional<Options> ReadOptions(const std::vector<std::string>& words, std::string& error) {
  Options options;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    std::optional<std::string> value;
    if (const size_t equal = word.find('='); word.starts_with("--") && equal != std::string::npos) {
      value = word.substr(equal + 1);
      word.resize(equal);
    }
    const bool takes_value =
        word == "-o" || word == "--output" || word == "--emit" || word == "--explain";
    if (takes_value && !value) {
      if (i + 1 >= words.size()) {
        error = word + " needs a value";
        return std::nullopt;
      }
      value = words[++i];
    }
    if (!takes_value && value) {
      error = word + " takes no value";
      return std::nullopt;
    }
    if (word == "-o" || word == "--output") {
      options.output = value;
    } else if (word == "--emit") {
      options.emit = *value;
    } else if (word == "--explain") {
      options.explain = value;
    } else if (word == "--check") {
      options.check = true;
    } else if (word == "--help" || word == "-h") {
      options.help = true;
    } else if (word.size() > 1 && word[0] == '-') {
      error = "there is no option " + word;
      return std::nullopt;
    } else if (options.spec) {
      error = "one spec at a time, not " + *options.spec + " and " + word;
      return std::nullopt;
    } else {
      options.spec = word;
    }
  }
  return options;
}

int Explain(const std::string& code) {
  std::string_view digits = code;
  if (digits.starts_with("QDL")) digits.remove_prefix(3);
  uint32_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_number = failed == std::errc() && end == digits.data() + digits.size();
  const DiagnosticInfo* info = is_number ? qsplit::qdl::FindDiagnostic(number) : nullptr;
  if (info == nullptr) return UsageError("there is no message " + code);
  const bool is_error = info->severity == qsplit::qdl::Severity::kError;
  std::cout << qsplit::qdl::DiagnosticCode(info->id) << " (" << (is_error ? "error" : "warning")
            << "): " << info->summary << "\n";
  if (!info->advice.empty()) std::cout << "What to do: " << info->advice << "\n";
  std::cout << "{0}, {1}, … stand for what the message is about.\n";
  return 0;
}

bool ReadFile(const std::string& path, std::string& out) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file) return false;
    // A byte more than is read shows that the file is too long.
    std::string buffer(qsplit::qdl::kMaxSourceBytes + 1, '\0');
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    if (file.bad()) return false;
    buffer.resize(static_cast<size_t>(file.gcount()));
    out = std::move(buffer);
    return true;
  }
  out = text.str();
  return true;
}

// Through a file beside it, so that nobody reads half an output.
int Write(const Options& options, const std::string& bytes) {
  if (!options.output || *options.output == "-") {
    std::cout.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::cout.flush();
    if (std::cout) return 0;
    std::cerr << "qdlc: cannot write to stdout\n";
    return 1;
  }
  const std::string part = *options.output + ".part";
  {
    std::ofstream file(part, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    if (!file) {
      std::cerr << "qdlc: cannot write " << part << "\n";
      std::remove(part.c_str());
      return 1;
    }
  }
  if (std::rename(part.c_str(), options.output->c_str()) == 0) return 0;
  std::cerr << "qdlc: cannot write " << *options.output << "\n";
  std::remove(part.c_str());
  return 1;
}

int CompileSpec(const Options& options) {
  std::string text;
  if (!ReadFile(*options.spec, text)) {
    std::cerr << "qdlc: cannot read " << *options.spec << "\n";
    return 1;
  }
  const qsplit::qdl::SourceFile source(*options.spec == "-" ? "<stdin>" : *options.spec, text);
  qsplit::qdl::Diagnostics diagnostics(source);
  const auto layout = qsplit::qdl::Compile(source, diagnostics);
  std::cerr << diagnostics.Render();
  if (!layout) return 1;
  if (options.check) return 0;
  if (options.emit == "text") return Write(options, qsplit::layout::EmitText(*layout));
  if (options.emit == "json") return Write(options, qsplit::layout::EmitJson(*layout));
  return Write(options, layout->canonical_bytes());
}

}  // namespace

int main(int argc, char** argv) {
  std::string error;
  const auto options = ReadOptions(std::vector<std::string>(argv + 1, argv + argc), error);
  if (!options) return UsageError(error);
  if (options->help) {
    std::cout << kUsage;
    return 0;
  }
  if (options->explain) return Explain(*options->explain);
  if (options->emit == "roles") return Write(*options, qsplit::layout::EmitRoles());
  if (options->emit != "layout" && options->emit != "text" && options->emit != "json") {
    return UsageError("--emit " + options->emit + " is none of layout, text, json and roles");
  }
  if (!options->spec) return UsageError("no spec given");
  if (options->emit == "layout" && !options->check && !options->output) {
    return UsageError("a layout is binary: say where to write it with -o");
  }
  return CompileSpec(*options);
}
