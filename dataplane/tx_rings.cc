#include "dataplane/tx_rings.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

absl::Status NotDriven(const QueueShape& queue, std::string_view why) {
  return absl::UnimplementedError(absl::StrCat("layout ", queue.layout->name(), ", queue ",
                                               queue.queue->name(), ": ",
                                               absl::string_view(why.data(), why.size())));
}

// The first rule by which completions of one ring complete another.
const v1::CompletionRule* RuleFor(const RingShape& from, const RingShape& target) {
  for (const v1::CompletionRule& rule : from.ring->completes()) {
    if (rule.ring() == target.ring_index && layout::Applies(rule.features(), from.choices)) {
      return &rule;
    }
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<TxRings> TxRings::Find(const QueueShape& queue) {
  TxRings rings;
  for (const RingShape& ring : queue.rings) {
    if (ring.post_forms.empty()) continue;
    const bool table = ring.ring->kind() == v1::RING_KIND_TABLE;
    const RingShape*& place = table ? rings.descriptors : rings.posts;
    if (place != nullptr) return NotDriven(queue, "several rings to post into");
    place = &ring;
  }
  if (rings.posts == nullptr) return NotDriven(queue, "no ring to post into");
  if (rings.descriptors == nullptr) rings.descriptors = rings.posts;

  const v1::Handover& completed = rings.posts->ring->completed();
  rings.only_where_reported = completed.only_where_reported();
  if (completed.has_cell() && !rings.HasTable()) return rings;  // a position alone
  const v1::CompletionRule* rule = nullptr;
  for (const RingShape& ring : queue.rings) {
    if (ring.complete_forms.empty()) continue;
    const v1::CompletionRule* found = RuleFor(ring, *rings.descriptors);
    if (found == nullptr) continue;
    if (rule != nullptr && rings.completions != &ring) {
      return NotDriven(queue, "several rings of completions");
    }
    rings.completions = &ring;
    rule = found;
  }
  if (rule == nullptr) return NotDriven(queue, "nothing tells that packets are sent");
  rings.key = rule->key();
  switch (rule->key()) {
    case v1::COMPLETION_KEY_IN_PLACE:
      rings.how = TxReturn::kInPlace;
      break;
    case v1::COMPLETION_KEY_IN_ORDER:
      rings.how = TxReturn::kDescriptor;
      break;
    case v1::COMPLETION_KEY_ADDRESS:
      rings.how = TxReturn::kAddress;
      break;
    default:
      rings.how = rule->cumulative() ? TxReturn::kUpTo : TxReturn::kEach;
  }
  const bool in_place = rings.how == TxReturn::kInPlace;
  if (in_place && !rings.CompletesInOwnSlots()) {
    return NotDriven(queue, "completions in place of another ring");
  }
  if (rings.CompletesInOwnSlots() && !in_place && rings.how != TxReturn::kEach) {
    return NotDriven(queue, "completions of several packets in their own slots");
  }
  return rings;
}

}  // namespace qsplit::dataplane
