// Any bytes as a spec: the compiler ends, its messages are valid UTF-8 within their cap, and what
// it accepts can be written and read back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = qsplit::qdl::Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using qsplit::layout::VerifiedLayout;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const qsplit::qdl::SourceFile source("fuzz.qdl", text);
  qsplit::qdl::Diagnostics diagnostics(source);
  const auto layout = qsplit::qdl::Compile(source, diagnostics);
  const std::string messages = diagnostics.Render();
  Require(IsUtf8(messages));
  Require(diagnostics.messages().size() <= qsplit::qdl::kMaxDiagnostics);
  for (const qsplit::qdl::Message& message : diagnostics.messages()) {
    // The verifier finds nothing that the compiler did not, unless there was too much to compare.
    Require(message.id != qsplit::qdl::Diagnostic::kRefused ||
            message.summary.find("too many overlaps") != std::string::npos);
  }
  Require(layout.has_value() == (diagnostics.error_count() == 0));
  if (!layout) return 0;
  const auto again = VerifiedLayout::FromBytes(layout->canonical_bytes());
  Require(again.ok() && again->digest() == layout->digest());
  Require(IsUtf8(qsplit::layout::EmitText(*layout)));
  Require(!qsplit::layout::EmitJson(*layout).empty());
  return 0;
}
