#include <cstring>

#include "absl/status/status.h"
#include "dataplane/command_ring.h"

namespace qsplit::dataplane {

absl::StatusOr<std::unique_ptr<CommandDevice>> CommandDevice::Create(
    const layout::VerifiedLayout& layout, const QueueView& view) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_COMMAND);
  if (!shape.ok()) return shape.status();
  return Create(*std::move(shape));
}

absl::StatusOr<std::unique_ptr<CommandDevice>> CommandDevice::Create(QueueShape shape) {
  absl::StatusOr<CommandQueueRings> rings = FindCommandRings(shape);
  if (!rings.ok()) return rings.status();
  absl::StatusOr<PostReader> posts = PostReader::Create(*rings->posts);
  if (!posts.ok()) return posts.status();
  absl::StatusOr<CompletionWriter> completions = CompletionWriter::Create(*rings->completions);
  if (!completions.ok()) return completions.status();
  absl::StatusOr<CompletionRules> rules =
      CompletionRules::Compile(shape, *rings->completions, completions->forms());
  if (!rules.ok()) return rules.status();
  absl::StatusOr<std::vector<CommandForm>> forms =
      CompileCommandForms(*rings->posts, posts->forms());
  if (!forms.ok()) return forms.status();
  const RingShape& post_shape = *rings->posts;
  const uint32_t post_ring = post_shape.ring_index;
  const bool own_slots = rings->posts == rings->completions;
  const uint64_t iova = post_shape.view.slots_iova.value;
  const uint32_t slot_bytes = post_shape.ring->slot_bytes();
  auto device = std::unique_ptr<CommandDevice>(
      new CommandDevice(std::move(shape), *std::move(posts), *std::move(completions)));
  device->rules_ = *std::move(rules);
  device->forms_ = *std::move(forms);
  device->post_ring_ = post_ring;
  device->own_slots_ = own_slots;
  device->iova_ = iova;
  device->slot_bytes_ = slot_bytes;
  return device;
}

RingFault CommandDevice::Fetch(Command* out) {
  FetchedDescriptor fetched;
  const RingFault fault = posts_.Next(copy_.bytes, &fetched);
  if (fault != RingFault::kNone) return fault;
  out->form = posts_.forms()[fetched.form].form;
  out->bytes = std::span<const std::byte>(copy_.bytes, fetched.bytes);
  out->handle = {};
  out->handle.index = fetched.index;
  out->handle.slots = fetched.slots;
  const CommandForm& form = forms_[fetched.form];
  if (form.tag.has_value()) out->handle.tag = form.tag->Load(copy_.bytes);
  out->handle.address = iova_ + uint64_t{fetched.index} * slot_bytes_;
  return RingFault::kNone;
}

bool CommandDevice::Put(uint32_t form, std::span<const std::byte> bytes,
                        const Command::Handle* command) {
  const int position = completions_.forms().Find(form);
  DescriptorBytes image;
  if (position < 0) return false;
  const auto at = static_cast<uint32_t>(position);
  if (!CommandImage(completions_.forms()[at], bytes, &image)) return false;
  const auto size = static_cast<uint32_t>(bytes.size());
  const uint32_t slots = completions_.forms().SlotsOf(at, size);
  if (command != nullptr) {
    uint64_t value = 0;
    switch (rules_.KeyFor(at, post_ring_)) {
      case v1::COMPLETION_KEY_IN_PLACE:
        if (completions_.position().index() != command->index) return false;
        break;
      case v1::COMPLETION_KEY_INDEX:
        value = command->index;
        break;
      case v1::COMPLETION_KEY_TAG:
        value = command->tag;
        break;
      case v1::COMPLETION_KEY_ADDRESS:
        value = command->address;
        break;
      default:
        break;
    }
    if (!rules_.Write(at, post_ring_, value, image.bytes, completions_.position())) return false;
  }
  if (!completions_.HasRoom(slots)) return false;
  completions_.Write(at, image.bytes, size, own_slots_ && command != nullptr ? command->slots : 0);
  return true;
}

bool CommandDevice::Complete(const Command::Handle& command, uint32_t form,
                             std::span<const std::byte> bytes) {
  if (!Put(form, bytes, &command)) return false;
  posts_.Done(command.slots);
  return true;
}

bool CommandDevice::Event(uint32_t form, std::span<const std::byte> bytes) {
  return !own_slots_ && Put(form, bytes, nullptr);
}

}  // namespace qsplit::dataplane
