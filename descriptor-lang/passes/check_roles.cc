#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using layout::RoleInfo;
using layout::RoleKind;

void CheckShape(Unit& unit, const FieldUnit& field, const RoleInfo& info) {
  const Span span = field.main->attributes.role->span;
  const std::string& name = field.field.name();
  const bool bytes = field.field.has_bytes();
  if (bytes != (info.kind == RoleKind::kBytes)) {
    unit.diagnostics.Report(Diagnostic::kRoleShape, span,
                            {name, info.name, layout::RoleKindName(info.kind),
                             bytes ? "give it a word instead of bytes" : "make it `N bytes`"});
    return;
  }
  if (info.kind == RoleKind::kFlag && field.bits != 1) {
    unit.diagnostics.Report(Diagnostic::kRoleWidth, span, {name, BitsText(field.bits), info.name});
  }
  if (info.kind == RoleKind::kCoded && !field.field.has_enumeration() &&
      !field.main->attributes.enumeration) {
    unit.diagnostics.Report(Diagnostic::kRoleNeedsEnumeration, span,
                            {name, info.name, text::Join(info.vocabulary, ", ")});
  }
  if (info.kind == RoleKind::kCoded && field.field.has_enumeration()) {
    const v1::Enumeration& known =
        unit.layout.enumerations(static_cast<int>(field.field.enumeration()));
    const bool understood = std::any_of(
        known.values().begin(), known.values().end(), [&](const v1::EnumerationValue& value) {
          return layout::FindCode(info.role, value.name()).has_value();
        });
    if (!understood && !known.values().empty()) {
      unit.diagnostics.Report(Diagnostic::kNoVocabulary, span,
                              {known.name(), info.name, text::Join(info.vocabulary, ", ")});
    }
  }
}

void ResolveRole(Unit& unit, FieldUnit& field) {
  if (!field.main->attributes.role) return;
  const ast::Identifier& name = *field.main->attributes.role;
  field.role = layout::FindRole(name.text);
  if (!field.role) {
    std::vector<std::string_view> names;
    for (const RoleInfo& info : layout::AllRoles()) names.push_back(info.name);
    unit.diagnostics.Report(Diagnostic::kUnknownRole, name.span,
                            {name.text, Suggest(name.text, names)});
    return;
  }
  field.field.set_role(std::string(name.text));
  if (field.placed) CheckShape(unit, field, layout::GetRoleInfo(*field.role));
}

}  // namespace

void CheckRoles(Unit& unit) {
  for (FormUnit& form : unit.forms) {
    std::map<layout::Role, std::vector<const FieldUnit*>> seen;
    for (FieldUnit& field : form.fields) {
      ResolveRole(unit, field);
      if (!field.role || layout::GetRoleInfo(*field.role).repeatable) continue;
      std::vector<const FieldUnit*>& others = seen[*field.role];
      for (const FieldUnit* other : others) {
        if (Exclusive(unit, *other, field)) continue;
        unit.diagnostics.Report(
            Diagnostic::kDuplicateRole, field.main->attributes.role->span,
            {other->field.name(), field.field.name(), layout::RoleName(*field.role)},
            other->main->attributes.role->span, "the other one");
        break;
      }
      others.push_back(&field);
    }
  }
}

}  // namespace qsplit::qdl
