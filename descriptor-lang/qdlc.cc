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
#include "descriptor-lang/emit/outputs.h"
#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"
#include "descriptor-lang/text.h"

namespace {

using qsplit::layout::VerifiedLayout;
using qsplit::qdl::DiagnosticInfo;

constexpr std::string_view kUsage =
    R"(qdlc: compiles descriptions of descriptors and rings to layouts

usage: qdlc SPEC.qdl [-o OUT] [--emit FORMAT]
       qdlc SPEC.qdl... -o FOLDER/ [--emit FORMAT]
       qdlc SPEC.qdl... --check
       qdlc --emit roles
       qdlc --explain QDL0044

  -o FILE         where to write; `-`, and the default for all but layouts, is stdout
  -o FOLDER/      into a folder that exists, one file for each spec; with html an index as well
  --emit FORMAT   what to make of the spec; layout is the default
  --check         compile, write nothing
  --explain CODE  what a message means and what to do
  --help          this text

formats:
  layout          the compiled layout, a qsplit.v1.Layout in canonical form; needs -o
)";
constexpr std::string_view kUsageEnd =
    R"(  roles           the vocabulary of roles, as Markdown; needs no spec

All errors of a file are reported in one run. SPEC.qdl may be `-` for stdin.

examples: qdlc nic.qdl --emit text
          qdlc descriptor-specs/*.qdl --emit html -o pages/
)";

struct Options {
  std::vector<std::string> specs;
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
    } else {
      options.specs.push_back(word);
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
  // Some advice is all of it about the spec: "{2}".
  if (info->advice.size() > 3) std::cout << "What to do: " << info->advice << "\n";
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
int Write(const std::optional<std::string>& output, const std::string& bytes) {
  if (!output || *output == "-") {
    std::cout.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::cout.flush();
    if (std::cout) return 0;
    std::cerr << "qdlc: cannot write to stdout\n";
    return 1;
  }
  const std::string part = *output + ".part";
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
  if (std::rename(part.c_str(), output->c_str()) == 0) return 0;
  std::cerr << "qdlc: cannot write " << *output << "\n";
  std::remove(part.c_str());
  return 1;
}

// Nullopt: it has errors, which are printed.
std::optional<VerifiedLayout> CompileSpec(const std::string& spec) {
  std::string text;
  if (!ReadFile(spec, text)) {
    std::cerr << "qdlc: cannot read " << spec << "\n";
    return std::nullopt;
  }
  const qsplit::qdl::SourceFile source(spec == "-" ? "<stdin>" : spec, text);
  qsplit::qdl::Diagnostics diagnostics(source);
  auto layout = qsplit::qdl::Compile(source, diagnostics);
  std::cerr << diagnostics.Render();
  return layout;
}

bool IsFolder(const std::optional<std::string>& output) {
  return output.has_value() && output->ends_with('/');
}

int CompileAll(const Options& options) {
  const qsplit::layout::Output* const format = qsplit::layout::FindOutput(options.emit);
  std::vector<VerifiedLayout> layouts;
  int status = 0;
  for (const std::string& spec : options.specs) {
    std::optional<VerifiedLayout> layout = CompileSpec(spec);
    if (!layout) {
      status = 1;
      continue;
    }
    layouts.push_back(*std::move(layout));
  }
  if (status != 0 || options.check) return status;
  for (const VerifiedLayout& layout : layouts) {
    const std::string bytes = format == nullptr ? layout.canonical_bytes() : format->emit(layout);
    std::optional<std::string> output = options.output;
    if (IsFolder(output)) {
      *output += layout.name();
      *output += format == nullptr ? ".layout" : format->suffix;
    }
    if (Write(output, bytes) != 0) return 1;
  }
  if (!IsFolder(options.output) || options.emit != "html") return 0;
  return Write(*options.output + "index.html", qsplit::layout::EmitHtmlIndex(layouts));
}

}  // namespace

int main(int argc, char** argv) {
  std::string error;
  const auto options = ReadOptions(std::vector<std::string>(argv + 1, argv + argc), error);
  if (!options) return UsageError(error);
  if (options->help) {
    std::cout << kUsage;
    for (const qsplit::layout::Output& output : qsplit::layout::Outputs()) {
      std::cout << "  " << output.name << std::string(16 - output.name.size(), ' ') << output.what
                << "\n";
    }
    std::cout << kUsageEnd;
    return 0;
  }
  if (options->explain) return Explain(*options->explain);
  if (options->emit == "roles") return Write(options->output, qsplit::layout::EmitRoles());
  if (options->emit != "layout" && qsplit::layout::FindOutput(options->emit) == nullptr) {
    std::string names = "layout";
    for (const qsplit::layout::Output& output : qsplit::layout::Outputs()) {
      qsplit::text::Append(names, ", ", output.name);
    }
    return UsageError("--emit " + options->emit + " is none of " + names + " and roles");
  }
  if (options->specs.empty()) return UsageError("no spec given");
  if (options->specs.size() > 1 && !options->check && !IsFolder(options->output)) {
    return UsageError("several specs go into a folder: say which with -o FOLDER/");
  }
  if (options->emit == "layout" && !options->check && !options->output) {
    return UsageError("a layout is binary: say where to write it with -o");
  }
  return CompileAll(*options);
}
