#include <string>
#include <utility>

#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/locate.h"
#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

void AddNote(Unit& unit, std::string path, std::string_view text) {
  v1::Documentation& words = *unit.layout.mutable_documentation();
  if (text.empty() || words.notes_size() >= static_cast<int>(layout::kMaxNotes)) return;
  v1::Note& note = *words.add_notes();
  note.set_path(std::move(path));
  note.set_text(CleanText(text, layout::kMaxNoteBytes));
}

void AddNotes(Unit& unit) {
  for (const FormUnit& form : unit.forms) {
    AddNote(unit, form.form.name(), form.tree->note);
    for (const FieldUnit& field : form.fields) {
      AddNote(unit, text::Cat(form.form.name(), ".", field.field.name()), field.main->note);
    }
    for (const ast::Part* part : form.parts) {
      AddNote(unit, text::Cat(form.form.name(), ".", part->name.text), part->note);
    }
  }
  for (const ast::Queue& queue : unit.file.queues) {
    AddNote(unit, std::string(queue.name.text), queue.note);
    for (const ast::Ring& ring : queue.rings) {
      AddNote(unit, text::Cat(queue.name.text, ".", ring.name.text), ring.note);
    }
  }
}

}  // namespace

std::optional<layout::VerifiedLayout> Lower(Unit& unit) {
  if (unit.diagnostics.error_count() > 0) return std::nullopt;
  AddNotes(unit);
  auto verified = layout::VerifiedLayout::FromMessage(layout::Canonicalize(unit.layout));
  if (verified.ok()) return *std::move(verified);
  const std::string message(verified.status().message());
  unit.diagnostics.Report(Diagnostic::kRefused, LocateRefusal(unit.file, message), {message});
  return std::nullopt;
}

}  // namespace qsplit::qdl
