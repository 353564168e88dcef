// The vocabulary of roles as Markdown.
#include <string>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/layout/roles.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {

std::string EmitRoles() {
  std::string out =
      "# Roles\n"
      "\n"
      "What a field can mean to software. A spec says `is ROLE` behind a field; programs ask for\n"
      "roles and never for names. A field without a role is still readable by its name.\n"
      "\n"
      "This page is made by `qdlc --emit roles` out of `descriptor-lang/layout/roles.cc`.\n"
      "\n"
      "- kind: *flag* is one bit; *code* is an enumeration, whose names software understands are\n"
      "  given; *length*, *address* and *number* are values after the field's scale.\n"
      "- queue: where the role means something.\n"
      "- writer: whose store puts the value into memory.\n"
      "- A form has each role once, unless conditions keep its fields apart or the role says\n"
      "  *several*.\n"
      "\n"
      "| role | meaning | kind, unit | queue | writer |\n"
      "|---|---|---|---|---|\n";
  for (const RoleInfo& info : AllRoles()) {
    std::string kind(RoleKindName(info.kind));
    if (!info.unit.empty() && info.unit != kind) text::Append(kind, ", ", info.unit);
    if (!info.vocabulary.empty()) {
      text::Append(kind, ": ", text::Join(info.vocabulary, " "));
    }
    if (info.repeatable) text::Append(kind, "; several");
    text::Append(out, "| `", info.name, "` | ", info.meaning, " | ", kind, " | ",
                 RoleDirectionsName(info.directions), " | ", RoleWriterName(info.writer), " |\n");
  }
  return out;
}

}  // namespace qsplit::layout
