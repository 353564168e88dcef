// How slots change hands, and that they come back.
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_rings.h"

namespace qsplit::layout::verifier {
namespace {

using FormList = google::protobuf::RepeatedField<uint32_t>;

// Over one form each, and something said of every form.
absl::Status CheckWhen(const RingScope& scope, const std::string& path,
                       const v1::Condition& condition, const FormList& forms,
                       const FormSet& visible, std::string_view whose) {
  if (condition.any_of().empty()) return Refuse(path, "a condition without alternatives");
  QSPLIT_RETURN_IF_ERROR(CheckCondition(
      scope.context, Cat(path, ".when"), condition,
      {.forms = visible, .whose = whose, .state_of = &scope.ring, .one_form_each = true}));
  for (const uint32_t form : forms) {
    bool spoken_of = false;
    for (const v1::Conjunction& conjunction : condition.any_of()) {
      spoken_of = spoken_of || scope.context.Placed(form)[conjunction.all_of(0).field().form()];
    }
    if (!spoken_of) {
      return Refuse(Cat(path, ".when"), "says nothing of ", scope.context.form(form).name(),
                    "; each form of the ring needs an alternative over its fields");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCellIndex(const RingScope& scope, std::string_view path, uint32_t cell) {
  if (cell < static_cast<uint32_t>(scope.ring.cells_size())) return absl::OkStatus();
  return Refuse(path, "cell ", cell, " of ", scope.ring.cells_size());
}

bool TellsProduced(const v1::Ring& ring) {
  for (const v1::Doorbell& doorbell : ring.producer_doorbells()) {
    for (const v1::DoorbellTerm& term : doorbell.terms()) {
      if (term.source() == v1::DOORBELL_SOURCE_PRODUCER_INDEX ||
          term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT ||
          term.source() == v1::DOORBELL_SOURCE_INCREMENT) {
        return true;
      }
    }
  }
  return false;
}

bool TellsConsumed(const v1::Ring& ring) {
  for (const v1::Doorbell& doorbell : ring.consumer_doorbells()) {
    for (const v1::DoorbellTerm& term : doorbell.terms()) {
      if (term.source() == v1::DOORBELL_SOURCE_CONSUMER_INDEX ||
          term.source() == v1::DOORBELL_SOURCE_CONSUMER_COUNT ||
          term.source() == v1::DOORBELL_SOURCE_INCREMENT) {
        return true;
      }
    }
  }
  return false;
}

absl::Status CheckPosted(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".posted");
  const v1::Ring& ring = scope.ring;
  const bool needed = scope.driver_produces() && !scope.is_table();
  if (!needed && ring.has_posted()) {
    return Refuse(path, scope.is_table()
                            ? "a table's slots are named by descriptors of another ring"
                            : "the driver posts nothing in the ring");
  }
  if (!needed) return absl::OkStatus();
  const v1::Handover& posted = ring.posted();
  if (posted.only_where_reported()) {
    return Refuse(path, "only where reported is for what the device completes");
  }
  switch (posted.how_case()) {
    case v1::Handover::kWhen:
      return CheckWhen(scope, path, posted.when(), ring.post_forms(), scope.posts, kPostForm);
    case v1::Handover::kCell: {
      QSPLIT_RETURN_IF_ERROR(CheckCellIndex(scope, path, posted.cell()));
      const v1::IndexCell& cell = ring.cells(static_cast<int>(posted.cell()));
      if (cell.meaning() == v1::CELL_MEANING_PRODUCER_INDEX ||
          cell.meaning() == v1::CELL_MEANING_PRODUCER_COUNT) {
        return absl::OkStatus();
      }
      return Refuse(path, "cell ", cell.name(),
                    " holds neither the producer's index nor its count");
    }
    case v1::Handover::kDoorbell:
      if (!posted.doorbell()) return Refuse(path, "a doorbell that does not say how far");
      if (TellsProduced(ring)) return absl::OkStatus();
      return Refuse(path, "no producer doorbell tells the producer's index, count or increment");
    case v1::Handover::kCompletion:
      return Refuse(path, "a completion cannot tell the device what was posted");
    case v1::Handover::HOW_NOT_SET:
      break;
  }
  return Refuse(path, "none; nothing tells the device what the driver has posted");
}

// The condition must not hold for bytes that were just posted, or filled in for the device to write
// over. (Where it looks at a part of the complete form, its bits stand elsewhere in the slot; that
// is not followed.)
absl::Status CheckNotYetDone(const RingScope& scope, const std::string& path,
                             const ConjunctionFacts& known, const v1::Form& of,
                             std::string_view written) {
  FormSet direct(scope.context.form_count(), false);
  for (const uint32_t form : scope.ring.complete_forms()) direct[form] = true;
  for (const v1::Conjunction& conjunction : scope.ring.completed().when().any_of()) {
    const uint32_t over = conjunction.all_of(0).field().form();
    scope.context.budget.Spend(64 + known.known_bits.size());
    QSPLIT_RETURN_IF_ERROR(scope.context.CheckBudget(path));
    if (direct[over] && HoldsForSure(known, scope.context.form(over), conjunction)) {
      return Refuse(path, "the condition already holds for what is ", written, " ", of.name());
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPostedNotDone(const RingScope& scope, const std::string& path) {
  for (const uint32_t post : scope.ring.post_forms()) {
    const v1::Form& form = scope.context.form(post);
    scope.context.budget.Spend(IdentityCost(form));
    QSPLIT_RETURN_IF_ERROR(scope.context.CheckBudget(path));
    const ConjunctionFacts constants = IdentityOf(form).constants;
    QSPLIT_RETURN_IF_ERROR(CheckNotYetDone(scope, path, constants, form, "posted as"));
    for (const v1::Conjunction& conjunction : scope.ring.posted().when().any_of()) {
      if (conjunction.all_of(0).field().form() != post) continue;
      scope.context.budget.Spend(64 + constants.known_bits.size());
      QSPLIT_RETURN_IF_ERROR(scope.context.CheckBudget(path));
      ConjunctionFacts known = constants;
      AddFacts(FactsInPlace(form, conjunction), known);
      QSPLIT_RETURN_IF_ERROR(CheckNotYetDone(scope, path, known, form, "posted as"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFills(const RingScope& scope) {
  const v1::Ring& ring = scope.ring;
  const std::string path = Cat(scope.path, ".fills");
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "fill values", ring.fills_size(), kMaxFills));
  for (int i = 0; i < ring.fills_size(); ++i) {
    const v1::FillValue& fill = ring.fills(i);
    const std::string here = Cat(path, "[", i, "]");
    const bool by_bytes = ring.posted().has_when();
    FormSet filled = scope.completes;
    for (size_t form = 0; by_bytes && form < filled.size(); ++form) {
      filled[form] = filled[form] || scope.posts[form];
    }
    QSPLIT_RETURN_IF_ERROR(scope.context.CheckReference(
        here, fill.field(), filled,
        "a form that the device completes in the ring, or whose bytes say that it is posted"));
    const uint32_t bits = BitWidth(scope.context.field(fill.field()));
    if (fill.opposite_phase() && (bits != 1 || fill.value() != 0 || !ring.has_phase())) {
      return Refuse(here,
                    "the opposite of the phase takes a field of one bit, no value beside it, ",
                    "and a ring with a phase");
    }
    if (fill.value() > LowBits(bits)) {
      return Refuse(here, "value ", fill.value(), " does not fit the ", bits, " bits of ",
                    scope.context.Name(fill.field()));
    }
    for (int k = 0; k < i; ++k) {
      if (ring.fills(k).field().form() == fill.field().form() &&
          ring.fills(k).field().field() == fill.field().field()) {
        return Refuse(here, "field ", scope.context.Name(fill.field()), " twice");
      }
    }
  }
  if (scope.driver_produces() || !ring.completed().has_when()) return absl::OkStatus();
  for (const uint32_t form : ring.complete_forms()) {
    ConjunctionFacts known;
    for (const v1::FillValue& fill : ring.fills()) {
      if (fill.field().form() != form) continue;
      if (fill.opposite_phase()) continue;
      AddFacts(FactsOfValue(scope.context.field(fill.field()), fill.value()), known);
      scope.context.budget.Spend(64 + known.known_bits.size());
    }
    QSPLIT_RETURN_IF_ERROR(CheckNotYetDone(scope, Cat(scope.path, ".completed"), known,
                                           scope.context.form(form), "filled into"));
  }
  return absl::OkStatus();
}

absl::Status CheckCompletedCell(const RingScope& scope, const std::string& path) {
  QSPLIT_RETURN_IF_ERROR(CheckCellIndex(scope, path, scope.ring.completed().cell()));
  const v1::IndexCell& cell = scope.ring.cells(static_cast<int>(scope.ring.completed().cell()));
  const v1::CellMeaning meaning = cell.meaning();
  if (meaning == v1::CELL_MEANING_PENDING_COUNT) {
    if (TellsConsumed(scope.ring)) return absl::OkStatus();
    return Refuse(path, "cell ", cell.name(),
                  " counts what is not acknowledged, but no consumer doorbell acknowledges");
  }
  const bool fits = scope.driver_produces() ? meaning == v1::CELL_MEANING_CONSUMER_INDEX ||
                                                  meaning == v1::CELL_MEANING_CONSUMER_COUNT
                                            : meaning == v1::CELL_MEANING_PRODUCER_INDEX ||
                                                  meaning == v1::CELL_MEANING_PRODUCER_COUNT;
  if (fits) return absl::OkStatus();
  return Refuse(path, "cell ", cell.name(), " does not say how far the device is");
}

bool Names(const v1::Ring& by, uint32_t ring) {
  for (const v1::CompletionRule& rule : by.completes()) {
    if (rule.ring() == ring) return true;
  }
  return false;
}

absl::Status CheckCompletedElsewhere(const RingScope& scope, const std::string& path) {
  if (!scope.ring.completed().completion()) {
    return Refuse(path, "a completion that does not name the slot");
  }
  if (!scope.driver_produces()) return Refuse(path, "the ring has nothing to complete");
  if (!scope.ring.complete_forms().empty()) {
    return Refuse(path, "nothing says when the ring's own completions are there");
  }
  // What names descriptors of a table comes back with them.
  const bool names_table = scope.context.HasRole(scope.ring.post_forms(), Role::kTableIndex);
  for (int i = 0; i < scope.queue.rings_size(); ++i) {
    const v1::Ring& other = scope.queue.rings(i);
    if (static_cast<uint32_t>(i) != scope.index &&
        (Names(other, scope.index) ||
         (names_table && !scope.is_table() && other.kind() == v1::RING_KIND_TABLE)) &&
        !Exclude(other.features(), scope.ring.features(), scope.context.budget)) {
      return absl::OkStatus();
    }
  }
  return Refuse(path, "completions of no other ring name this one; nobody completes it");
}

absl::Status CheckHow(const RingScope& scope, const std::string& path) {
  const v1::Handover& completed = scope.ring.completed();
  if (scope.is_table() && !completed.has_completion()) {
    return Refuse(path, "a table is completed by completions in another ring");
  }
  switch (completed.how_case()) {
    case v1::Handover::kWhen:
      if (scope.ring.complete_forms().empty()) {
        return Refuse(path, "a condition, but the ring has no complete form to look at");
      }
      QSPLIT_RETURN_IF_ERROR(CheckWhen(scope, path, completed.when(), scope.ring.complete_forms(),
                                       scope.completes, kCompleteForm));
      return CheckPostedNotDone(scope, path);
    case v1::Handover::kCell:
      return CheckCompletedCell(scope, path);
    case v1::Handover::kCompletion:
      return CheckCompletedElsewhere(scope, path);
    case v1::Handover::kDoorbell:
      return Refuse(path, "a doorbell cannot tell the driver what the device has finished");
    case v1::Handover::HOW_NOT_SET:
      break;
  }
  return Refuse(path, "none; nobody completes the ring, so that its slots never come back");
}

absl::Status CheckCompleted(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".completed");
  const v1::Ring& ring = scope.ring;
  QSPLIT_RETURN_IF_ERROR(CheckHow(scope, path));
  if (scope.driver_produces() && !ring.complete_forms().empty() && !Names(ring, scope.index)) {
    return Refuse(path, "no rule lets the ring's completions complete its own slots");
  }
  if (ring.completed().only_where_reported() &&
      !scope.context.HasRole(ring.post_forms(), Role::kReportRequest)) {
    return Refuse(path,
                  "completes only where reported, but no post form has the role report.request");
  }
  return absl::OkStatus();
}

bool Compares(const v1::Condition& condition, v1::RingState state) {
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      if (comparison.has_state() && comparison.state() == state) return true;
    }
  }
  return false;
}

// By a condition, or by a field that its writer fills in.
bool UsesState(const RingScope& scope, v1::RingState state, Role role) {
  return Compares(scope.ring.posted().when(), state) ||
         Compares(scope.ring.completed().when(), state) ||
         scope.context.HasRole(scope.ring.post_forms(), role) ||
         scope.context.HasRole(scope.ring.complete_forms(), role);
}

absl::Status CheckPhase(const RingScope& scope) {
  if (!scope.ring.has_phase()) return absl::OkStatus();
  const std::string path = Cat(scope.path, ".phase");
  const v1::PhaseRule& phase = scope.ring.phase();
  if (scope.is_table()) return Refuse(path, "nobody passes over a table slot by slot");
  if (phase.initial() > 1) {
    return Refuse(path, "initial phase ", phase.initial(), " is neither 0 nor 1");
  }
  if (phase.flip() == v1::PHASE_FLIP_UNSPECIFIED || !v1::PhaseFlip_IsValid(phase.flip())) {
    return Refuse(path, "flip ", static_cast<int>(phase.flip()), " is none");
  }
  if (phase.flip() == v1::PHASE_FLIP_BY_LINK) {
    FormList link;
    if (scope.ring.wrap().has_link_form()) link.Add(scope.ring.wrap().link_form());
    if (!scope.context.HasRole(link, Role::kPhaseToggle)) {
      return Refuse(path, "flips by link, but no link form has the role phase.toggle");
    }
  }
  bool used = UsesState(scope, v1::RING_STATE_PHASE, Role::kPhase);
  for (const auto* doorbells :
       {&scope.ring.producer_doorbells(), &scope.ring.consumer_doorbells()}) {
    for (const v1::Doorbell& doorbell : *doorbells) {
      for (const v1::DoorbellTerm& term : doorbell.terms()) {
        used = used || term.source() == v1::DOORBELL_SOURCE_PHASE;
      }
    }
  }
  return used ? absl::OkStatus() : Refuse(path, "no condition, field or doorbell uses it");
}

absl::Status CheckSequence(const RingScope& scope) {
  if (!scope.ring.has_sequence()) return absl::OkStatus();
  const std::string path = Cat(scope.path, ".sequence");
  const v1::SequenceRule& sequence = scope.ring.sequence();
  if (scope.is_table()) return Refuse(path, "nobody passes over a table slot by slot");
  if (sequence.first() >= sequence.last()) {
    return Refuse(path, "first ", sequence.first(), " is not less than last ", sequence.last());
  }
  if (sequence.initial() < sequence.first() || sequence.initial() > sequence.last()) {
    return Refuse(path, "initial ", sequence.initial(), " is not in ", sequence.first(), "..",
                  sequence.last());
  }
  if (UsesState(scope, v1::RING_STATE_SEQUENCE, Role::kSequence)) return absl::OkStatus();
  return Refuse(path, "no condition and no field uses it");
}

}  // namespace

absl::Status CheckHandovers(const RingScope& scope) {
  QSPLIT_RETURN_IF_ERROR(CheckPosted(scope));
  QSPLIT_RETURN_IF_ERROR(CheckCompleted(scope));
  QSPLIT_RETURN_IF_ERROR(CheckPhase(scope));
  QSPLIT_RETURN_IF_ERROR(CheckSequence(scope));
  return CheckFills(scope);
}

}  // namespace qsplit::layout::verifier
