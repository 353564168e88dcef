// Ownership: how slots come back, and that they do.
#include <algorithm>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_context.h"

namespace qsplit::layout::verifier {
namespace {

constexpr std::string_view kPostForm = "a form that the ring's producer posts";
constexpr std::string_view kCompleteForm = "a form that the device completes in the ring";

// What the parts below look at.
struct RingScope {
  Context& context;
  const std::string& path;  // of the ring
  const v1::Queue& queue;
  const v1::Ring& ring;
  uint32_t index;
  FormSet posts;
  FormSet completes;
};

absl::Status CheckFits(const RingScope& scope, std::string_view path, std::string_view what,
                       uint64_t value, const v1::FieldReference& field) {
  const uint32_t bits = BitWidth(scope.context.field(field));
  if (value <= LowBits(bits)) return absl::OkStatus();
  return Refuse(path, what, " ", value, " does not fit the ", bits, " bits of ",
                scope.context.Name(field));
}

absl::Status CheckBit(std::string_view path, std::string_view what, uint32_t value) {
  if (value <= 1) return absl::OkStatus();
  return Refuse(path, what, " ", value, " is neither 0 nor 1");
}

// The condition must not hold for bytes that were just posted. (Where it looks at a part of the
// complete form, its bits stand elsewhere in the slot; that is not followed.)
absl::Status CheckNotYetDone(const RingScope& scope, const std::string& path) {
  const v1::Condition& when = scope.ring.ownership().in_place().when();
  const uint32_t over = when.any_of(0).all_of(0).field().form();
  const auto& completes = scope.ring.complete_forms();
  if (std::find(completes.begin(), completes.end(), over) == completes.end()) {
    return absl::OkStatus();
  }
  for (const uint32_t post : scope.ring.post_forms()) {
    const v1::Form& posted = scope.context.form(post);
    scope.context.budget.Spend(IdentityCost(posted));
    QSPLIT_RETURN_IF_ERROR(scope.context.CheckBudget(path));
    if (HoldsForSure(IdentityOf(posted).constants, scope.context.form(over), when)) {
      return Refuse(path, "the condition already holds for what is posted as ", posted.name());
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInPlace(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.in_place");
  const v1::InPlace& in_place = scope.ring.ownership().in_place();
  if (scope.ring.post_forms().empty()) return Refuse(path, "the ring has no post form");
  if (in_place.when().any_of().empty()) {
    return Refuse(path, "no condition says when the device has finished");
  }
  QSPLIT_RETURN_IF_ERROR(CheckCondition(
      scope.context, Cat(path, ".when"), in_place.when(),
      {.forms = scope.completes, .whose = kCompleteForm, .ring_state = true, .one_form = true}));
  QSPLIT_RETURN_IF_ERROR(CheckNotYetDone(scope, path));
  if (!in_place.only_where_reported()) return absl::OkStatus();
  for (const uint32_t post : scope.ring.post_forms()) {
    for (const v1::Field& field : scope.context.form(post).fields()) {
      if (field.role() == "report.request") return absl::OkStatus();
    }
  }
  return Refuse(path,
                "completes only where reported, but no post form has the role report.request");
}

absl::Status CheckOwnBit(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.own_bit");
  const v1::OwnBit& own = scope.ring.ownership().own_bit();
  QSPLIT_RETURN_IF_ERROR(scope.context.CheckReference(path, own.field(), scope.posts, kPostForm));
  QSPLIT_RETURN_IF_ERROR(CheckFits(scope, path, "device value", own.device_value(), own.field()));
  const std::vector<BitPosition> bits = BitPositions(scope.context.field(own.field()));
  for (const uint32_t complete : scope.ring.complete_forms()) {
    for (const v1::Field& field : scope.context.form(complete).fields()) {
      if (field.parts_size() > 0 && BitPositions(field) == bits) return absl::OkStatus();
    }
  }
  return Refuse(path, "no form that the device completes has a field over the bits of ",
                scope.context.Name(own.field()));
}

absl::Status CheckPhase(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.phase");
  const v1::PhaseBit& phase = scope.ring.ownership().phase();
  QSPLIT_RETURN_IF_ERROR(
      scope.context.CheckFlagReference(path, phase.field(), scope.completes, kCompleteForm));
  QSPLIT_RETURN_IF_ERROR(CheckBit(path, "initial phase", phase.initial()));
  return CheckCondition(scope.context, Cat(path, ".when"), phase.when(),
                        {.forms = scope.completes,
                         .whose = kCompleteForm,
                         .ring_state = true,
                         .one_form_each = true});
}

absl::Status CheckWrapBits(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.wrap_bits");
  const v1::WrapBits& wrap = scope.ring.ownership().wrap_bits();
  QSPLIT_RETURN_IF_ERROR(scope.context.CheckFlagReference(Cat(path, ".available"), wrap.available(),
                                                          scope.posts, kPostForm));
  QSPLIT_RETURN_IF_ERROR(scope.context.CheckFlagReference(Cat(path, ".used"), wrap.used(),
                                                          scope.completes, kCompleteForm));
  return CheckBit(path, "initial wrap counter", wrap.initial());
}

absl::Status CheckSequence(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.sequence");
  const v1::Sequence& sequence = scope.ring.ownership().sequence();
  QSPLIT_RETURN_IF_ERROR(
      scope.context.CheckReference(path, sequence.field(), scope.completes, kCompleteForm));
  QSPLIT_RETURN_IF_ERROR(CheckFits(scope, path, "last", sequence.last(), sequence.field()));
  if (sequence.first() >= sequence.last()) {
    return Refuse(path, "first ", sequence.first(), " is not less than last ", sequence.last());
  }
  if (sequence.initial() < sequence.first() || sequence.initial() > sequence.last()) {
    return Refuse(path, "initial ", sequence.initial(), " is not in ", sequence.first(), "..",
                  sequence.last());
  }
  return absl::OkStatus();
}

absl::Status CheckIndexCell(const RingScope& scope, std::string_view path, uint32_t cell) {
  if (cell >= static_cast<uint32_t>(scope.ring.cells_size())) {
    return Refuse(path, "cell ", cell, " of ", scope.ring.cells_size());
  }
  const v1::IndexCell& known = scope.ring.cells(static_cast<int>(cell));
  if (known.meaning() != v1::CELL_MEANING_WRAPPING_INDEX &&
      known.meaning() != v1::CELL_MEANING_FREE_RUNNING_COUNT) {
    return Refuse(path, "cell ", known.name(), " holds neither an index nor a count");
  }
  return absl::OkStatus();
}

absl::Status CheckSharedIndices(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.shared_indices");
  const v1::SharedIndices& indices = scope.ring.ownership().shared_indices();
  QSPLIT_RETURN_IF_ERROR(
      CheckIndexCell(scope, Cat(path, ".producer_cell"), indices.producer_cell()));
  QSPLIT_RETURN_IF_ERROR(
      CheckIndexCell(scope, Cat(path, ".consumer_cell"), indices.consumer_cell()));
  if (indices.producer_cell() == indices.consumer_cell()) {
    return Refuse(path, "producer and consumer share the cell ",
                  scope.ring.cells(static_cast<int>(indices.producer_cell())).name());
  }
  return absl::OkStatus();
}

absl::Status CheckFill(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.fill");
  const v1::FillValue& fill = scope.ring.ownership().fill();
  QSPLIT_RETURN_IF_ERROR(
      scope.context.CheckReference(path, fill.field(), scope.completes, kCompleteForm));
  return CheckFits(scope, path, "value", fill.value(), fill.field());
}

absl::Status CheckGivenBack(const RingScope& scope) {
  const std::string path = Cat(scope.path, ".ownership.given_back");
  const uint32_t by = scope.ring.ownership().given_back().by_ring();
  if (by >= static_cast<uint32_t>(scope.queue.rings_size())) {
    return Refuse(path, "ring ", by, " of ", scope.queue.rings_size());
  }
  if (by == scope.index) return Refuse(path, "a ring cannot give its own slots back");
  const v1::Ring& other = scope.queue.rings(static_cast<int>(by));
  if (other.completes().key() == v1::COMPLETION_KEY_NONE) {
    return Refuse(path, "ring ", other.name(), " completes nothing, so nobody completes this one");
  }
  if (other.ownership().protocol_case() == v1::Ownership::kGivenBack) {
    return Refuse(path, "ring ", other.name(),
                  " is itself given back, so nobody completes this one");
  }
  return absl::OkStatus();
}

absl::Status CheckCompressed(const RingScope& scope, const std::string& path) {
  const v1::CompressedEntries& entries = scope.ring.completes().compressed();
  const Context& context = scope.context;
  if (entries.title_form() >= context.form_count() || entries.mini_form() >= context.form_count()) {
    return Refuse(path, "title form ", entries.title_form(), " and mini form ", entries.mini_form(),
                  " of ", context.form_count());
  }
  const v1::Form& title = context.form(entries.title_form());
  const v1::Form& mini = context.form(entries.mini_form());
  if (!scope.completes[entries.title_form()]) {
    return Refuse(path, "title form ", title.name(), " is not of ", kCompleteForm);
  }
  if (entries.per_slot() < 1 || entries.per_slot() > kMaxCompressedEntries) {
    return Refuse(path, entries.per_slot(), " entries in a slot are not in 1..",
                  kMaxCompressedEntries);
  }
  if (uint64_t{entries.per_slot()} * mini.size_bytes() > scope.ring.slot_bytes()) {
    return Refuse(path, entries.per_slot(), " entries of ", mini.size_bytes(),
                  " bytes exceed the slot of ", scope.ring.slot_bytes());
  }
  FormSet only_title(context.form_count(), false);
  only_title[entries.title_form()] = true;
  if (!entries.has_count()) return Refuse(path, "no field says how many entries follow");
  return context.CheckReference(Cat(path, ".count"), entries.count(), only_title, "the title form");
}

RingScope ScopeOf(Context& context, const std::string& path, const v1::Queue& queue,
                  uint32_t ring_index) {
  const v1::Ring& ring = queue.rings(static_cast<int>(ring_index));
  return {context,
          path,
          queue,
          ring,
          ring_index,
          context.WithContained(ring.post_forms()),
          context.WithContained(ring.complete_forms())};
}

}  // namespace

absl::Status CheckOwnership(Context& context, const std::string& path, const v1::Queue& queue,
                            uint32_t ring_index) {
  const RingScope scope = ScopeOf(context, path, queue, ring_index);
  switch (scope.ring.ownership().protocol_case()) {
    case v1::Ownership::kInPlace:
      return CheckInPlace(scope);
    case v1::Ownership::kOwnBit:
      return CheckOwnBit(scope);
    case v1::Ownership::kPhase:
      return CheckPhase(scope);
    case v1::Ownership::kWrapBits:
      return CheckWrapBits(scope);
    case v1::Ownership::kSequence:
      return CheckSequence(scope);
    case v1::Ownership::kHead:
      return CheckIndexCell(scope, Cat(path, ".ownership.head"),
                            scope.ring.ownership().head().cell());
    case v1::Ownership::kSharedIndices:
      return CheckSharedIndices(scope);
    case v1::Ownership::kFill:
      return CheckFill(scope);
    case v1::Ownership::kGivenBack:
      return CheckGivenBack(scope);
    case v1::Ownership::PROTOCOL_NOT_SET:
      break;
  }
  return Refuse(Cat(path, ".ownership"),
                "none; nobody completes the ring, so that its slots never come back");
}

absl::Status CheckCompletion(Context& context, const std::string& ring_path, const v1::Queue& queue,
                             uint32_t ring_index) {
  const RingScope scope = ScopeOf(context, ring_path, queue, ring_index);
  const std::string path = Cat(ring_path, ".completes");
  const v1::CompletionRule& rule = scope.ring.completes();
  if (rule.key() == v1::COMPLETION_KEY_UNSPECIFIED || !v1::CompletionKey_IsValid(rule.key())) {
    return Refuse(path, "key ", static_cast<int>(rule.key()), " is none");
  }
  if (rule.ring() >= static_cast<uint32_t>(queue.rings_size())) {
    return Refuse(path, "ring ", rule.ring(), " of ", queue.rings_size());
  }
  const auto protocol = scope.ring.ownership().protocol_case();
  const bool in_place = protocol == v1::Ownership::kInPlace || protocol == v1::Ownership::kOwnBit;
  if (in_place != (rule.key() == v1::COMPLETION_KEY_IN_PLACE)) {
    return Refuse(path, "key ", v1::CompletionKey_Name(rule.key()), " does not go with the ",
                  in_place ? "ownership in place" : "ring's ownership");
  }
  const bool own =
      rule.key() == v1::COMPLETION_KEY_IN_PLACE || rule.key() == v1::COMPLETION_KEY_NONE;
  if (own && rule.ring() != ring_index) {
    return Refuse(path, "key ", v1::CompletionKey_Name(rule.key()), " with another ring, ",
                  rule.ring());
  }
  const bool keyed = rule.key() == v1::COMPLETION_KEY_INDEX ||
                     rule.key() == v1::COMPLETION_KEY_TAG ||
                     rule.key() == v1::COMPLETION_KEY_ADDRESS;
  if (keyed != rule.has_field()) {
    return Refuse(path, "key ", v1::CompletionKey_Name(rule.key()),
                  keyed ? " needs a field that holds it" : " has no field");
  }
  if (keyed) {
    QSPLIT_RETURN_IF_ERROR(
        context.CheckReference(Cat(path, ".field"), rule.field(), scope.completes, kCompleteForm));
  }
  if (rule.key_bits() != 0) {
    if (rule.key() != v1::COMPLETION_KEY_INDEX) {
      return Refuse(path, "key bits ", rule.key_bits(), " without an index as the key");
    }
    const uint32_t bits = BitWidth(context.field(rule.field()));
    if (rule.key_bits() > bits) {
      return Refuse(path, "key bits ", rule.key_bits(), " exceed the ", bits, " bits of ",
                    context.Name(rule.field()));
    }
  }
  if (rule.has_compressed()) return CheckCompressed(scope, Cat(path, ".compressed"));
  return absl::OkStatus();
}

}  // namespace qsplit::layout::verifier
