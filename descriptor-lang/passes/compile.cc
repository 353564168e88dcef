#include "descriptor-lang/passes/compile.h"

#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/syntax/parser.h"

namespace qsplit::qdl {

std::optional<layout::VerifiedLayout> Compile(const SourceFile& source, Diagnostics& diagnostics) {
  const ast::File file = Parse(source, diagnostics);
  Unit unit(source, file, diagnostics);
  unit.incomplete = diagnostics.error_count() > 0;
  DeclareNames(unit);
  PlaceFields(unit);
  ResolveValues(unit);
  PlaceParts(unit);
  ResolveConditions(unit);
  CheckOverlaps(unit);
  CheckRoles(unit);
  LowerQueues(unit);
  CheckContexts(unit);
  CheckRings(unit);
  CheckFreshSlots(unit);
  return Lower(unit);
}

}  // namespace qsplit::qdl
