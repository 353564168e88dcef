// Memory for one ring, with guard bytes around it, and the layouts that the data plane's tests run
// over: the two samples, and every compiled spec in the build tree that this build drives.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_TEST_RING_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_TEST_RING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::dataplane::testing {

class TestRing {
 public:
  // For the first ring of the layout's first queue of that direction; as many slots as the layout
  // allows that come closest to wanted_slots from above.
  TestRing(const layout::VerifiedLayout& layout, v1::Direction direction, uint32_t wanted_slots,
           bool with_wakeup = false);

  QueueView View() const;
  uint32_t slot_count() const { return slot_count_; }
  uint32_t slot_bytes() const { return slot_bytes_; }
  std::byte* slot(uint32_t index) { return slots_ + size_t{index} * slot_bytes_; }
  std::byte* doorbell() { return reinterpret_cast<std::byte*>(&cells_[0]); }
  uint32_t doorbell_bytes() const { return doorbell_bytes_; }
  // Stores a raw value, as a hostile driver does.
  void SetDoorbell(uint64_t value);
  bool need_wakeup() const { return need_wakeup_ != 0; }
  // Whether every byte around the slots is as it was.
  bool GuardsWhole() const;

 private:
  static constexpr size_t kGuard = 4096;
  std::vector<uint64_t> memory_;
  std::byte* slots_;
  uint32_t slot_count_;
  uint32_t slot_bytes_;
  uint32_t doorbell_bytes_ = 4;
  bool doorbell_big_ = false;
  alignas(64) uint64_t cells_[kMaxDoorbells] = {};
  alignas(64) uint32_t need_wakeup_ = 0;
  bool with_wakeup_;
};

// The size to say for buffers, where the layout sets it for a whole queue: 2048, or what is
// nearest.
uint32_t QueueBufferBytes(const layout::VerifiedLayout& layout);

// Numbers that are the same in every run.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }
  uint64_t Wide() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

struct NamedLayout {
  std::string name;
  std::shared_ptr<const layout::VerifiedLayout> layout;
};
// Every compiled spec in the build tree.
std::vector<NamedLayout> ShippedLayouts();
// The samples and those of the specs whose receive (transmit) queue is driven over one ring, in
// place.
std::vector<NamedLayout> LayoutsToDrive(v1::Direction direction);
void PrintTo(const NamedLayout& layout, std::ostream* os);

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_TEST_RING_H_
