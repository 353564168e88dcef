#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/command_ring.h"

namespace qsplit::dataplane {

absl::StatusOr<CommandQueueRings> FindCommandRings(const QueueShape& queue) {
  CommandQueueRings rings;
  for (const RingShape& ring : queue.rings) {
    if (!ring.post_forms.empty()) {
      if (rings.posts != nullptr || ring.ring->kind() == v1::RING_KIND_TABLE) {
        return absl::UnimplementedError(
            absl::StrCat(ring.Where(), ": a command queue with several posting rings"));
      }
      rings.posts = &ring;
    }
    if (!ring.complete_forms.empty()) {
      if (rings.completions != nullptr) {
        return absl::UnimplementedError(
            absl::StrCat(ring.Where(), ": a command queue with several completion rings"));
      }
      rings.completions = &ring;
    }
  }
  if (rings.posts == nullptr || rings.completions == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("layout ", queue.layout->name(), ", queue ", queue.queue->name(),
                     ": no ring to post into, or none with completions"));
  }
  return rings;
}

absl::StatusOr<std::vector<CommandForm>> CompileCommandForms(const RingShape& shape,
                                                             const RingForms& forms) {
  std::vector<CommandForm> compiled(forms.size());
  for (uint32_t i = 0; i < forms.size(); ++i) {
    const v1::Form& form = shape.Form(forms[i].form);
    for (const v1::Field& field : form.fields()) {
      const auto role = layout::FindRole(field.role());
      if (field.parts().empty() || !layout::Applies(field.features(), shape.choices)) continue;
      const bool tag = role == layout::Role::kTag || role == layout::Role::kBufferTag;
      if (!tag && role != layout::Role::kBufferAddress) continue;
      absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, form.size_bytes());
      if (!access.ok()) return access.status();
      std::optional<FieldAccess>& to = tag ? compiled[i].tag : compiled[i].address;
      if (!to.has_value()) to = *std::move(access);
    }
  }
  return compiled;
}

bool CommandImage(const RingForm& form, std::span<const std::byte> bytes, DescriptorBytes* image) {
  if (bytes.size() < form.bytes || bytes.size() > kMaxDescriptorBytes) return false;
  std::memcpy(image->bytes, bytes.data(), bytes.size());
  const size_t padded = std::min<size_t>(bytes.size() + 8, kMaxDescriptorBytes);
  std::memset(image->bytes + bytes.size(), 0, padded - bytes.size());
  return form.extent.Bytes(image->bytes) == bytes.size();
}

absl::StatusOr<std::unique_ptr<CommandDriver>> CommandDriver::Create(
    const layout::VerifiedLayout& layout, const QueueView& view) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_COMMAND);
  if (!shape.ok()) return shape.status();
  return Create(*std::move(shape));
}

absl::StatusOr<std::unique_ptr<CommandDriver>> CommandDriver::Create(QueueShape shape) {
  absl::StatusOr<CommandQueueRings> rings = FindCommandRings(shape);
  if (!rings.ok()) return rings.status();
  absl::StatusOr<PostWriter> posts = PostWriter::Create(*rings->posts);
  if (!posts.ok()) return posts.status();
  absl::StatusOr<CompletionReader> completions = CompletionReader::Create(*rings->completions);
  if (!completions.ok()) return completions.status();
  absl::StatusOr<CompletionRules> rules =
      CompletionRules::Compile(shape, *rings->completions, completions->forms());
  if (!rules.ok()) return rules.status();
  absl::StatusOr<std::vector<CommandForm>> forms =
      CompileCommandForms(*rings->posts, posts->forms());
  if (!forms.ok()) return forms.status();
  const uint32_t post_ring = rings->posts->ring_index;
  const bool own_slots = rings->posts == rings->completions;
  const uint32_t slot_count = rings->posts->slot_count;
  auto driver = std::unique_ptr<CommandDriver>(
      new CommandDriver(std::move(shape), *std::move(posts), *std::move(completions)));
  driver->rules_ = *std::move(rules);
  driver->forms_ = *std::move(forms);
  driver->post_ring_ = post_ring;
  driver->own_slots_ = own_slots;
  // A command that names others by number must be able to say all numbers.
  uint64_t numbers = driver->posts_.Capacity();
  for (const CommandForm& form : driver->forms_) {
    if (form.tag.has_value()) numbers = std::min(numbers, form.tag->MaxValue());
  }
  driver->in_order_ = true;
  for (uint32_t form = 0; form < driver->completions_.forms().size(); ++form) {
    const v1::CompletionKey key = driver->rules_.KeyFor(form, post_ring);
    if (key == v1::COMPLETION_KEY_TAG) driver->in_order_ = false;
  }
  driver->commands_.resize(numbers);
  for (uint64_t i = numbers; i > 0; --i) driver->free_.push_back(static_cast<uint32_t>(i - 1));
  driver->by_slot_.assign(slot_count, kNoCommand);
  driver->by_order_.assign(driver->commands_.size(), kNoCommand);
  return driver;
}

bool CommandDriver::Post(uint32_t form, std::span<const std::byte> bytes, uint64_t cookie) {
  const int position = posts_.forms().Find(form);
  DescriptorBytes image;
  if (position < 0 || free_.empty()) return false;
  const auto at = static_cast<uint32_t>(position);
  if (!CommandImage(posts_.forms()[at], bytes, &image)) return false;
  const auto size = static_cast<uint32_t>(bytes.size());
  const uint32_t slots = posts_.SlotsOf(at, size);
  // The order's ring has a place for each number, also of those done out of order.
  if (posted_ - oldest_ == by_order_.size() && in_order_) return false;
  if (!posts_.HasRoom(slots)) return false;
  const uint32_t number = free_.back();
  if (forms_[at].tag.has_value() && !forms_[at].tag->Store(image.bytes, number)) return false;
  free_.pop_back();
  Pending& command = commands_[number];
  command.pending = true;
  command.slots = slots;
  command.cookie = cookie;
  command.address = forms_[at].address.has_value() ? forms_[at].address->Load(image.bytes) : 0;
  command.index = posts_.Write(at, image.bytes, size);
  posts_.Commit();
  command.end = posts_.position().count();
  by_slot_[command.index] = number;
  if (in_order_) by_order_[posted_ % by_order_.size()] = number;
  command.order = posted_++;
  ++outstanding_;
  return true;
}

uint32_t CommandDriver::FindCommand(const CompletionTarget& target) const {
  uint32_t number = kNoCommand;
  switch (target.key) {
    case v1::COMPLETION_KEY_IN_PLACE:
      number = by_slot_[completions_.position().index()];
      break;
    case v1::COMPLETION_KEY_IN_ORDER:
      if (oldest_ != posted_ && in_order_) number = by_order_[oldest_ % by_order_.size()];
      break;
    case v1::COMPLETION_KEY_INDEX:
      number = by_slot_[target.value];
      break;
    case v1::COMPLETION_KEY_TAG:
      if (target.value < commands_.size()) number = static_cast<uint32_t>(target.value);
      break;
    case v1::COMPLETION_KEY_ADDRESS: {
      // Of the descriptor itself, else of its buffer.
      const uint64_t base = posts_.SlotAddress(0).value;
      const uint64_t slot_bytes = posts_.SlotAddress(1).value - base;
      const uint64_t offset = target.value - base;
      if (offset % slot_bytes == 0 && offset / slot_bytes < by_slot_.size()) {
        number = by_slot_[offset / slot_bytes];
        break;
      }
      for (uint32_t i = 0; i < commands_.size() && number == kNoCommand; ++i) {
        if (commands_[i].pending && commands_[i].address == target.value) number = i;
      }
      break;
    }
    default:
      break;
  }
  return number < commands_.size() && commands_[number].pending ? number : kNoCommand;
}

void CommandDriver::FinishOne(uint32_t number) {
  Pending& command = commands_[number];
  command.pending = false;
  by_slot_[command.index] = kNoCommand;
  --outstanding_;
  if (!in_order_) {
    // The device fetches in order, so that one that is done has left its slots.
    posts_.Free(command.slots);
    free_.push_back(number);
    return;
  }
  // Slots come back in order, and numbers with them, so that a number names one place at a time.
  while (oldest_ != posted_) {
    const uint32_t oldest = by_order_[oldest_ % by_order_.size()];
    if (commands_[oldest].pending) break;
    posts_.FreeUpTo(commands_[oldest].end);
    free_.push_back(oldest);
    ++oldest_;
  }
}

bool CommandDriver::Poll(CommandCompletion* out) {
  if (own_slots_ && outstanding_ == 0) return false;
  ReadCompletion read;
  *out = CommandCompletion{};
  const RingFault fault = completions_.Read(copy_.bytes, &read);
  if (fault == RingFault::kUndefinedForm) {
    // What it is about cannot be known, but in its own slot.
    uint32_t slots = 1;
    const uint32_t number = own_slots_ ? by_slot_[completions_.position().index()] : kNoCommand;
    if (number != kNoCommand && commands_[number].pending) {
      slots = commands_[number].slots;
      out->has_command = true;
      out->cookie = commands_[number].cookie;
      FinishOne(number);
    }
    completions_.Take(slots);
    return true;
  }
  if (fault != RingFault::kNone) return false;
  out->form = completions_.forms()[read.form].form;
  out->bytes = std::span<const std::byte>(copy_.bytes, read.bytes);
  uint32_t slots = read.slots;
  CompletionTarget target;
  if (rules_.Find(read.form, copy_.bytes, completions_.position(), &target) &&
      target.ring == post_ring_) {
    const uint32_t number = FindCommand(target);
    if (number != kNoCommand) {
      out->has_command = true;
      out->cookie = commands_[number].cookie;
      if (own_slots_) slots = commands_[number].slots;
      if (target.cumulative && in_order_) {
        const uint64_t end = commands_[number].order;
        uint32_t finished = 0;
        for (uint64_t order = oldest_; order < end; ++order) {
          const uint32_t before = by_order_[order % by_order_.size()];
          if (!commands_[before].pending) continue;
          ++finished;
          if (own_slots_) slots += commands_[before].slots;
          FinishOne(before);
        }
        out->commands = finished + 1;
      }
      FinishOne(number);
    }
  }
  completions_.Take(slots);
  return true;
}

}  // namespace qsplit::dataplane
