#include "tests/unit/dataplane/test_ring.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "dataplane/doorbell.h"
#include "dataplane/queue_shape.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr uint64_t kGuardWord = 0xfeedfacecafebeef;

uint32_t SlotsFrom(const v1::SlotRange& range, uint32_t wanted) {
  const uint32_t step = std::max(range.step(), 1u);
  for (uint32_t count = std::max(range.min(), 1u); count <= range.max(); count += step) {
    if (count < wanted || (range.power_of_two() && (count & (count - 1)) != 0)) continue;
    return count;
  }
  return range.max();
}

}  // namespace

TestRing::TestRing(const layout::VerifiedLayout& layout, v1::Direction direction,
                   uint32_t wanted_slots, bool with_wakeup)
    : with_wakeup_(with_wakeup) {
  const v1::Ring& ring = layout.FindQueue(direction)->rings(0);
  slot_count_ = SlotsFrom(ring.slots(), wanted_slots);
  slot_bytes_ = ring.slot_bytes();
  const size_t bytes = (size_t{slot_count_} * slot_bytes_ + 7) / 8 * 8;
  memory_.assign((bytes + 2 * kGuard) / 8, kGuardWord);
  slots_ = reinterpret_cast<std::byte*>(memory_.data()) + kGuard;
  std::fill_n(memory_.begin() + kGuard / 8, bytes / 8, 0);
  if (ring.producer_doorbells_size() > 0) {
    doorbell_bytes_ = ring.producer_doorbells(0).bytes();
    doorbell_big_ = ring.producer_doorbells(0).byte_order() == v1::BYTE_ORDER_BIG;
  }
}

QueueView TestRing::View() const {
  auto* self = const_cast<TestRing*>(this);
  RingView ring;
  ring.slots = self->slots_;
  ring.slot_count = slot_count_;
  ring.counts_for_increments = true;
  for (size_t i = 0; i < kMaxDoorbells; ++i) {
    ring.producer_doorbells[i] = reinterpret_cast<std::byte*>(&self->cells_[i]);
  }
  ring.counts_for_increments = true;  // memory stands for registers
  if (with_wakeup_) ring.need_wakeup = reinterpret_cast<std::byte*>(&self->need_wakeup_);
  return QueueView::Single(ring);
}

void TestRing::SetDoorbell(uint64_t value) {
  StoreCell(doorbell(), doorbell_bytes_, doorbell_big_ && doorbell_bytes_ > 1, value);
}

bool TestRing::GuardsWhole() const {
  const auto is_guard = [](uint64_t word) { return word == kGuardWord; };
  return std::all_of(memory_.begin(), memory_.begin() + kGuard / 8, is_guard) &&
         std::all_of(memory_.end() - kGuard / 8, memory_.end(), is_guard);
}

uint32_t QueueBufferBytes(const layout::VerifiedLayout& layout) {
  const v1::Queue* queue = layout.FindQueue(v1::DIRECTION_RECEIVE);
  if (queue == nullptr) return 0;
  const v1::BufferRange& range = queue->limits().buffer();
  if (range.max_bytes() == 0) return 2048;
  const uint32_t step = std::max(range.step_bytes(), 1u);
  uint32_t best = range.min_bytes();
  for (uint32_t bytes = best; best < 2048 && bytes <= range.max_bytes(); bytes += step) {
    if (!range.power_of_two() || (bytes & (bytes - 1)) == 0) best = bytes;
  }
  return best;
}

std::vector<NamedLayout> ShippedLayouts() {
  std::vector<NamedLayout> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(QSPLIT_LAYOUT_DIR, error)) {
    if (entry.path().extension() != ".layout") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    absl::StatusOr<layout::VerifiedLayout> layout = layout::VerifiedLayout::FromBytes(bytes);
    if (!layout.ok()) {
      std::cerr << entry.path() << ": " << layout.status() << "\n";
      std::abort();
    }
    std::string name = layout->name();
    std::replace_if(
        name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
    all.push_back({name, std::make_shared<layout::VerifiedLayout>(*layout)});
  }
  std::sort(all.begin(), all.end(),
            [](const NamedLayout& a, const NamedLayout& b) { return a.name < b.name; });
  return all;
}

std::vector<NamedLayout> LayoutsToDrive(v1::Direction direction) {
  std::vector<NamedLayout> all = {
      {"simple", std::make_shared<layout::VerifiedLayout>(layout::testing::SimpleLayout())},
      {"big", std::make_shared<layout::VerifiedLayout>(layout::testing::BigLayout())}};
  const std::vector<NamedLayout> shipped = ShippedLayouts();
  all.insert(all.end(), shipped.begin(), shipped.end());
  std::vector<NamedLayout> driven;
  for (const NamedLayout& candidate : all) {
    const layout::VerifiedLayout& layout = *candidate.layout;
    if (layout.FindQueue(direction) == nullptr) continue;
    const TestRing ring(layout, direction, 16);
    // One ring, in place: the others have tests of their own.
    const absl::Status status = ShapeInPlaceQueue(layout, ring.View(), direction).status();
    if (absl::IsUnimplemented(status)) continue;  // another protocol
    driven.push_back(candidate);
  }
  return driven;
}

void PrintTo(const NamedLayout& layout, std::ostream* os) { *os << layout.name; }

}  // namespace qsplit::dataplane::testing
