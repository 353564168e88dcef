#include "tests/fuzz/support/queue_memory.h"

#include <cstring>

#include "dataplane/ring_cells.h"
#include "dataplane/ring_shape.h"
#include "dataplane/slot_fills.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::fuzz {
namespace {

using dataplane::Iova;
using dataplane::RingView;

constexpr uint64_t kScratchIova = 0x56'7800'0000;
constexpr uint32_t kScratchBytes = 1u << 16;

// The number-th of those that the range allows; 0: none.
uint32_t SlotCount(const v1::SlotRange& range, uint32_t number) {
  uint64_t found = 0;
  for (uint64_t count = range.min(); count <= range.max(); count += range.step()) {
    if (range.power_of_two() && (count & (count - 1)) != 0) continue;
    found = count;
    if (number-- == 0) break;
  }
  return static_cast<uint32_t>(found);
}

}  // namespace

std::byte* QueueMemory::Allocate(size_t bytes) {
  owned_.push_back(std::make_unique<std::byte[]>(bytes));
  return owned_.back().get();
}

std::byte* QueueMemory::AllocateForRing(size_t bytes) {
  if (!fence_.has_value()) return Allocate(bytes);
  return fenced_.emplace_back((bytes + 15) / 16 * 16, *fence_).data();
}

bool QueueMemory::AddRing(const v1::Ring& ring, RingView* view, Input& in) {
  view->slot_count = SlotCount(ring.slots(), in.Byte() % 4);
  const uint64_t slot_bytes = uint64_t{view->slot_count} * ring.slot_bytes();
  // Cells that the layout puts beside the slots belong to the ring as well.
  int64_t front = 0;
  int64_t end = static_cast<int64_t>(slot_bytes);
  const auto place_of = [&](const v1::IndexCell& cell) {
    return cell.offset_bytes() + (cell.behind_slots() ? static_cast<int64_t>(slot_bytes) : 0);
  };
  for (const v1::IndexCell& cell : ring.cells()) {
    if (!cell.has_offset_bytes()) continue;
    front = std::max(front, -place_of(cell));
    end = std::max(end, place_of(cell) + cell.bytes());
  }
  front = (front + 7) / 8 * 8;
  if (view->slot_count == 0 || static_cast<uint64_t>(front + end) > kMaxBytes) return false;
  std::byte* const first = AllocateForRing(static_cast<size_t>(front + end));
  view->slots = first + front;
  rings_.push_back({{first, static_cast<size_t>(front + end)},
                    view->slots,
                    ring.slot_bytes(),
                    view->slot_count});
  view->slots_iova = Iova(0x7'0000'0000 + (uint64_t{rings_.size()} << 28));
  const auto add = [&](uint32_t bytes) {
    std::byte* const at = AllocateForRing(bytes);
    small_.emplace_back(at, bytes);
    return at;
  };
  const auto add_doorbells = [&](const auto& doorbells, auto& to) {
    for (int i = 0; i < std::min(doorbells.size(), dataplane::kMaxDoorbells); ++i) {
      if (doorbells[i].target() == v1::DOORBELL_TARGET_WAKEUP) continue;
      to[static_cast<size_t>(i)] = add(doorbells[i].bytes());
    }
  };
  add_doorbells(ring.producer_doorbells(), view->producer_doorbells);
  add_doorbells(ring.consumer_doorbells(), view->consumer_doorbells);
  for (int i = 0; i < std::min(ring.cells_size(), dataplane::kMaxCells); ++i) {
    const v1::IndexCell& cell = ring.cells(i);
    view->cells[static_cast<size_t>(i)] =
        cell.has_offset_bytes() ? view->slots + place_of(cell) : add(cell.bytes());
  }
  const uint8_t how = in.Byte();
  view->counts_for_increments = how % 8 != 7;
  if (how < 0x80) view->need_wakeup = add(4);
  return true;
}

std::unique_ptr<QueueMemory> QueueMemory::Create(const v1::Layout& layout, uint32_t queue,
                                                 std::span<const uint32_t> choices, Input& in,
                                                 std::optional<qsplit::testing::Fence> fence) {
  auto memory = std::unique_ptr<QueueMemory>(new QueueMemory);
  memory->fence_ = fence;
  dataplane::QueueView& view = memory->view_;
  const v1::Queue& from = layout.queues(static_cast<int>(queue));
  view.layout_queue = queue;
  view.ring_count = static_cast<uint32_t>(from.rings_size());
  view.queue_number = dataplane::QueueIndex(3);
  view.memory_key = 0x5a;
  for (size_t i = 0; i < std::min(choices.size(), view.features.choice.size()); ++i) {
    view.features.choice[i] = static_cast<uint8_t>(choices[i]);
  }
  for (uint32_t i = 0; i < view.ring_count; ++i) {
    const v1::Ring& ring = from.rings(static_cast<int>(i));
    // A ring that does not exist has no memory.
    if (!layout::Applies(ring.features(), choices)) continue;
    if (!memory->AddRing(ring, &view.rings[i], in)) return nullptr;
  }
  for (std::byte*& buffer : memory->buffers_) {
    buffer = memory->Allocate(kBufferBytes);
    memory->small_.emplace_back(buffer, kBufferBytes);
  }
  view.scratch = memory->Allocate(kScratchBytes);
  view.scratch_iova = Iova(kScratchIova);
  view.scratch_bytes = kScratchBytes;
  memory->small_.emplace_back(view.scratch, kScratchBytes);
  // As whoever makes a queue's memory leaves it.
  const auto shape = dataplane::ShapeQueue(layout, from, view);
  if (!shape.ok()) return nullptr;
  for (const dataplane::RingShape& ring : shape->rings) {
    StartCells(*ring.ring, ring.view);
    if (!StartSlots(ring).ok()) return nullptr;
  }
  return memory;
}

std::byte* QueueMemory::At(Iova iova, uint64_t bytes) {
  const uint64_t in_buffers = iova.value - kBuffersIova;
  if (in_buffers < uint64_t{kBuffers} * kBufferBytes) {
    const uint64_t at = in_buffers % kBufferBytes;
    return bytes <= kBufferBytes - at ? buffers_[in_buffers / kBufferBytes] + at : nullptr;
  }
  const uint64_t in_scratch = iova.value - kScratchIova;
  if (in_scratch < kScratchBytes && bytes <= kScratchBytes - in_scratch) {
    return view_.scratch + in_scratch;
  }
  return nullptr;
}

dataplane::DeviceMemory QueueMemory::device_memory() {
  dataplane::DeviceMemory memory;
  memory.context = this;
  memory.read = [](void* context, Iova from, std::byte* to, uint32_t bytes) {
    const std::byte* at = static_cast<QueueMemory*>(context)->At(from, bytes);
    if (at != nullptr) std::memcpy(to, at, bytes);
    return at != nullptr;
  };
  memory.write = [](void* context, Iova to, const std::byte* from, uint32_t bytes) {
    std::byte* at = static_cast<QueueMemory*>(context)->At(to, bytes);
    if (at != nullptr) std::memcpy(at, from, bytes);
    return at != nullptr;
  };
  return memory;
}

void QueueMemory::Scribble(Input& in) {
  const uint64_t target = in.Below(rings_.size() + small_.size());
  if (target < rings_.size()) {
    const Slots& ring = rings_[target];
    if (in.Byte() % 4 == 0) {  // one slot over another
      const uint64_t from = in.Below(ring.count) * ring.slot_bytes;
      const uint64_t to = in.Below(ring.count) * ring.slot_bytes;
      std::memmove(ring.first + to, ring.first + from, ring.slot_bytes);
      return;
    }
  }
  const std::span<std::byte> bytes =
      target < rings_.size() ? rings_[target].bytes : small_[target - rings_.size()];
  const uint64_t at = in.Below(bytes.size());
  const uint8_t how = in.Byte();
  if (how % 2 == 0) {
    bytes[at] ^= std::byte(1u << how / 2 % 8);
    return;
  }
  // A number in either byte order.
  uint64_t value = in.Value();
  const size_t width = std::min<size_t>(size_t{1} << how / 2 % 4, bytes.size() - at);
  if (how >= 0x80) value = __builtin_bswap64(value) >> 8 * (8 - width);
  std::memcpy(&bytes[at], &value, width);
}

void QueueMemory::CopyFrom(const QueueMemory& other) {
  for (size_t i = 0; i < rings_.size(); ++i) {
    std::memcpy(rings_[i].bytes.data(), other.rings_[i].bytes.data(), rings_[i].bytes.size());
  }
  for (size_t i = 0; i < small_.size(); ++i) {
    std::memcpy(small_[i].data(), other.small_[i].data(), small_[i].size());
  }
}

bool QueueMemory::IsSame(const QueueMemory& other) const {
  const auto same = [](std::span<const std::byte> a, std::span<const std::byte> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
  };
  if (rings_.size() != other.rings_.size() || small_.size() != other.small_.size()) return false;
  for (size_t i = 0; i < rings_.size(); ++i) {
    if (!same(rings_[i].bytes, other.rings_[i].bytes)) return false;
  }
  for (size_t i = 0; i < small_.size(); ++i) {
    if (!same(small_[i], other.small_[i])) return false;
  }
  return true;
}

}  // namespace qsplit::fuzz
