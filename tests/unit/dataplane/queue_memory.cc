#include "tests/unit/dataplane/queue_memory.h"

#include <algorithm>
#include <cstring>

#include "dataplane/ring_cells.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr uint64_t kGuardWord = 0xfeedfacecafebeef;
constexpr size_t kGuardWords = 64;

uint32_t SlotsFrom(const v1::SlotRange& range, uint64_t wanted) {
  const uint32_t step = std::max(range.step(), 1u);
  uint32_t best = 0;
  for (uint64_t count = std::max(range.min(), 1u); count <= range.max(); count += step) {
    if (range.power_of_two() && (count & (count - 1)) != 0) continue;
    best = static_cast<uint32_t>(count);
    if (count >= wanted) break;
  }
  return best;
}

size_t Words(uint64_t bytes) { return (bytes + 7) / 8; }

}  // namespace

QueueMemory::QueueMemory(const layout::VerifiedLayout& layout, uint32_t queue,
                         const FeatureChoices& choices, uint32_t wanted_slots) {
  const v1::Queue& from = layout.message().queues(static_cast<int>(queue));
  std::vector<uint32_t> chosen(choices.choice.begin(), choices.choice.end());
  view_.ring_count = static_cast<uint32_t>(from.rings_size());
  view_.queue_number = QueueIndex(3);
  view_.layout_queue = queue;
  view_.features = choices;
  view_.memory_key = 0x5a;
  rings_.resize(view_.ring_count);
  // Completions of all rings of buffers may stand in one.
  uint64_t posts = 0;
  for (const v1::Ring& ring : from.rings()) {
    if (!layout::Applies(ring.features(), chosen) || ring.post_forms().empty()) continue;
    posts += SlotsFrom(ring.slots(), wanted_slots);
  }
  for (uint32_t i = 0; i < view_.ring_count; ++i) {
    const v1::Ring& ring = from.rings(static_cast<int>(i));
    RingMemory& memory = rings_[i];
    RingView& to = view_.rings[i];
    memory.name = ring.name();
    uint32_t slots_of_form = 1;
    for (const uint32_t form : ring.complete_forms()) {
      slots_of_form =
          std::max(slots_of_form, layout.message().forms(static_cast<int>(form)).slots());
    }
    uint64_t wanted = wanted_slots;
    if (ring.post_forms().empty()) wanted = posts * slots_of_form;
    if (ring.slot_bytes() >= 4096) wanted = 4;
    to.slot_count = SlotsFrom(ring.slots(), wanted);
    const uint64_t slot_bytes = uint64_t{to.slot_count} * ring.slot_bytes();
    // Cells that the layout puts beside the slots belong to the ring as well.
    int64_t front = 0;
    int64_t back = 0;
    for (const v1::IndexCell& cell : ring.cells()) {
      if (!cell.has_offset_bytes()) continue;
      const int64_t at =
          cell.offset_bytes() + (cell.behind_slots() ? static_cast<int64_t>(slot_bytes) : 0);
      front = std::max(front, -at);
      back = std::max(back, at + cell.bytes() - static_cast<int64_t>(slot_bytes));
    }
    const size_t front_words = Words(static_cast<uint64_t>(front));
    const size_t inner = front_words + Words(slot_bytes + static_cast<uint64_t>(back));
    memory.inner_begin = kGuardWords;
    memory.inner_end = kGuardWords + inner;
    memory.words.assign(inner + 2 * kGuardWords, kGuardWord);
    std::fill_n(memory.words.begin() + kGuardWords, inner, 0);
    to.slots = reinterpret_cast<std::byte*>(memory.words.data() + kGuardWords + front_words);
    to.slots_iova = Iova(0x7'0000'0000 + (uint64_t{i} << 28));
    for (size_t k = 0; k < kMaxDoorbells; ++k) {
      to.producer_doorbells[k] = reinterpret_cast<std::byte*>(&memory.doorbells[k]);
      to.consumer_doorbells[k] = reinterpret_cast<std::byte*>(&memory.doorbells[kMaxDoorbells + k]);
    }
    for (int k = 0; k < std::min(ring.cells_size(), kMaxCells); ++k) {
      const v1::IndexCell& cell = ring.cells(k);
      to.cells[static_cast<size_t>(k)] =
          cell.has_offset_bytes() ? to.slots + cell.offset_bytes() +
                                        (cell.behind_slots() ? static_cast<int64_t>(slot_bytes) : 0)
                                  : reinterpret_cast<std::byte*>(&memory.cells[k]);
    }
    to.counts_for_increments = true;
    StartCells(ring, to);
  }
}

std::string QueueMemory::BrokenGuard() const {
  for (const RingMemory& ring : rings_) {
    for (size_t i = 0; i < ring.words.size(); ++i) {
      if (i >= ring.inner_begin && i < ring.inner_end) continue;
      if (ring.words[i] != kGuardWord) return ring.name;
    }
  }
  return "";
}

std::vector<std::span<std::byte>> QueueMemory::Shared() {
  std::vector<std::span<std::byte>> shared;
  for (RingMemory& ring : rings_) {
    shared.push_back(std::as_writable_bytes(
        std::span(ring.words).subspan(ring.inner_begin, ring.inner_end - ring.inner_begin)));
    shared.push_back(std::as_writable_bytes(std::span(ring.doorbells)));
    shared.push_back(std::as_writable_bytes(std::span(ring.cells)));
  }
  return shared;
}

bool QueueMemory::Holds(const std::byte* at, size_t bytes) {
  for (const std::span<std::byte> span : Shared()) {
    if (at >= span.data() && at + bytes <= span.data() + span.size()) return true;
  }
  return false;
}

DeviceMemory Region::memory() {
  DeviceMemory memory;
  memory.context = this;
  memory.read = [](void* context, Iova from, std::byte* to, uint32_t bytes) {
    auto* self = static_cast<Region*>(context);
    if (!self->Holds(from, bytes)) return false;
    std::memcpy(to, self->At(from), bytes);
    return true;
  };
  memory.write = [](void* context, Iova to, const std::byte* from, uint32_t bytes) {
    auto* self = static_cast<Region*>(context);
    if (!self->Holds(to, bytes)) return false;
    std::memcpy(self->At(to), from, bytes);
    return true;
  };
  return memory;
}

void ForEachChoice(const v1::Layout& layout, uint32_t limit,
                   const std::function<void(const FeatureChoices&, const std::string&)>& run) {
  const int features = std::min(layout.features_size(), 32);
  const auto name_of = [&](const FeatureChoices& choices) {
    std::string name;
    for (int i = 0; i < features; ++i) {
      name += layout.features(i).name() + "=" +
              layout.features(i).choices(choices.choice[static_cast<size_t>(i)]) + " ";
    }
    return name;
  };
  uint64_t product = 1;
  for (int i = 0; i < features && product <= limit; ++i) {
    product *= static_cast<uint64_t>(std::max(layout.features(i).choices_size(), 1));
  }
  if (product <= limit) {
    for (uint64_t number = 0; number < product; ++number) {
      FeatureChoices choices;
      uint64_t rest = number;
      for (int i = 0; i < features; ++i) {
        const auto count = static_cast<uint64_t>(std::max(layout.features(i).choices_size(), 1));
        choices.choice[static_cast<size_t>(i)] = static_cast<uint8_t>(rest % count);
        rest /= count;
      }
      run(choices, name_of(choices));
    }
    return;
  }
  run(FeatureChoices(), name_of(FeatureChoices()));
  for (int i = 0; i < features; ++i) {
    for (int k = 1; k < layout.features(i).choices_size(); ++k) {
      FeatureChoices choices;
      choices.choice[static_cast<size_t>(i)] = static_cast<uint8_t>(k);
      run(choices, name_of(choices));
    }
  }
}

}  // namespace qsplit::dataplane::testing
