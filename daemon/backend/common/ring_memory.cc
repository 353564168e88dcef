#include "daemon/backend/common/ring_memory.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "daemon/linux/memfd.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_shape.h"
#include "dataplane/slot_fills.h"

namespace qsplit::backend {
namespace {

constexpr uint32_t kDefaultBufferBytes = 2048;

// Whether a form, or one inside it, says how long a buffer is.
bool SaysBufferLength(const v1::Layout& layout, uint32_t form_index,
                      std::span<const uint32_t> choices) {
  const v1::Form& form = layout.forms(static_cast<int>(form_index));
  if (!layout::Applies(form.features(), choices)) return false;
  for (const v1::Field& field : form.fields()) {
    if (field.role() == "buffer.length" && layout::Applies(field.features(), choices)) return true;
  }
  // Contained forms have lower indices: this ends.
  for (const v1::ContainedForm& part : form.contains()) {
    if (SaysBufferLength(layout, part.form(), choices)) return true;
  }
  return false;
}

// Whether posted descriptors say how long their buffers are.
bool SaysBufferLength(const layout::VerifiedLayout& layout, const v1::Queue& queue,
                      std::span<const uint32_t> choices) {
  for (const v1::Ring& ring : queue.rings()) {
    if (!layout::Applies(ring.features(), choices)) continue;
    for (const uint32_t form : ring.post_forms()) {
      if (SaysBufferLength(layout.message(), form, choices)) return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<uint32_t> ChooseBufferBytes(const layout::VerifiedLayout& layout,
                                           const v1::Queue& queue,
                                           std::span<const uint32_t> choices, uint32_t asked) {
  if (SaysBufferLength(layout, queue, choices)) return 0;
  const uint32_t bytes = asked == 0 ? kDefaultBufferBytes : asked;
  const v1::BufferRange& range = queue.limits().buffer();
  const bool known = range.max_bytes() != 0;
  if (known &&
      (bytes < range.min_bytes() || bytes > range.max_bytes() ||
       (range.step_bytes() != 0 && (bytes - range.min_bytes()) % range.step_bytes() != 0) ||
       (range.power_of_two() && !std::has_single_bit(bytes)))) {
    return absl::InvalidArgumentError(
        absl::StrCat("receive buffers of ", bytes, " bytes; the layout has ", range.min_bytes(),
                     "..", range.max_bytes(), " in steps of ", range.step_bytes(),
                     range.power_of_two() ? ", powers of two" : ""));
  }
  return bytes;
}

absl::StatusOr<RingMemory> MakeRingMemory(uint64_t bytes) {
  absl::StatusOr<linux_sys::OwnedFd> memfd = linux_sys::CreateSealedMemfd("qsplit-rings", bytes);
  if (!memfd.ok()) return memfd.status();
  absl::StatusOr<linux_sys::Mapping> memory =
      linux_sys::Mapping::Map(memfd->get(), 0, bytes, linux_sys::Mapping::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  if (absl::Status status = memory->Populate(absl::Milliseconds(5)); !status.ok()) return status;
  return RingMemory{std::make_shared<linux_sys::OwnedFd>(*std::move(memfd)), *std::move(memory)};
}

absl::Status StartRings(const layout::VerifiedLayout& layout, const v1::Queue& of_layout,
                        const dataplane::QueueView& view) {
  absl::StatusOr<dataplane::QueueShape> queue =
      dataplane::ShapeQueue(layout.message(), of_layout, view);
  if (!queue.ok()) return queue.status();
  for (const dataplane::RingShape& ring : queue->rings) {
    dataplane::StartCells(*ring.ring, ring.view);
    if (absl::Status status = dataplane::StartSlots(ring); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace qsplit::backend
