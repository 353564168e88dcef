#include "descriptor-lang/emit/outputs.h"

#include "descriptor-lang/emit/emit.h"

namespace qsplit::layout {
namespace {

constexpr Output kOutputs[] = {
    {"text", ".txt", "tables of fields, rings and doorbells", EmitText},
    {"diagram", ".diagram.txt", "bit diagrams for a terminal", EmitDiagram},
    {"qdl", ".qdl", "a spec that compiles to the same layout", EmitQdl},
    {"format", ".format", "as the kernel's tracing format files", EmitTraceFormat},
    {"json", ".json", "every field with its bytes and masks, for programs", EmitJson},
    {"svg", ".svg", "bit diagrams as a picture", EmitSvg},
    {"c++", ".h", "C++20 accessors", EmitCppHeader},
    {"c", ".c.h", "C accessors", EmitCHeader},
    {"bpf", ".bpf.h", "C accessors for BPF programs", EmitBpfHeader},
    {"kaitai", ".ksy", "a Kaitai Struct description", EmitKaitai},
    {"html", ".html", "a page with diagrams, fields, rings and sources", EmitHtml},
};

}  // namespace

std::span<const Output> Outputs() { return kOutputs; }

const Output* FindOutput(std::string_view name) {
  for (const Output& output : kOutputs) {
    if (output.name == name) return &output;
  }
  return nullptr;
}

}  // namespace qsplit::layout
