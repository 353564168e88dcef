#include "tests/unit/dataplane/layout_parts.h"

namespace qsplit::dataplane::testing {

v1::Form* AddForm(v1::Layout* layout, const std::string& name, uint32_t bytes) {
  v1::Form* form = layout->add_forms();
  form->set_name(name);
  form->set_size_bytes(bytes);
  form->set_slots(1);
  form->set_position(v1::PACKET_POSITION_EACH);
  return form;
}

uint32_t AddField(v1::Form* form, const std::string& name, const std::string& role, uint32_t offset,
                  uint32_t word_bytes, uint32_t lsb, uint32_t bits, v1::ByteOrder order) {
  v1::Field* field = form->add_fields();
  field->set_name(name);
  field->set_role(role);
  field->set_constraint(v1::CONSTRAINT_NONE);
  field->mutable_scale()->set_multiplier(1);
  v1::Bits* part = field->add_parts();
  part->set_byte_offset(offset);
  part->set_word_bytes(word_bytes);
  part->set_byte_order(order);
  part->set_lsb(lsb);
  part->set_bits(bits);
  return static_cast<uint32_t>(form->fields_size() - 1);
}

v1::Conjunction* AddCase(v1::Condition* condition) { return condition->add_any_of(); }

void Compare(v1::Conjunction* conjunction, uint32_t form, uint32_t field, v1::Operator op,
             uint64_t constant) {
  v1::Comparison* comparison = conjunction->add_all_of();
  comparison->mutable_field()->set_form(form);
  comparison->mutable_field()->set_field(field);
  comparison->set_operator_(op);
  comparison->set_constant(constant);
}

void CompareState(v1::Conjunction* conjunction, uint32_t form, uint32_t field, v1::Operator op,
                  v1::RingState state) {
  Compare(conjunction, form, field, op, 0);
  conjunction->mutable_all_of(conjunction->all_of_size() - 1)->set_state(state);
}

v1::Ring* AddRing(v1::Queue* queue, const std::string& name, uint32_t slot_bytes) {
  v1::Ring* ring = queue->add_rings();
  ring->set_name(name);
  ring->set_slot_bytes(slot_bytes);
  ring->mutable_slots()->set_min(1);
  ring->mutable_slots()->set_max(1u << 20);
  ring->mutable_slots()->set_step(1);
  ring->set_alignment_bytes(8);
  ring->set_kind(v1::RING_KIND_ORDERED);
  return ring;
}

void AddCell(v1::Ring* ring, const std::string& name, uint32_t bytes, v1::CellMeaning meaning,
             bool device_writes, v1::ByteOrder order) {
  v1::IndexCell* cell = ring->add_cells();
  cell->set_name(name);
  cell->set_bytes(bytes);
  cell->set_byte_order(order);
  cell->set_meaning(meaning);
  cell->set_mask(~uint64_t{0} >> (64 - 8 * bytes));
  cell->set_device_writes(device_writes);
}

void AddDoorbell(google::protobuf::RepeatedPtrField<v1::Doorbell>* doorbells,
                 v1::DoorbellSource source, uint32_t bytes, v1::ByteOrder order, uint64_t mask) {
  v1::Doorbell* bell = doorbells->Add();
  bell->set_target(v1::DOORBELL_TARGET_REGISTER);
  bell->set_bytes(bytes);
  bell->set_byte_order(order);
  bell->set_barrier(v1::BARRIER_MEMORY_BEFORE_DEVICE);
  v1::DoorbellTerm* term = bell->add_terms();
  term->set_source(source);
  term->set_mask(mask);
}

}  // namespace qsplit::dataplane::testing
