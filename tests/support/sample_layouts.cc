#include "tests/support/sample_layouts.h"

#include <cstdio>
#include <cstdlib>

#include "descriptor-lang/layout/canonical.h"
#include "tests/support/layout_builder.h"
#include "tests/support/protocol_layouts.h"

namespace qsplit::layout::testing {
namespace {

// A queue with one ring that completes in place.
v1::Queue& AddQueue(LayoutBuilder& b, std::string_view name, v1::Direction direction,
                    const std::vector<std::string_view>& posts, std::string_view done_form) {
  v1::Queue& queue = *b.layout().add_queues();
  queue.set_name(std::string(name));
  queue.set_direction(direction);
  v1::Ring& ring = *queue.add_rings();
  ring.set_name("descriptors");
  for (const std::string_view post : posts) ring.add_post_forms(b.FormIndex(post));
  ring.add_complete_forms(b.FormIndex(done_form));
  ring.mutable_posted()->set_doorbell(true);
  *ring.mutable_completed()->mutable_when() = b.When(done_form, "done", v1::OPERATOR_EQUAL, 1);
  ring.add_completes()->set_key(v1::COMPLETION_KEY_IN_PLACE);
  return queue;
}

void SetSlots(v1::Ring& ring, uint32_t slot_bytes, uint32_t min, uint32_t max, uint32_t step,
              bool power_of_two) {
  ring.set_slot_bytes(slot_bytes);
  ring.mutable_slots()->set_min(min);
  ring.mutable_slots()->set_max(max);
  ring.mutable_slots()->set_step(step);
  ring.mutable_slots()->set_power_of_two(power_of_two);
}

void AddDoorbell(v1::Ring& ring, v1::ByteOrder order, v1::DoorbellSource source, uint64_t mask) {
  v1::Doorbell& doorbell = *ring.add_producer_doorbells();
  doorbell.set_target(v1::DOORBELL_TARGET_REGISTER);
  doorbell.set_bytes(4);
  doorbell.set_byte_order(order);
  v1::DoorbellTerm& term = *doorbell.add_terms();
  term.set_source(source);
  term.set_mask(mask);
}

void SetBuffers(v1::Queue& queue, uint32_t min, uint32_t max, uint32_t step, uint32_t alignment) {
  v1::BufferRange& buffer = *queue.mutable_limits()->mutable_buffer();
  buffer.set_min_bytes(min);
  buffer.set_max_bytes(max);
  buffer.set_step_bytes(step);
  queue.mutable_limits()->set_buffer_alignment_bytes(alignment);
}

void SimpleReceive(LayoutBuilder& b) {
  b.Form("RxPost", 16);
  b.Field("buffer_address", "buffer.address", {0, 8});
  b.Field("buffer_length", "buffer.length", {8, 2});
  b.Constant("reserved_10", {10, 2}, 0);
  b.Constant("reserved_12", {12, 4}, 0);  // the done bit is in here

  b.Form("RxDone", 16);
  b.Coded("hash_type", "hash.type", {6, 2, 0, 4}, "HashType");
  b.Field("vlan_stripped", "vlan.stripped", {12, 4, 2, 1});
  *b.Field("hash", "hash.value", {0, 4}).mutable_valid_when() =
      b.WhenOwn("hash_type", v1::OPERATOR_NOT_EQUAL, 0);
  *b.Field("vlan_tci", "vlan.tci", {4, 2}).mutable_valid_when() =
      b.WhenOwn("vlan_stripped", v1::OPERATOR_EQUAL, 1);
  b.Field("is_ip4", "packet.is_ip4", {6, 2, 4, 1});
  b.Field("is_ip6", "packet.is_ip6", {6, 2, 5, 1});
  b.Field("is_tcp", "packet.is_tcp", {6, 2, 6, 1});
  b.Field("is_udp", "packet.is_udp", {6, 2, 7, 1});
  b.Field("length", "packet.length", {8, 2});
  b.Field("flow_mark", "flow.mark", {10, 2});
  b.Field("done", "completed", {12, 4, 0, 1});
  b.Field("last", "packet.last", {12, 4, 1, 1});
  b.Field("l3_checked", "checksum.l3.checked", {12, 4, 3, 1});
  b.Field("l4_checked", "checksum.l4.checked", {12, 4, 5, 1});
  *b.Field("l3_bad", "checksum.l3.bad", {12, 4, 4, 1}).mutable_valid_when() =
      b.WhenOwn("l3_checked", v1::OPERATOR_EQUAL, 1);
  *b.Field("l4_bad", "checksum.l4.bad", {12, 4, 6, 1}).mutable_valid_when() =
      b.WhenOwn("l4_checked", v1::OPERATOR_EQUAL, 1);
  b.Field("error", "error", {12, 4, 7, 1});
  // Metadata of a packet stands in its last descriptor.
  for (v1::Field& field : *b.layout().mutable_forms(1)->mutable_fields()) {
    if (field.name() != "done" && field.name() != "last" && field.name() != "length") {
      field.set_position(v1::PACKET_POSITION_LAST);
    }
  }

  v1::Queue& queue = AddQueue(b, "receive", v1::DIRECTION_RECEIVE, {"RxPost"}, "RxDone");
  v1::Ring& ring = *queue.mutable_rings(0);
  SetSlots(ring, 16, 8, 4096, 8, false);
  ring.set_alignment_bytes(128);
  ring.set_reserved_slots(1);
  AddDoorbell(ring, v1::BYTE_ORDER_LITTLE, v1::DOORBELL_SOURCE_PRODUCER_INDEX, 0xffffffff);
  queue.mutable_packet()->set_span(v1::SPAN_ADJACENT_UNTIL_LAST);
  *queue.mutable_packet()->mutable_last_when() = b.When("RxDone", "last", v1::OPERATOR_EQUAL, 1);
  SetBuffers(queue, 64, 65535, 1, 1);
}

void SimpleTransmit(LayoutBuilder& b) {
  b.Form("TxData", 16);
  b.Field("context_present", "context.present", {10, 2, 4, 1});
  b.Field("buffer_address", "buffer.address", {0, 8});
  b.Field("length", "buffer.length", {8, 2});
  *b.Field("context_index", "context.index", {10, 2, 0, 3}).mutable_valid_when() =
      b.WhenOwn("context_present", v1::OPERATOR_EQUAL, 1);
  b.Constant("reserved_3", {10, 2, 3, 1}, 0);
  b.Constant("reserved_5", {10, 2, 5, 11}, 0);
  b.Constant("reserved_done", {12, 4, 0, 1}, 0);
  b.Field("last", "packet.last", {12, 4, 1, 1});
  b.Field("report", "report.request", {12, 4, 2, 1});
  b.Field("crc_insert", "crc.insert", {12, 4, 3, 1});
  b.Field("vlan_insert", "vlan.insert", {12, 4, 4, 1});
  b.Field("l3_request", "checksum.l3.request", {12, 4, 5, 1});
  b.Field("l4_request", "checksum.l4.request", {12, 4, 6, 1});
  b.Field("segment_request", "segment.request", {12, 4, 7, 1});
  b.Field("total_length", "packet.total_length", {12, 4, 8, 18})
      .set_position(v1::PACKET_POSITION_FIRST);
  b.Constant("reserved_26", {12, 4, 26, 4}, 0);
  b.Constant("kind", {12, 4, 30, 2}, 1);

  b.Form("TxContext", 16);
  b.Field("l2_bytes", "header.l2.bytes", {0, 2, 0, 7});
  b.Field("l3_bytes", "header.l3.bytes", {0, 2, 7, 9});
  b.Field("vlan_tci", "vlan.tci", {2, 2});
  b.Field("segment_size", "segment.size", {4, 2});
  b.Field("l4_bytes", "header.l4.bytes", {6, 1});
  b.Coded("l4", "packet.l4", {7, 1, 0, 2}, "L4");
  b.Field("is_ip4", "packet.is_ip4", {7, 1, 2, 1});
  b.Constant("reserved_7", {7, 1, 3, 5}, 0);
  b.Field("context_index", "context.index", {8, 1, 0, 3});
  b.Constant("reserved_8", {8, 1, 3, 5}, 0);
  b.Zeros("reserved_9", 9, 3);
  b.Constant("reserved_12", {12, 4, 0, 30}, 0);
  b.Constant("kind", {12, 4, 30, 2}, 2);

  b.Form("TxDone", 16);
  b.Field("done", "completed", {12, 4, 0, 1});

  v1::Queue& queue =
      AddQueue(b, "transmit", v1::DIRECTION_TRANSMIT, {"TxData", "TxContext"}, "TxDone");
  v1::Ring& ring = *queue.mutable_rings(0);
  SetSlots(ring, 16, 8, 4096, 8, false);
  ring.set_alignment_bytes(128);
  ring.set_reserved_slots(1);
  ring.mutable_completed()->set_only_where_reported(true);
  AddDoorbell(ring, v1::BYTE_ORDER_LITTLE, v1::DOORBELL_SOURCE_PRODUCER_INDEX, 0xffffffff);
  queue.mutable_packet()->set_span(v1::SPAN_ADJACENT_UNTIL_LAST);
  *queue.mutable_packet()->mutable_last_when() = b.When("TxData", "last", v1::OPERATOR_EQUAL, 1);
  SetBuffers(queue, 1, 65535, 1, 1);
  queue.mutable_limits()->set_max_descriptors_per_packet(40);
  queue.mutable_limits()->set_max_bytes_per_packet(262143);
  queue.mutable_limits()->set_min_bytes_per_packet(17);
  v1::ContextRule& context = *queue.add_contexts();
  context.set_form(b.FormIndex("TxContext"));
  context.set_lifetime(v1::CONTEXT_LIFETIME_INDEXED);
  context.set_contexts(8);
}

void BigReceive(LayoutBuilder& b) {
  b.Form("RxPost", 32);
  b.Zeros("reserved_0", 0, 8);  // the status word is in here
  b.Field("buffer_address", "buffer.address", {8, 8});
  b.Field("buffer_length", "buffer.length", {16, 2}).mutable_scale()->set_multiplier(16);
  b.Zeros("reserved_18", 18, 14);

  b.Form("RxDone", 32);
  b.Field("done", "completed", {0, 4, 31, 1});
  b.Field("first", "packet.first", {0, 4, 30, 1});
  b.Field("last", "packet.last", {0, 4, 29, 1});
  b.Field("l3_ok", "checksum.l3.ok", {0, 4, 28, 1});
  b.Field("l4_ok", "checksum.l4.ok", {0, 4, 27, 1});
  b.Field("vlan_stripped", "vlan.stripped", {0, 4, 26, 1});
  b.Field("error", "error", {0, 4, 25, 1});
  b.Field("timestamp_valid", "timestamp.valid", {0, 4, 24, 1});
  b.Field("l3_unchecked", "checksum.l3.checked", {0, 4, 23, 1}).set_inverted(true);
  b.Field("l4_unchecked", "checksum.l4.checked", {0, 4, 22, 1}).set_inverted(true);
  b.Coded("hash_type", "hash.type", {0, 4, 0, 3}, "HashType");
  b.Split("length", "packet.length", {{4, 2, 0, 6}, {24, 1, 0, 8}});
  b.Field("buffer_address", "buffer.address", {8, 8});  // kept
  *b.Field("hash", "hash.value", {16, 4}).mutable_valid_when() =
      b.WhenOwn("hash_type", v1::OPERATOR_NOT_EQUAL, 0);
  *b.Field("vlan_tci", "vlan.tci", {20, 2}).mutable_valid_when() =
      b.WhenOwn("vlan_stripped", v1::OPERATOR_EQUAL, 1);
  *b.Split("timestamp", "timestamp", {{26, 2}, {28, 4}}).mutable_valid_when() =
      b.WhenOwn("timestamp_valid", v1::OPERATOR_EQUAL, 1);

  v1::Queue& queue = AddQueue(b, "rx", v1::DIRECTION_RECEIVE, {"RxPost"}, "RxDone");
  v1::Ring& ring = *queue.mutable_rings(0);
  SetSlots(ring, 32, 8, 4096, 1, true);
  ring.set_alignment_bytes(4096);
  AddDoorbell(ring, v1::BYTE_ORDER_BIG, v1::DOORBELL_SOURCE_PRODUCER_COUNT, 0xffff);
  queue.mutable_packet()->set_span(v1::SPAN_ADJACENT_UNTIL_LAST);
  *queue.mutable_packet()->mutable_last_when() = b.When("RxDone", "last", v1::OPERATOR_EQUAL, 1);
  queue.mutable_packet()->set_length_includes_crc_bytes(4);
  SetBuffers(queue, 64, 16368, 16, 16);
}

void BigTransmit(LayoutBuilder& b) {
  b.Form("TxData", 32);
  b.Constant("reserved_done", {0, 4, 31, 1}, 0);
  b.Constant("is_context", {0, 4, 30, 1}, 0);
  b.Field("last", "packet.last", {0, 4, 29, 1});
  b.Field("l3_request", "checksum.l3.request", {0, 4, 28, 1});
  b.Field("l4_request", "checksum.l4.request", {0, 4, 27, 1});
  b.Field("vlan_insert", "vlan.insert", {0, 4, 26, 1});
  b.Field("crc_insert", "crc.insert", {0, 4, 25, 1});
  b.Constant("reserved_16", {0, 4, 16, 9}, 0);
  b.Field("length", "buffer.length", {0, 4, 0, 16}).mutable_scale()->set_zero_value(65536);
  b.Zeros("reserved_4", 4, 4);
  b.Split("buffer_address", "buffer.address", {{12, 4}, {8, 4}});
  *b.Field("vlan_tci", "vlan.tci", {16, 2}).mutable_valid_when() =
      b.WhenOwn("vlan_insert", v1::OPERATOR_EQUAL, 1);
  b.Zeros("reserved_18", 18, 14);

  b.Form("TxContext", 32);
  b.Constant("reserved_done", {0, 4, 31, 1}, 0);
  b.Constant("is_context", {0, 4, 30, 1}, 1);
  b.Constant("reserved_0", {0, 4, 0, 30}, 0);
  b.Field("l3_start", "checksum.l3.start", {4, 1});
  b.Field("l3_insert_at", "checksum.l3.insert_at", {5, 1});
  b.Field("l3_end", "checksum.l3.end", {6, 2});
  b.Field("l4_start", "checksum.l4.start", {8, 1});
  b.Field("l4_insert_at", "checksum.l4.insert_at", {9, 1});
  b.Field("l4_end", "checksum.l4.end", {10, 2});
  b.Zeros("reserved_12", 12, 20);

  b.Form("TxDone", 32);
  b.Field("done", "completed", {0, 4, 31, 1});

  v1::Queue& queue = AddQueue(b, "tx", v1::DIRECTION_TRANSMIT, {"TxData", "TxContext"}, "TxDone");
  v1::Ring& ring = *queue.mutable_rings(0);
  SetSlots(ring, 32, 8, 4096, 1, true);
  ring.set_alignment_bytes(4096);
  AddDoorbell(ring, v1::BYTE_ORDER_BIG, v1::DOORBELL_SOURCE_PRODUCER_COUNT, 0xffff);
  queue.mutable_packet()->set_span(v1::SPAN_ADJACENT_UNTIL_LAST);
  *queue.mutable_packet()->mutable_last_when() = b.When("TxData", "last", v1::OPERATOR_EQUAL, 1);
  SetBuffers(queue, 1, 65536, 1, 4);
  v1::ContextRule& context = *queue.add_contexts();
  context.set_form(b.FormIndex("TxContext"));
  context.set_lifetime(v1::CONTEXT_LIFETIME_STICKY);
}

}  // namespace

v1::Layout SimpleMessage() {
  LayoutBuilder b("test.simple", v1::BYTE_ORDER_LITTLE);
  b.Enumeration(
      "HashType", 4,
      {{"none", 0}, {"tcp4", 1}, {"ip4", 2}, {"tcp6", 3}, {"ip6", 5}, {"udp4", 7}, {"udp6", 8}});
  b.Enumeration("L4", 2, {{"none", 0}, {"tcp", 1}, {"udp", 2}, {"sctp", 3}});
  SimpleReceive(b);
  SimpleTransmit(b);
  b.layout().mutable_documentation()->add_sources("none: it exists in tests only");
  return Canonicalize(b.layout());
}

v1::Layout BigMessage() {
  LayoutBuilder b("test.big", v1::BYTE_ORDER_BIG);
  b.Enumeration(
      "HashType", 3,
      {{"none", 0}, {"ip4", 1}, {"ip6", 2}, {"tcp4", 3}, {"udp4", 4}, {"tcp6", 5}, {"udp6", 6}});
  BigReceive(b);
  BigTransmit(b);
  b.layout().mutable_documentation()->add_sources("none: it exists in tests only");
  return Canonicalize(b.layout());
}

VerifiedLayout Verified(const v1::Layout& message) {
  absl::StatusOr<VerifiedLayout> verified = VerifiedLayout::FromMessage(message);
  if (!verified.ok()) {
    std::fprintf(stderr, "%s: %s\n", message.name().c_str(),
                 std::string(verified.status().message()).c_str());
    std::abort();
  }
  return *std::move(verified);
}

VerifiedLayout SimpleLayout() { return Verified(SimpleMessage()); }
VerifiedLayout BigLayout() { return Verified(BigMessage()); }

}  // namespace qsplit::layout::testing
