// Parts of layouts, as tests write them: with what a test seldom cares about set to something good.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_LAYOUT_PARTS_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_LAYOUT_PARTS_H_

#include <cstdint>
#include <string>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane::testing {

v1::Form* AddForm(v1::Layout* layout, const std::string& name, uint32_t bytes);
// Returns the field's number.
uint32_t AddField(v1::Form* form, const std::string& name, const std::string& role, uint32_t offset,
                  uint32_t word_bytes, uint32_t lsb, uint32_t bits,
                  v1::ByteOrder order = v1::BYTE_ORDER_LITTLE);
v1::Conjunction* AddCase(v1::Condition* condition);
void Compare(v1::Conjunction* conjunction, uint32_t form, uint32_t field, v1::Operator op,
             uint64_t constant);
void CompareState(v1::Conjunction* conjunction, uint32_t form, uint32_t field, v1::Operator op,
                  v1::RingState state);
v1::Ring* AddRing(v1::Queue* queue, const std::string& name, uint32_t slot_bytes);
void AddCell(v1::Ring* ring, const std::string& name, uint32_t bytes, v1::CellMeaning meaning,
             bool device_writes, v1::ByteOrder order = v1::BYTE_ORDER_LITTLE);
void AddDoorbell(google::protobuf::RepeatedPtrField<v1::Doorbell>* doorbells,
                 v1::DoorbellSource source, uint32_t bytes = 4,
                 v1::ByteOrder order = v1::BYTE_ORDER_LITTLE, uint64_t mask = UINT64_MAX);

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_LAYOUT_PARTS_H_
