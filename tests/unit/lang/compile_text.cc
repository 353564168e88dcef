#include "tests/unit/lang/compile_text.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl::testing {

Compiled CompileText(std::string_view spec) {
  const SourceFile source("test.qdl", spec);
  Diagnostics diagnostics(source);
  Compiled out;
  out.layout = Compile(source, diagnostics);
  std::vector<const Message*> ordered;
  for (const Message& message : diagnostics.messages()) ordered.push_back(&message);
  std::stable_sort(ordered.begin(), ordered.end(), [](const Message* a, const Message* b) {
    return a->span.begin < b->span.begin;
  });
  for (const Message* message : ordered) {
    const Position at = source.PositionOf(message->span.begin);
    out.codes.push_back(DiagnosticCode(message->id));
    out.places.push_back(text::Cat(at.line, ":", at.column));
  }
  out.text = diagnostics.Render();
  return out;
}

std::string SpecWith(const Pieces& pieces) {
  return text::Cat("layout test.spec\nsource \"none\"\n", pieces.byte_order, "\n", pieces.head,
                   "\ndescriptor Post 64 bytes {\n  @0 address u64 little is buffer.address\n"
                   "  @63 not_done u8 must be zero\n}\n"
                   "descriptor Done 64 bytes {\n",
                   pieces.fields,
                   "\n  @63 u8 { done 0 is completed  last 1 is packet.last }\n}\n"
                   "queue receive {\n  ring main {\n",
                   pieces.slots, "\npost Post\ncomplete Done in place when done\n", pieces.doorbell,
                   "\n", pieces.ring, "\n  }\n", pieces.packet, "\n", pieces.queue, "\n}\n");
}

const v1::Field& DoneField(const Compiled& compiled, std::string_view name) {
  const auto form = compiled.layout ? compiled.layout->FormIndex("Done") : std::nullopt;
  const v1::Field* field = form ? compiled.layout->FindField(*form, name) : nullptr;
  if (field == nullptr) {
    std::fprintf(stderr, "no field %s\n%s", std::string(name).c_str(), compiled.text.c_str());
    std::abort();
  }
  return *field;
}

}  // namespace qsplit::qdl::testing
