// What the passes share: one spec on its way from tree to layout. Each pass reads what those before
// it wrote, adds its own, and reports what is wrong; passes run to the end whatever the errors are,
// so that one run reports all of them. References are indices in the spec's own order; lower.cc
// makes the canonical form at the end.
//
// Not thread safe; lives for one compilation.
#ifndef QSPLIT_DESCRIPTOR_LANG_PASSES_UNIT_H_
#define QSPLIT_DESCRIPTOR_LANG_PASSES_UNIT_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/exclusion.h"
#include "descriptor-lang/layout/roles.h"
#include "descriptor-lang/syntax/ast.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::qdl {

using NameIndex = std::map<std::string_view, uint32_t>;

// A field: one line of the spec, or several for a value in several places.
struct FieldUnit {
  explicit FieldUnit(v1::Field& in_layout) : field(in_layout) {}

  // Its form in Unit::layout.
  v1::Field& field;
  // The lines, in the spec's order; at least one.
  std::vector<const ast::Field*> lines;
  // The line with the attributes (the first that has any).
  const ast::Field* main = nullptr;
  // True when its bits are known to be inside the descriptor.
  bool placed = false;
  // Width of a number; 0 for byte arrays.
  uint32_t bits = 0;
  std::vector<layout::ByteMask> masks;
  std::optional<layout::Role> role;
  // When it means something.
  layout::ConditionFacts facts;

  Span span() const { return lines.front()->name.span; }
};

// A descriptor.
struct FormUnit {
  FormUnit(const ast::Descriptor& descriptor, v1::Form& in_layout)
      : tree(&descriptor), form(in_layout) {}

  const ast::Descriptor* tree;
  // Its form in Unit::layout.
  v1::Form& form;
  std::vector<FieldUnit> fields;
  NameIndex field_names;
  // For each of form.contains(), its line.
  std::vector<const ast::Part*> parts;
  // True when a ring posts or completes it, or another descriptor contains it.
  bool used = false;
};

struct Unit {
  Unit(const SourceFile& source_file, const ast::File& tree, Diagnostics& out)
      : source(source_file), file(tree), diagnostics(out) {}

  const SourceFile& source;
  const ast::File& file;
  Diagnostics& diagnostics;

  NameIndex enumeration_names;
  NameIndex feature_names;
  NameIndex form_names;
  std::vector<FormUnit> forms;
  // True when the parser had to skip something, or a name led nowhere: what is missing then may be
  // just that.
  bool incomplete = false;

  // In the spec's own order.
  v1::Layout layout;
  // For comparing pairs; when it is spent, pairs count as not exclusive and the verifier refuses.
  layout::WorkBudget budget;

  // Reports something that the spec does not say, unless it may be among what was skipped.
  void ReportMissing(Diagnostic id, Span span, std::initializer_list<std::string_view> arguments) {
    if (!incomplete) diagnostics.Report(id, span, arguments);
  }

  const FieldUnit& Field(const v1::FieldReference& reference) const {
    return forms[reference.form()].fields[reference.field()];
  }
  FieldUnit& Field(const v1::FieldReference& reference) {
    return forms[reference.form()].fields[reference.field()];
  }
};

// True when conditions or features never let both fields mean something.
bool Exclusive(Unit& unit, const FieldUnit& a, const FieldUnit& b);

// Adds a choice by its names; reports what does not exist or was said before.
void AddFeature(Unit& unit, const ast::FeatureChoice& tree,
                google::protobuf::RepeatedPtrField<v1::FeatureChoice>& out);

// The descriptor of that name; nullopt (reported) when there is none.
std::optional<uint32_t> FindForm(Unit& unit, const ast::Identifier& name);

// What may stand in a layout's documentation: without control characters and blanks at its ends,
// cut after `most` bytes.
std::string CleanText(std::string_view words, size_t most);

// "1 bit", "4 bits".
std::string BitsText(uint64_t bits);
// "did you mean `x`?" for the name nearest to `wanted`, or a list of a few of them; empty for none.
std::string Suggest(std::string_view wanted, const std::vector<std::string_view>& names);
std::vector<std::string_view> NamesOf(const NameIndex& index);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_PASSES_UNIT_H_
