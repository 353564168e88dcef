// Queues of commands for NICs that do not exist, one for each way in which slots change hands; and
// memory for their rings, cells and doorbells, with guard bytes around each ring.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_RING_LAYOUTS_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_RING_LAYOUTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "dataplane/ring_shape.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane::testing {

// A layout with one queue, written by hand; never verified, so that it can be wrong.
struct RingLayout {
  std::string name;
  v1::Layout layout;
  uint32_t command = 0;     // form that is posted most of the time
  uint32_t completion = 0;  // form that completes it
  // A second form to post, of more slots or bytes, and to complete with; the same if there is none.
  uint32_t long_command = 0;
  uint32_t long_completion = 0;
  // Bytes of long commands, with parts.
  uint32_t long_bytes = 0;
  bool in_order = true;     // completions must come in the order of commands
  bool has_events = false;  // completions that name no command may be written

  const v1::Queue& queue() const { return layout.queues(0); }
};

// Every protocol.
std::vector<std::shared_ptr<const RingLayout>> RingLayouts();
std::shared_ptr<const RingLayout> RingLayoutNamed(const std::string& name);

// Parts of layouts.
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

// Memory for a queue.
class RingMemory {
 public:
  RingMemory(const v1::Queue& queue, uint32_t slots);
  const QueueView& view() const { return view_; }
  QueueView& view() { return view_; }
  std::byte* slots(uint32_t ring) { return rings_[ring].slots; }
  size_t slots_bytes(uint32_t ring) const { return rings_[ring].bytes; }
  std::vector<std::byte*> Cells();  // all cells and doorbells, 8 bytes each
  bool GuardsWhole() const;

 private:
  static constexpr size_t kGuard = 1024;
  struct Memory {
    std::vector<uint64_t> words;
    std::byte* slots = nullptr;
    size_t bytes = 0;
    alignas(64) uint64_t cells[kMaxCells + 2 * kMaxDoorbells] = {};
  };
  std::vector<Memory> rings_;
  QueueView view_;
};

inline void PrintTo(const std::shared_ptr<const RingLayout>& layout, std::ostream* os) {
  *os << layout->name;
}

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_RING_LAYOUTS_H_
