#include "daemon/lease/queue_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "daemon/policy/error.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::lease {
namespace {

using policy::Error;

constexpr uint32_t kNormalBufferBytes = 2048;
// Where the layout sets no limit.
constexpr uint32_t kMostBufferBytes = 1U << 24;

bool Allowed(const v1::SlotRange& range, uint32_t slots) {
  return slots >= range.min() && slots <= range.max() &&
         (slots - range.min()) % std::max(range.step(), 1U) == 0 &&
         (!range.power_of_two() || std::has_single_bit(slots));
}

// The highest count that is allowed and not above, else the lowest that is allowed; 0: none is.
uint32_t Nearest(const v1::SlotRange& range, uint32_t slots) {
  if (range.power_of_two()) {
    for (uint32_t n = std::bit_floor(std::min(slots, range.max())); n > 0; n /= 2) {
      if (Allowed(range, n)) return n;
    }
    for (uint32_t n = 1; n != 0 && n <= range.max(); n *= 2) {
      if (Allowed(range, n)) return n;
    }
    return 0;
  }
  if (slots < range.min()) return range.min();
  const uint32_t step = std::max(range.step(), 1U);
  const uint32_t capped = std::min(slots, range.max());
  return range.min() + (capped - range.min()) / step * step;
}

std::string Describe(const v1::SlotRange& range) {
  std::string text = fmt::format("{}..{}", range.min(), range.max());
  if (range.step() > 1) text += fmt::format(" step {}", range.step());
  if (range.power_of_two()) text += " powers of two";
  return text;
}

}  // namespace

absl::StatusOr<uint32_t> ChooseSlots(const v1::Queue& queue, const Choices& choices,
                                     uint32_t wanted, uint32_t normal, std::string_view field) {
  std::vector<const v1::Ring*> rings;
  for (const v1::Ring& ring : queue.rings()) {
    if (!ring.post_forms().empty() && layout::Applies(ring.features(), choices)) {
      rings.push_back(&ring);
    }
  }
  uint32_t slots = wanted != 0 ? wanted : normal;
  if (wanted == 0) {
    // One count for all rings: each pass settles it for one more.
    for (size_t pass = 0; pass < rings.size(); ++pass) {
      for (const v1::Ring* ring : rings) slots = Nearest(ring->slots(), slots);
    }
  }
  for (const v1::Ring* ring : rings) {
    if (Allowed(ring->slots(), slots)) continue;
    return Error(
        v1::ERROR_REASON_OUT_OF_RANGE, field, fmt::format("{}", slots), Describe(ring->slots()),
        fmt::format("{} slots are not what ring {} of the layout allows, {}; take {}", slots,
                    ring->name(), Describe(ring->slots()), Nearest(ring->slots(), slots)));
  }
  return slots;
}

absl::StatusOr<uint32_t> ChooseBufferBytes(const v1::Queue& queue, uint32_t wanted) {
  const v1::BufferRange& range = queue.limits().buffer();
  if (range.max_bytes() == 0) {  // the layout sets no limit
    if (wanted <= kMostBufferBytes) return wanted != 0 ? wanted : kNormalBufferBytes;
    return Error(v1::ERROR_REASON_OUT_OF_RANGE, "rx_buffer_bytes", fmt::format("{}", wanted),
                 fmt::format("{}", kMostBufferBytes),
                 fmt::format("receive buffers of {} bytes are too large; take at most {}", wanted,
                             kMostBufferBytes));
  }
  const uint32_t step = std::max(range.step_bytes(), 1U);
  const uint32_t asked = wanted != 0 ? wanted : kNormalBufferBytes;
  uint32_t near = range.min_bytes();
  if (asked > range.min_bytes()) {
    near += (std::min(asked, range.max_bytes()) - range.min_bytes()) / step * step;
  }
  if (range.power_of_two()) near = std::bit_floor(near);
  if (wanted == 0 || near == wanted) return near;
  return Error(v1::ERROR_REASON_OUT_OF_RANGE, "rx_buffer_bytes", fmt::format("{}", wanted),
               fmt::format("{}..{} step {}{}", range.min_bytes(), range.max_bytes(), step,
                           range.power_of_two() ? " powers of two" : ""),
               fmt::format("receive buffers of {} bytes are not what the layout allows, {}..{} "
                           "bytes in steps of {}{}; take {}",
                           wanted, range.min_bytes(), range.max_bytes(), step,
                           range.power_of_two() ? ", powers of two" : "", near));
}

}  // namespace qsplit::lease
