#include <algorithm>
#include <tuple>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/canonical_references.h"

namespace qsplit::layout::canonical {
namespace {

void RewriteOwnership(const References& references, v1::Ownership& ownership, const Remap& cells) {
  switch (ownership.protocol_case()) {
    case v1::Ownership::kInPlace:
      references.Rewrite(*ownership.mutable_in_place()->mutable_when());
      break;
    case v1::Ownership::kOwnBit:
      references.Rewrite(*ownership.mutable_own_bit()->mutable_field());
      break;
    case v1::Ownership::kPhase: {
      v1::PhaseBit& phase = *ownership.mutable_phase();
      references.Rewrite(*phase.mutable_field());
      references.Rewrite(*phase.mutable_when());
      if (phase.when().any_of().empty()) phase.clear_when();
      break;
    }
    case v1::Ownership::kWrapBits:
      references.Rewrite(*ownership.mutable_wrap_bits()->mutable_available());
      references.Rewrite(*ownership.mutable_wrap_bits()->mutable_used());
      break;
    case v1::Ownership::kSequence:
      references.Rewrite(*ownership.mutable_sequence()->mutable_field());
      break;
    case v1::Ownership::kHead:
      ownership.mutable_head()->set_cell(Mapped(cells, ownership.head().cell()));
      break;
    case v1::Ownership::kSharedIndices: {
      v1::SharedIndices& indices = *ownership.mutable_shared_indices();
      indices.set_producer_cell(Mapped(cells, indices.producer_cell()));
      indices.set_consumer_cell(Mapped(cells, indices.consumer_cell()));
      break;
    }
    case v1::Ownership::kFill:
      references.Rewrite(*ownership.mutable_fill()->mutable_field());
      break;
    case v1::Ownership::kGivenBack:
    case v1::Ownership::PROTOCOL_NOT_SET:
      break;
  }
}

void RewriteCompletion(const References& references, v1::Ring& ring, uint32_t index) {
  if (ring.completes().key() == v1::COMPLETION_KEY_UNSPECIFIED) {
    const auto protocol = ring.ownership().protocol_case();
    if (protocol == v1::Ownership::kInPlace || protocol == v1::Ownership::kOwnBit) {
      ring.mutable_completes()->set_key(v1::COMPLETION_KEY_IN_PLACE);
    } else if (protocol == v1::Ownership::kGivenBack) {
      ring.mutable_completes()->set_key(v1::COMPLETION_KEY_NONE);
    }
  }
  if (!ring.has_completes()) return;
  v1::CompletionRule& rule = *ring.mutable_completes();
  if (rule.key() == v1::COMPLETION_KEY_IN_PLACE || rule.key() == v1::COMPLETION_KEY_NONE) {
    rule.set_ring(index);
  }
  if (rule.has_field()) references.Rewrite(*rule.mutable_field());
  if (rule.has_compressed()) {
    v1::CompressedEntries& entries = *rule.mutable_compressed();
    entries.set_title_form(Mapped(references.forms, entries.title_form()));
    entries.set_mini_form(Mapped(references.forms, entries.mini_form()));
    if (entries.has_count()) references.Rewrite(*entries.mutable_count());
  }
}

void RewriteDoorbells(RepeatedPtrField<v1::Doorbell>& doorbells, const Remap& cells) {
  for (v1::Doorbell& doorbell : doorbells) {
    const v1::DoorbellTarget target = doorbell.target();
    const bool store =
        target == v1::DOORBELL_TARGET_REGISTER || target == v1::DOORBELL_TARGET_MEMORY;
    if (doorbell.byte_order() == v1::BYTE_ORDER_UNSPECIFIED && (!store || doorbell.bytes() == 1)) {
      doorbell.set_byte_order(v1::BYTE_ORDER_LITTLE);
    }
    if (doorbell.barrier() == v1::BARRIER_UNSPECIFIED) {
      if (target == v1::DOORBELL_TARGET_MEMORY) {
        doorbell.set_barrier(v1::BARRIER_MEMORY_BEFORE_MEMORY);
      } else if (target == v1::DOORBELL_TARGET_WAKEUP) {
        doorbell.set_barrier(v1::BARRIER_NONE);
      } else {
        doorbell.set_barrier(v1::BARRIER_MEMORY_BEFORE_DEVICE);
      }
    }
    for (v1::DoorbellTerm& term : *doorbell.mutable_terms()) {
      const uint32_t bits = 8 * std::min(doorbell.bytes(), 8u);
      if (term.mask() == 0 && term.shift() < bits) term.set_mask(LowBits(bits - term.shift()));
    }
    SortBy(*doorbell.mutable_terms(), [](const v1::DoorbellTerm& term) {
      return std::make_tuple(term.shift(), static_cast<int>(term.source()), term.mask(),
                             term.constant());
    });
    if (doorbell.has_suppressed_by_cell()) {
      doorbell.set_suppressed_by_cell(Mapped(cells, doorbell.suppressed_by_cell()));
    }
  }
}

void RewriteRing(const References& references, v1::Ring& ring, uint32_t index) {
  const Remap cells = SortBy(*ring.mutable_cells(), kName);
  for (v1::IndexCell& cell : *ring.mutable_cells()) {
    if (cell.mask() == 0) cell.set_mask(LowBits(8 * std::min(cell.bytes(), 8u)));
    if (cell.bytes() == 1 && cell.byte_order() == v1::BYTE_ORDER_UNSPECIFIED) {
      cell.set_byte_order(v1::BYTE_ORDER_LITTLE);
    }
  }
  if (ring.has_slots() && ring.slots().step() == 0) ring.mutable_slots()->set_step(1);
  if (ring.alignment_bytes() == 0) ring.set_alignment_bytes(1);
  references.RewriteFormList(*ring.mutable_post_forms());
  references.RewriteFormList(*ring.mutable_complete_forms());
  if (ring.has_ownership()) RewriteOwnership(references, *ring.mutable_ownership(), cells);
  RewriteCompletion(references, ring, index);
  RewriteDoorbells(*ring.mutable_producer_doorbells(), cells);
  RewriteDoorbells(*ring.mutable_consumer_doorbells(), cells);
  if (ring.has_wrap()) {
    v1::WrapRule& wrap = *ring.mutable_wrap();
    if (wrap.has_last_slot_field()) references.Rewrite(*wrap.mutable_last_slot_field());
    if (wrap.has_link_form()) wrap.set_link_form(Mapped(references.forms, wrap.link_form()));
    if (!wrap.has_last_slot_field() && !wrap.has_link_form()) ring.clear_wrap();
  }
  references.Rewrite(*ring.mutable_features());
}

}  // namespace

void RewriteQueue(const References& references, v1::Queue& queue) {
  for (int i = 0; i < queue.rings_size(); ++i) {
    RewriteRing(references, *queue.mutable_rings(i), static_cast<uint32_t>(i));
  }
  v1::PacketRule& packet = *queue.mutable_packet();
  if (packet.span() == v1::SPAN_UNSPECIFIED) packet.set_span(v1::SPAN_SINGLE);
  if (packet.length() == v1::LENGTH_MEANING_UNSPECIFIED) {
    packet.set_length(v1::LENGTH_MEANING_BUFFER);
  }
  if (packet.buffers_per_descriptor() == 0) packet.set_buffers_per_descriptor(1);
  if (packet.has_last_when()) {
    references.Rewrite(*packet.mutable_last_when());
    if (packet.last_when().any_of().empty()) packet.clear_last_when();
  }
  if (packet.has_field()) references.Rewrite(*packet.mutable_field());

  v1::Limits& limits = *queue.mutable_limits();
  if (!limits.has_buffer()) {
    limits.mutable_buffer()->set_min_bytes(1);
    limits.mutable_buffer()->set_max_bytes(UINT32_MAX);
  }
  if (limits.buffer().step_bytes() == 0) limits.mutable_buffer()->set_step_bytes(1);
  if (limits.buffer_alignment_bytes() == 0) limits.set_buffer_alignment_bytes(1);

  for (v1::ContextRule& rule : *queue.mutable_contexts()) {
    rule.set_form(Mapped(references.forms, rule.form()));
  }
  SortBy(*queue.mutable_contexts(), [](const v1::ContextRule& rule) { return rule.form(); });
}

}  // namespace qsplit::layout::canonical
