#include <algorithm>
#include <tuple>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/canonical_references.h"

namespace qsplit::layout::canonical {
namespace {

void RewriteWhen(const References& references, v1::Handover& handover, const Remap& cells) {
  if (handover.has_when()) references.Rewrite(*handover.mutable_when());
  if (handover.has_cell()) handover.set_cell(Mapped(cells, handover.cell()));
}

void RewriteRules(const References& references, v1::Ring& ring) {
  for (v1::CompletionRule& rule : *ring.mutable_completes()) {
    references.RewriteFieldList(*rule.mutable_fields());
    references.Rewrite(*rule.mutable_features());
    if (!rule.has_when()) continue;
    references.Rewrite(*rule.mutable_when());
    if (rule.when().any_of().empty()) rule.clear_when();
  }
}

void RewriteEntries(const References& references, v1::Ring& ring) {
  if (ring.has_compressed()) {
    v1::CompressedEntries& entries = *ring.mutable_compressed();
    if (entries.has_when()) references.Rewrite(*entries.mutable_when());
    entries.set_title_form(Mapped(references.forms, entries.title_form()));
    entries.set_mini_form(Mapped(references.forms, entries.mini_form()));
    if (entries.has_count()) references.Rewrite(*entries.mutable_count());
  }
  if (ring.has_packets()) {
    v1::SlotPackets& packets = *ring.mutable_packets();
    packets.set_form(Mapped(references.forms, packets.form()));
    if (packets.has_first()) references.Rewrite(*packets.mutable_first());
    if (packets.has_count()) references.Rewrite(*packets.mutable_count());
    if (packets.has_next()) references.Rewrite(*packets.mutable_next());
  }
  for (v1::FillValue& fill : *ring.mutable_fills()) {
    if (fill.has_field()) references.Rewrite(*fill.mutable_field());
  }
  SortBy(*ring.mutable_fills(), [](const v1::FillValue& fill) {
    return std::make_tuple(fill.field().form(), fill.field().field(), fill.value(),
                           fill.opposite_phase());
  });
}

void RewriteDoorbells(const References& references, RepeatedPtrField<v1::Doorbell>& doorbells,
                      const Remap& cells) {
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
    references.Rewrite(*doorbell.mutable_features());
  }
}

Remap RewriteCells(const References& references, v1::Ring& ring) {
  const Remap cells = SortBy(*ring.mutable_cells(), kName);
  for (v1::IndexCell& cell : *ring.mutable_cells()) {
    if (cell.mask() == 0) cell.set_mask(LowBits(8 * std::min(cell.bytes(), 8u)));
    if (cell.bytes() == 1 && cell.byte_order() == v1::BYTE_ORDER_UNSPECIFIED) {
      cell.set_byte_order(v1::BYTE_ORDER_LITTLE);
    }
    references.Rewrite(*cell.mutable_features());
  }
  return cells;
}

void RewriteRing(const References& references, v1::Ring& ring) {
  const Remap cells = RewriteCells(references, ring);
  if (ring.kind() == v1::RING_KIND_UNSPECIFIED) ring.set_kind(v1::RING_KIND_ORDERED);
  if (ring.position() == v1::PACKET_POSITION_UNSPECIFIED) {
    ring.set_position(v1::PACKET_POSITION_EACH);
  }
  if (ring.has_slots() && ring.slots().step() == 0) ring.mutable_slots()->set_step(1);
  if (ring.alignment_bytes() == 0) ring.set_alignment_bytes(1);
  references.RewriteFormList(*ring.mutable_post_forms());
  references.RewriteFormList(*ring.mutable_complete_forms());
  if (ring.has_posted()) RewriteWhen(references, *ring.mutable_posted(), cells);
  if (ring.has_completed()) RewriteWhen(references, *ring.mutable_completed(), cells);
  RewriteRules(references, ring);
  RewriteEntries(references, ring);
  if (ring.has_phase() && ring.phase().flip() == v1::PHASE_FLIP_UNSPECIFIED) {
    ring.mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  }
  RewriteDoorbells(references, *ring.mutable_producer_doorbells(), cells);
  RewriteDoorbells(references, *ring.mutable_consumer_doorbells(), cells);
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
  for (v1::Ring& ring : *queue.mutable_rings()) RewriteRing(references, ring);
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
  references.RewriteFieldList(*packet.mutable_fields());
  if (packet.has_prefix_form()) {
    packet.set_prefix_form(Mapped(references.forms, packet.prefix_form()));
  }

  v1::Limits& limits = *queue.mutable_limits();
  if (!limits.has_buffer()) {
    limits.mutable_buffer()->set_min_bytes(1);
    limits.mutable_buffer()->set_max_bytes(UINT32_MAX);
  }
  if (limits.buffer().step_bytes() == 0) limits.mutable_buffer()->set_step_bytes(1);
  if (limits.buffer_alignment_bytes() == 0) limits.set_buffer_alignment_bytes(1);

  for (v1::ContextRule& rule : *queue.mutable_contexts()) {
    rule.set_form(Mapped(references.forms, rule.form()));
    if (rule.has_done_form()) rule.set_done_form(Mapped(references.forms, rule.done_form()));
  }
  SortBy(*queue.mutable_contexts(), [](const v1::ContextRule& rule) { return rule.form(); });
}

}  // namespace qsplit::layout::canonical
