#include <algorithm>
#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/burst_cache.h"
#include "dataplane/in_place_rx.h"

namespace qsplit::dataplane {

using layout::Role;

absl::StatusOr<RxPostForm> RxPostForm::Compile(const InPlaceShape& shape) {
  // The first form that offers a buffer.
  for (const uint32_t form : shape.post_forms) {
    RxPostForm post;
    std::optional<FieldAccess> address;
    for (const RoleField& from : RoleFields(shape, form)) {
      absl::StatusOr<FieldAccess> field =
          FieldAccess::Compile(*from.field, shape.Form(form).size_bytes());
      if (!field.ok()) return field.status();
      switch (from.role) {
        case Role::kBufferAddress:
          if (address.has_value()) {
            return absl::UnimplementedError(
                absl::StrCat("form ", shape.Form(form).name(),
                             ": several buffers are not driven by this build"));
          }
          address = *field;
          break;
        case Role::kBufferLength:
          post.length = *field;
          break;
        case Role::kHeaderAddress:
          post.header_address = *field;
          break;
        case Role::kReportRequest:
          post.report = *field;
          break;
        case Role::kBufferTag:
        case Role::kNextIndex:
        case Role::kRingLast:
        case Role::kOwn:
          return absl::UnimplementedError(absl::StrCat("form ", shape.Form(form).name(), ": field ",
                                                       from.field->name(), " (", from.field->role(),
                                                       ") is not driven by this build"));
        default:
          break;
      }
    }
    if (!address.has_value()) continue;
    post.address = *std::move(address);
    absl::StatusOr<DescriptorBytes> image = ConstantImage(shape, form);
    if (!image.ok()) return image.status();
    post.image = *image;
    // Every descriptor comes back one by one.
    if (post.report.has_value()) post.report->Store(post.image.bytes, 1);
    const uint32_t alignment = std::max(shape.queue->limits().buffer_alignment_bytes(), 1u);
    post.alignment_mask = alignment - 1;
    if (shape.done.Holds(post.image.bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "form ", shape.Form(form).name(), ": an empty descriptor already reads as completed"));
    }
    return post;
  }
  return absl::UnimplementedError(
      absl::StrCat("ring ", shape.ring->name(), ": no form to post has a buffer.address"));
}

absl::Status CheckBufferBytes(const InPlaceShape& shape, const RxPostForm& post,
                              uint32_t buffer_bytes) {
  if (post.length.has_value()) return absl::OkStatus();
  const v1::BufferRange& range = shape.queue->limits().buffer();
  const bool limited = range.max_bytes() != 0;
  const bool fits =
      !limited || (buffer_bytes >= range.min_bytes() && buffer_bytes <= range.max_bytes() &&
                   (buffer_bytes - range.min_bytes()) % std::max(range.step_bytes(), 1u) == 0 &&
                   (!range.power_of_two() || std::has_single_bit(buffer_bytes)));
  if (buffer_bytes != 0 && fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "buffer_bytes ", buffer_bytes, ": layout ", shape.layout->name(),
      " sets one size for all buffers of a queue; give one of ", range.min_bytes(), "..",
      limited ? absl::StrCat(range.max_bytes()) : "any", " in steps of ",
      std::max(range.step_bytes(), 1u), range.power_of_two() ? ", powers of two" : ""));
}

absl::StatusOr<std::unique_ptr<InPlaceRxDriver>> InPlaceRxDriver::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const RxOptions& options) {
  absl::StatusOr<InPlaceShape> shape = ShapeInPlaceQueue(layout, view, v1::DIRECTION_RECEIVE);
  if (!shape.ok()) return shape.status();
  auto driver = std::unique_ptr<InPlaceRxDriver>(new InPlaceRxDriver);
  driver->shape_ = *std::move(shape);
  const InPlaceShape& s = driver->shape_;
  absl::StatusOr<RxPostForm> post = RxPostForm::Compile(s);
  if (!post.ok()) return post.status();
  driver->post_ = *std::move(post);
  if (absl::Status status = CheckBufferBytes(s, driver->post_, options.buffer_bytes);
      !status.ok()) {
    return status;
  }
  driver->buffer_bytes_ = options.buffer_bytes;
  absl::StatusOr<Doorbells> doorbells = Doorbells::OfProducer(s.ring_shape);
  if (!doorbells.ok()) return doorbells.status();
  driver->doorbells_ = *doorbells;
  absl::StatusOr<FormMatcher> matcher =
      FormMatcher::Compile(*s.layout, s.complete_forms, s.choices);
  if (!matcher.ok()) return matcher.status();
  driver->matcher_ = *std::move(matcher);
  for (const uint32_t form : s.complete_forms) {
    absl::StatusOr<RxProgram> program = RxProgram::Compile(s, form, options.wanted);
    if (!program.ok()) return program.status();
    driver->available_ |= program->Fields();
    driver->programs_.push_back(*std::move(program));
  }
  const v1::PacketRule& packet = s.queue->packet();
  driver->crc_bytes_ = packet.length_includes_crc_bytes();
  driver->lengths_ = PacketLength(packet.length(), driver->crc_bytes_);
  driver->prefix_bytes_ = packet.prefix_bytes();
  driver->copy_bytes_ = (s.ring->slot_bytes() + 7) / 8 * 8;
  driver->posted_.resize(s.slot_count);
  driver->burst_ = BurstCache::Get<burst::RxBurst>(
      options.bursts,
      BurstKey("in-place rx", layout, view,
               {static_cast<uint64_t>(options.access), options.wanted.bits, options.buffer_bytes}),
      [&] { return driver->MakeBurst(options.access); });
  return driver;
}

bool InPlaceRxDriver::PostOne(const RxBuffer& buffer) {
  if ((buffer.address.value & post_.alignment_mask) != 0) return false;
  DescriptorBytes descriptor;
  CopyDescriptor(descriptor.bytes, post_.image.bytes, copy_bytes_);
  if (!post_.address.Store(descriptor.bytes, buffer.address.value)) return false;
  uint32_t bytes = buffer.bytes;
  if (post_.length.has_value()) {
    if (!post_.length->Store(descriptor.bytes, bytes)) return false;
  } else {
    if (bytes < buffer_bytes_) return false;
    bytes = buffer_bytes_;
  }
  // An address may cover the done bit: it must not read as completed before the device wrote.
  if (bytes == 0 || shape_.done.Holds(descriptor.bytes)) return false;
  shape_.slots.Write(produce_, descriptor.bytes);
  posted_[produce_] = {buffer.cookie, bytes};
  produce_ = Next(produce_);
  return true;
}

uint32_t InPlaceRxDriver::Post(std::span<const RxBuffer> buffers) {
  const uint32_t most =
      static_cast<uint32_t>(std::min<size_t>(buffers.size(), shape_.capacity - outstanding_));
  uint32_t done = 0;
  while (done < most) {
    if (burst_ != nullptr) {
      const uint32_t posted = burst_->Post(shape_.view.slots, posted_.data(), produce_, most - done,
                                           buffers.data() + done);
      done += posted;
      produce_ = Ahead(produce_, posted);
      if (done == most) break;
      if (posted != 0 && produce_ == 0) continue;  // from the ring's first slot on
    }
    if (!PostOne(buffers[done])) break;
    ++done;
  }
  produced_ += done;
  outstanding_ += done;
  return done;
}

bool InPlaceRxDriver::Publish() {
  if (produced_ == published_) return false;
  DoorbellState state;
  state.index = produce_;
  state.count = produced_;
  state.added = static_cast<uint32_t>(produced_ - published_);
  published_ = produced_;
  return doorbells_.Ring(state);
}

bool InPlaceRxDriver::PollOne(RxCompletion* out) {
  DescriptorBytes descriptor;
  // Acquire: pairs with the release of the device's store of this word.
  shape_.slots.ReadWordAcquire(consume_, shape_.done_word, descriptor.bytes);
  if (!shape_.done.Holds(descriptor.bytes)) return false;
  shape_.slots.ReadAllBut(consume_, shape_.done_word, descriptor.bytes);
  const burst::PostedSlot& posted = posted_[consume_];
  RxCompletion& completion = *out;
  completion.cookie = posted.cookie;
  completion.meta = RxMetadata();
  completion.first = !in_packet_;
  const int form = programs_.size() == 1 ? 0 : matcher_.Match(descriptor.bytes);
  consume_ = Next(consume_);
  if (form < 0) [[unlikely]] {
    // Bytes that the layout does not know: the packet ends here, marked as damaged.
    completion.length = completion.offset = 0;
    completion.last = true;
    completion.meta.error = true;
    completion.meta.present = RxField::kError;
    in_packet_ = false;
    return true;
  }
  const RxProgram& program = programs_[static_cast<size_t>(form)];
  const bool last = program.IsLast(descriptor.bytes);
  completion.last = last;
  uint64_t offset = program.Offset(descriptor.bytes);
  if (completion.first) offset += prefix_bytes_;
  completion.offset = static_cast<uint32_t>(std::min<uint64_t>(offset, posted.bytes));
  completion.length = lengths_.Here(program.Length(descriptor.bytes), completion.first, last,
                                    posted.bytes - completion.offset);
  program.Decode(descriptor.bytes, completion.first, last, &completion.meta);
  in_packet_ = !last;
  return true;
}

uint32_t InPlaceRxDriver::Poll(std::span<RxCompletion> out) {
  uint32_t count = 0;
  // Only published slots can be complete.
  const auto unpublished = static_cast<uint32_t>(produced_ - published_);
  const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_ - unpublished));
  while (count < most) {
    if (burst_ != nullptr && !in_packet_) {
      const uint32_t done = burst_->Poll(shape_.view.slots, posted_.data(), consume_, most - count,
                                         out.data() + count);
      count += done;
      consume_ = Ahead(consume_, done);
      if (count == most) break;
      if (done != 0 && consume_ == 0) continue;  // from the ring's first slot on
    }
    if (!PollOne(&out[count])) break;
    ++count;
  }
  outstanding_ -= count;
  // Where so many were there, more are likely to be.
  if (count == most) {
    shape_.slots.Prefetch(consume_, std::min(most, shape_.slot_count - consume_));
  }
  return count;
}

}  // namespace qsplit::dataplane
