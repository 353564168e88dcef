#include "tests/unit/dataplane/ring_layouts.h"

#include "tests/unit/dataplane/layout_parts.h"

namespace qsplit::dataplane::testing {
namespace {

using LayoutPointer = std::shared_ptr<const RingLayout>;

// What all have in common: a command with a tag and an argument.
RingLayout Start(const std::string& name, uint32_t command_bytes) {
  RingLayout made;
  made.name = name;
  made.layout.set_name("test." + name);
  v1::Form* command = AddForm(&made.layout, "Command", command_bytes);
  AddField(command, "tag", "tag", 0, 2, 0, 16);
  AddField(command, "argument", "", 4, 4, 0, 32);
  made.layout.add_queues()->set_name("commands");
  made.layout.mutable_queues(0)->set_direction(v1::DIRECTION_COMMAND);
  return made;
}

uint32_t AddCompletion(RingLayout* made, uint32_t bytes) {
  v1::Form* form = AddForm(&made->layout, "Completion", bytes);
  AddField(form, "result", "", 0, 4, 0, 32);
  AddField(form, "key", "", 4, 2, 0, 16);
  made->completion = static_cast<uint32_t>(made->layout.forms_size() - 1);
  return made->completion;
}

LayoutPointer Done(RingLayout made) {
  if (made.long_bytes == 0) {
    made.long_command = made.command;
    made.long_completion = made.completion;
    made.long_bytes = made.layout.forms(static_cast<int>(made.command)).size_bytes();
  }
  if (made.long_completion == 0) made.long_completion = made.completion;
  return std::make_shared<RingLayout>(std::move(made));
}

v1::CompletionRule* AddRule(v1::Ring* ring, v1::CompletionKey key, uint32_t target) {
  v1::CompletionRule* rule = ring->add_completes();
  rule->set_key(key);
  rule->set_ring(target);
  return rule;
}
void AddKey(v1::CompletionRule* rule, uint32_t form, uint32_t field) {
  rule->add_fields()->set_form(form);
  rule->mutable_fields(rule->fields_size() - 1)->set_field(field);
}

v1::Ring* Work(RingLayout* made, uint32_t slot_bytes) {
  v1::Ring* ring = AddRing(made->layout.mutable_queues(0), "work", slot_bytes);
  ring->add_post_forms(made->command);
  return ring;
}
v1::Ring* Completions(RingLayout* made, uint32_t slot_bytes) {
  v1::Ring* ring = AddRing(made->layout.mutable_queues(0), "completions", slot_bytes);
  ring->add_complete_forms(made->completion);
  return ring;
}

// Submission by doorbell index, completions with a phase, by tag, in any order.
LayoutPointer PhaseByTag() {
  RingLayout made = Start("phase_by_tag", 64);
  const uint32_t done = AddCompletion(&made, 16);
  const uint32_t phase = AddField(made.layout.mutable_forms(1), "phase", "phase", 14, 2, 0, 1);
  v1::Ring* work = Work(&made, 64);
  work->mutable_posted()->set_doorbell(true);
  work->mutable_completed()->set_completion(true);
  AddDoorbell(work->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_PRODUCER_INDEX);
  v1::Ring* ring = Completions(&made, 16);
  CompareState(AddCase(ring->mutable_completed()->mutable_when()), done, phase, v1::OPERATOR_EQUAL,
               v1::RING_STATE_PHASE);
  ring->mutable_phase()->set_initial(1);
  ring->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  AddKey(AddRule(ring, v1::COMPLETION_KEY_TAG, 0), done, 1);
  AddDoorbell(ring->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_CONSUMER_INDEX);
  made.in_order = false;
  return Done(std::move(made));
}

// A cycle bit that a link descriptor toggles; events with a phase name the slot's address.
LayoutPointer LinkToggle() {
  RingLayout made = Start("link_toggle", 16);
  const uint32_t cycle = AddField(made.layout.mutable_forms(0), "cycle", "phase", 12, 4, 0, 1);
  AddField(made.layout.mutable_forms(0), "type", "", 12, 4, 10, 6);
  made.layout.mutable_forms(0)->mutable_fields(3)->set_constraint(v1::CONSTRAINT_CONSTANT);
  made.layout.mutable_forms(0)->mutable_fields(3)->set_constant(1);
  v1::Form* event = AddForm(&made.layout, "Event", 16);
  made.completion = 1;
  AddField(event, "address", "", 0, 8, 0, 64);
  const uint32_t event_cycle = AddField(event, "cycle", "phase", 12, 4, 0, 1);
  v1::Form* link = AddForm(&made.layout, "Link", 16);
  AddField(link, "to", "link.address", 0, 8, 0, 64);
  AddField(link, "cycle", "phase", 12, 4, 0, 1);
  AddField(link, "toggle", "phase.toggle", 12, 4, 1, 1);
  AddField(link, "type", "", 12, 4, 10, 6);
  link->mutable_fields(3)->set_constraint(v1::CONSTRAINT_CONSTANT);
  link->mutable_fields(3)->set_constant(6);
  v1::Ring* work = Work(&made, 16);
  CompareState(AddCase(work->mutable_posted()->mutable_when()), 0, cycle, v1::OPERATOR_EQUAL,
               v1::RING_STATE_PHASE);
  work->mutable_completed()->set_completion(true);
  work->mutable_phase()->set_initial(1);
  work->mutable_phase()->set_flip(v1::PHASE_FLIP_BY_LINK);
  work->mutable_wrap()->set_link_form(2);
  AddDoorbell(work->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_QUEUE_NUMBER);
  v1::Ring* ring = Completions(&made, 16);
  CompareState(AddCase(ring->mutable_completed()->mutable_when()), 1, event_cycle,
               v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  ring->mutable_phase()->set_initial(1);
  ring->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  AddKey(AddRule(ring, v1::COMPLETION_KEY_ADDRESS, 0), 1, 0);
  AddDoorbell(ring->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_ADDRESS, 8,
              v1::BYTE_ORDER_LITTLE, ~uint64_t{0xf});
  made.in_order = false;
  made.has_events = true;
  return Done(std::move(made));
}

// One ring, an own bit that changes hands, a mark in the last slot, commands of three slots too.
LayoutPointer OwnBit() {
  RingLayout made = Start("own_bit", 16);
  const uint32_t own = AddField(made.layout.mutable_forms(0), "own", "own", 12, 4, 31, 1);
  AddField(made.layout.mutable_forms(0), "last", "ring.last", 12, 4, 30, 1);
  AddField(made.layout.mutable_forms(0), "kind", "", 12, 4, 0, 1);
  made.layout.mutable_forms(0)->mutable_fields(4)->set_constraint(v1::CONSTRAINT_CONSTANT);
  const uint32_t done = AddCompletion(&made, 16);
  const uint32_t done_own = AddField(made.layout.mutable_forms(1), "own", "own", 12, 4, 31, 1);
  v1::Form* triple = AddForm(&made.layout, "Long", 44);
  triple->set_slots(3);
  AddField(triple, "tag", "tag", 0, 2, 0, 16);
  AddField(triple, "own", "own", 12, 4, 31, 1);
  AddField(triple, "last", "ring.last", 12, 4, 30, 1);
  AddField(triple, "kind", "", 12, 4, 0, 1);
  triple->mutable_fields(3)->set_constraint(v1::CONSTRAINT_CONSTANT);
  triple->mutable_fields(3)->set_constant(1);
  made.long_command = 2;
  made.long_bytes = 44;
  v1::Ring* work = Work(&made, 16);
  work->add_post_forms(2);
  work->add_complete_forms(done);
  Compare(AddCase(work->mutable_posted()->mutable_when()), 0, own, v1::OPERATOR_EQUAL, 1);
  Compare(AddCase(work->mutable_posted()->mutable_when()), 2, 1, v1::OPERATOR_EQUAL, 1);
  Compare(AddCase(work->mutable_completed()->mutable_when()), done, done_own, v1::OPERATOR_EQUAL,
          0);
  AddRule(work, v1::COMPLETION_KEY_IN_PLACE, 0);
  work->mutable_wrap()->mutable_last_slot_field()->set_form(0);
  work->mutable_wrap()->mutable_last_slot_field()->set_field(3);
  return Done(std::move(made));
}

// One ring, two bits against two wrap counters, completions by tag at the device's own position.
LayoutPointer WrapBits() {
  RingLayout made = Start("wrap_bits", 16);
  const uint32_t avail = AddField(made.layout.mutable_forms(0), "avail", "", 14, 2, 7, 1);
  const uint32_t used = AddField(made.layout.mutable_forms(0), "used", "", 14, 2, 15, 1);
  const uint32_t done = AddCompletion(&made, 16);
  const uint32_t done_avail = AddField(made.layout.mutable_forms(1), "avail", "", 14, 2, 7, 1);
  const uint32_t done_used = AddField(made.layout.mutable_forms(1), "used", "", 14, 2, 15, 1);
  v1::Ring* work = Work(&made, 16);
  work->add_complete_forms(done);
  v1::Conjunction* posted = AddCase(work->mutable_posted()->mutable_when());
  CompareState(posted, 0, avail, v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  CompareState(posted, 0, used, v1::OPERATOR_NOT_EQUAL, v1::RING_STATE_PHASE);
  v1::Conjunction* completed = AddCase(work->mutable_completed()->mutable_when());
  CompareState(completed, done, done_avail, v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  CompareState(completed, done, done_used, v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  work->mutable_phase()->set_initial(1);
  work->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  AddKey(AddRule(work, v1::COMPLETION_KEY_TAG, 0), done, 1);
  made.in_order = false;
  return Done(std::move(made));
}

// Two rings with counts in shared cells on both sides.
LayoutPointer SharedIndices(const std::string& name, bool counts, v1::ByteOrder order) {
  RingLayout made = Start(name, 8);
  const uint32_t done = AddCompletion(&made, 8);
  const auto producer = counts ? v1::CELL_MEANING_PRODUCER_COUNT : v1::CELL_MEANING_PRODUCER_INDEX;
  const auto consumer = counts ? v1::CELL_MEANING_CONSUMER_COUNT : v1::CELL_MEANING_CONSUMER_INDEX;
  v1::Ring* work = Work(&made, 8);
  AddCell(work, "producer", 4, producer, false, order);
  AddCell(work, "consumer", 4, consumer, true, order);
  work->mutable_posted()->set_cell(0);
  work->mutable_completed()->set_completion(true);
  v1::Ring* ring = Completions(&made, 8);
  AddCell(ring, "producer", 2, producer, true, order);
  AddCell(ring, "consumer", 2, consumer, false, order);
  ring->mutable_completed()->set_cell(0);
  AddKey(AddRule(ring, v1::COMPLETION_KEY_TAG, 0), done, 1);
  made.in_order = false;
  return Done(std::move(made));
}

// Big-endian counts, owner parity with an opcode, fill values, indices; commands with parts.
LayoutPointer OwnerAndOpcode() {
  RingLayout made = Start("owner_and_opcode", 24);
  made.layout.mutable_forms(0)->set_name("Segment");
  made.layout.mutable_forms(0)->set_size_bytes(16);
  made.layout.mutable_forms(0)->clear_fields();
  AddField(made.layout.mutable_forms(0), "address", "buffer.address", 8, 8, 0, 64,
           v1::BYTE_ORDER_BIG);
  v1::Form* command = AddForm(&made.layout, "Command", 16);
  made.command = 1;
  const uint32_t ds = AddField(command, "segments", "", 0, 4, 0, 6, v1::BYTE_ORDER_BIG);
  AddField(command, "argument", "", 4, 4, 0, 32);
  v1::ContainedForm* part = command->add_contains();
  part->set_form(0);
  part->set_appended(true);
  part->set_byte_offset(16);
  part->set_stride_bytes(16);
  part->set_max_count(20);
  part->set_count_field(ds);
  made.long_command = 1;
  made.long_bytes = 16 + 5 * 16;  // two slots of 64 bytes
  v1::Form* form = AddForm(&made.layout, "Completion", 64);
  made.completion = 2;
  AddField(form, "result", "", 0, 4, 0, 32);
  const uint32_t counter = AddField(form, "counter", "", 60, 2, 0, 16, v1::BYTE_ORDER_BIG);
  const uint32_t op_own = AddField(form, "op_own", "", 63, 1, 0, 8);
  const uint32_t owner = AddField(form, "owner", "", 63, 1, 0, 1);
  const uint32_t opcode = AddField(form, "opcode", "", 63, 1, 4, 4);
  v1::Ring* work = AddRing(made.layout.mutable_queues(0), "work", 64);
  work->add_post_forms(1);
  work->mutable_posted()->set_doorbell(true);
  work->mutable_completed()->set_completion(true);
  AddDoorbell(work->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_PRODUCER_COUNT, 4,
              v1::BYTE_ORDER_BIG, 0xffff);
  v1::Ring* ring = Completions(&made, 64);
  v1::Conjunction* when = AddCase(ring->mutable_completed()->mutable_when());
  CompareState(when, 2, owner, v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  Compare(when, 2, opcode, v1::OPERATOR_NOT_EQUAL, 15);
  ring->mutable_phase()->set_initial(0);
  ring->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  v1::FillValue* fill = ring->add_fills();
  fill->mutable_field()->set_form(2);
  fill->mutable_field()->set_field(op_own);
  fill->set_value(0xf1);
  v1::CompletionRule* rule = AddRule(ring, v1::COMPLETION_KEY_INDEX, 0);
  AddKey(rule, 2, counter);
  Compare(AddCase(rule->mutable_when()), 2, opcode, v1::OPERATOR_EQUAL, 2);
  AddDoorbell(ring->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_CONSUMER_COUNT, 4,
              v1::BYTE_ORDER_BIG, 0xffffff);
  made.in_order = false;
  made.has_events = true;
  return Done(std::move(made));
}

// Completions in order with a number that grows with each, of two bits less than a ring's turn.
LayoutPointer Sequence() {
  RingLayout made = Start("sequence", 16);
  const uint32_t done = AddCompletion(&made, 16);
  const uint32_t number = AddField(made.layout.mutable_forms(1), "sequence", "", 14, 2, 3, 3);
  v1::Ring* work = Work(&made, 16);
  work->mutable_posted()->set_doorbell(true);
  work->mutable_completed()->set_completion(true);
  AddDoorbell(work->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_PRODUCER_COUNT);
  v1::Ring* ring = Completions(&made, 16);
  CompareState(AddCase(ring->mutable_completed()->mutable_when()), done, number, v1::OPERATOR_EQUAL,
               v1::RING_STATE_SEQUENCE);
  ring->mutable_sequence()->set_initial(1);
  ring->mutable_sequence()->set_first(1);
  ring->mutable_sequence()->set_last(7);
  AddRule(ring, v1::COMPLETION_KEY_IN_ORDER, 0);
  return Done(std::move(made));
}

// Increments both ways, completions in place up to a pending count.
LayoutPointer Increments() {
  RingLayout made = Start("increments", 32);
  AddCompletion(&made, 32);
  v1::Ring* work = Work(&made, 32);
  work->add_complete_forms(1);
  AddCell(work, "status", 4, v1::CELL_MEANING_PENDING_COUNT, true);
  work->mutable_posted()->set_doorbell(true);
  work->mutable_completed()->set_cell(0);
  AddDoorbell(work->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_INCREMENT);
  AddDoorbell(work->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_INCREMENT);
  AddRule(work, v1::COMPLETION_KEY_IN_PLACE, 0);
  return Done(std::move(made));
}

// Completions of one slot, and of two with a valid bit in each.
LayoutPointer TwoValidBits() {
  RingLayout made = Start("two_valid_bits", 16);
  const uint32_t done = AddCompletion(&made, 16);
  AddField(made.layout.mutable_forms(1), "valid", "", 12, 4, 0, 1);
  AddField(made.layout.mutable_forms(1), "type", "", 12, 4, 1, 1);
  made.layout.mutable_forms(1)->mutable_fields(3)->set_constraint(v1::CONSTRAINT_CONSTANT);
  v1::Form* twice = AddForm(&made.layout, "Twice", 32);
  twice->set_slots(2);
  AddField(twice, "result", "", 0, 4, 0, 32);
  AddField(twice, "key", "", 4, 2, 0, 16);
  AddField(twice, "valid", "", 12, 4, 0, 1);
  AddField(twice, "type", "", 12, 4, 1, 1);
  twice->mutable_fields(3)->set_constraint(v1::CONSTRAINT_CONSTANT);
  twice->mutable_fields(3)->set_constant(1);
  AddField(twice, "valid2", "", 28, 4, 0, 1);
  made.long_completion = 2;
  v1::Ring* work = Work(&made, 16);
  work->mutable_posted()->set_doorbell(true);
  work->mutable_completed()->set_completion(true);
  AddDoorbell(work->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_PRODUCER_INDEX);
  v1::Ring* ring = Completions(&made, 16);
  ring->add_complete_forms(2);
  v1::Condition* when = ring->mutable_completed()->mutable_when();
  CompareState(AddCase(when), done, 2, v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  v1::Conjunction* both = AddCase(when);
  CompareState(both, 2, 2, v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  CompareState(both, 2, 4, v1::OPERATOR_EQUAL, v1::RING_STATE_PHASE);
  ring->mutable_phase()->set_initial(1);
  ring->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  v1::CompletionRule* rule = AddRule(ring, v1::COMPLETION_KEY_INDEX, 0);
  AddKey(rule, 1, 1);
  AddKey(rule, 2, 1);
  AddDoorbell(ring->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_CONSUMER_COUNT);
  made.in_order = false;
  made.long_command = made.command;
  made.long_bytes = 16;
  return Done(std::move(made));
}

}  // namespace

std::vector<LayoutPointer> RingLayouts() {
  return {PhaseByTag(),
          LinkToggle(),
          OwnBit(),
          WrapBits(),
          SharedIndices("shared_counts", true, v1::BYTE_ORDER_LITTLE),
          SharedIndices("shared_indices", false, v1::BYTE_ORDER_BIG),
          OwnerAndOpcode(),
          Sequence(),
          Increments(),
          TwoValidBits()};
}

LayoutPointer RingLayoutNamed(const std::string& name) {
  for (const LayoutPointer& layout : RingLayouts()) {
    if (layout->name == name) return layout;
  }
  return nullptr;
}

}  // namespace qsplit::dataplane::testing
