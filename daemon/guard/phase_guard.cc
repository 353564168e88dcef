#include "daemon/guard/phase_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::guard {

using dataplane::CompletionTarget;
using dataplane::DescriptorBytes;
using dataplane::FetchedDescriptor;
using dataplane::QueueScope;
using dataplane::QueueShape;
using dataplane::ReadCompletion;
using dataplane::RingFault;
using dataplane::RingShape;
using device::FaultKind;

bool PhaseGuard::Fits(const QueueShape& queue) {
  if (queue.rings.size() != 1) return false;
  const RingShape& ring = queue.rings.front();
  return ring.CompletesInOwnSlots() && ring.ring->has_phase() && ring.ring->posted().has_when() &&
         ring.ring->completed().has_when();
}

absl::StatusOr<std::unique_ptr<QueueGuard>> PhaseGuard::Create(QueueParts parts) {
  std::unique_ptr<PhaseGuard> guard(new PhaseGuard(std::move(parts.regions)));
  for (const bool real : {false, true}) {
    absl::StatusOr<QueueShape> shape =
        dataplane::ShapeQueue(parts.layout, real ? parts.real : parts.shadow, parts.direction);
    if (!shape.ok()) return shape.status();
    (real ? guard->real_ : guard->shadow_) = *std::move(shape);
  }
  const v1::Queue& queue = *guard->shadow_.queue;
  const uint32_t slots = guard->shadow_.rings.front().slot_count;
  guard->device_writes_ = parts.direction == v1::DIRECTION_RECEIVE;
  guard->prefix_bytes_ = queue.packet().prefix_bytes();
  guard->min_bytes_ = std::max<uint64_t>(queue.limits().min_bytes_per_packet(), 1);
  guard->max_bytes_ = LongestPacket(queue.limits(), parts.options);
  guard->max_descriptors_ = MostDescriptors(queue.limits(), parts.options, slots);
  if (absl::Status status = guard->CompileRing(parts.options); !status.ok()) return status;
  guard->slots_of_tag_.resize(slots);
  return guard;
}

absl::Status PhaseGuard::CompileRing(const GuardOptions& options) {
  const RingShape& shadow = shadow_.rings.front();
  const RingShape& real = real_.rings.front();
  const QueueScope scope = dataplane::ScopeOf(shadow_);
  const auto into = [](auto made, auto* to) {
    if (made.ok()) *to = *std::move(made);
    return made.status();
  };
  for (absl::Status status : {into(dataplane::PostReader::Create(shadow), &reader_),
                              into(dataplane::CompletionWriter::Create(shadow), &done_writer_),
                              into(dataplane::PostWriter::Create(real), &writer_),
                              into(dataplane::CompletionReader::Create(real), &done_),
                              into(dataplane::EventRequest::Compile(real), &interrupts_)}) {
    if (!status.ok()) return status;
  }
  if (absl::Status status =
          into(dataplane::CompletionRules::Compile(real_, real, done_->forms()), &rules_);
      !status.ok()) {
    return status;
  }
  for (uint32_t i = 0; i < reader_->forms().size(); ++i) {
    const dataplane::RingForm& form = reader_->forms()[i];
    if (form.slots != 1 || !form.extent.Fixed()) {
      return absl::UnimplementedError(
          absl::StrCat(shadow.Where(), ": descriptors of several slots cannot be guarded"));
    }
    absl::StatusOr<BufferForm> compiled =
        BufferForm::Compile(scope, form.form, shadow_.queue->direction(), options);
    if (!compiled.ok()) return compiled.status();
    if (!compiled->has_tag() || compiled->has_next_index()) {
      return absl::UnimplementedError(
          absl::StrCat(shadow.Where(),
                       ": a guard needs a tag in each descriptor, and chains of adjacent slots"));
    }
    forms_.push_back(*std::move(compiled));
  }
  return CompileCompletions(scope, done_->forms(), &done_kept_, &done_length_);
}

PhaseGuard::Step PhaseGuard::Check(const FetchedDescriptor& fetched, std::byte* copy) {
  const BufferForm& form = forms_[fetched.form];
  const CheckedBuffer buffer = form.Check(copy, &regions_);
  if (!buffer.good) {
    Stop(buffer.kind, fetched.index, buffer.iova, buffer.bytes);
    return Step::kStopped;
  }
  ++descriptors_;
  bytes_ += buffer.bytes;
  if (!form.HasNext(copy)) return EndPacket(fetched.index, form.Tag(copy));
  if (descriptors_ >= max_descriptors_) {
    Stop(FaultKind::kEndlessChain, fetched.index, buffer.iova, bytes_);
    return Step::kStopped;
  }
  return Step::kMore;
}

PhaseGuard::Step PhaseGuard::EndPacket(uint32_t slot, uint64_t tag) {
  // The device's books may be by tag.
  if (tag >= slots_of_tag_.size() || slots_of_tag_[tag] != 0) {
    Stop(FaultKind::kBadIndex, slot);
    return Step::kStopped;
  }
  if (!device_writes_ &&
      (bytes_ < prefix_bytes_ + min_bytes_ || bytes_ - prefix_bytes_ > max_bytes_)) {
    Stop(FaultKind::kBadPacket, slot, 0, bytes_);
    return Step::kStopped;
  }
  slots_of_tag_[tag] = descriptors_;
  with_device_ += descriptors_;
  return Step::kWhole;
}

uint32_t PhaseGuard::Forward(uint32_t budget) {
  uint32_t forwarded = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  while (forwarded < budget) {
    if (descriptors_ == 0 && MustWait()) break;
    // No more slots than both sides have; what is full is the client's to wait for.
    if (!writer_->HasRoom(1)) break;
    DescriptorBytes copy;
    FetchedDescriptor fetched;
    const RingFault fault = reader_->Next(copy.bytes, &fetched, descriptors_ == 0);
    if (fault == RingFault::kEmpty) break;
    if (fault != RingFault::kNone) {
      Stop(FaultKind::kBadDescriptor, reader_->position().index());
      break;
    }
    const Step step = Check(fetched, copy.bytes);
    if (step == Step::kStopped) break;
    writer_->Write(fetched.form, copy.bytes, fetched.bytes);
    ++forwarded;
    if (step == Step::kMore) continue;
    writer_->Commit();
    ++packets;
    const uint64_t sent = device_writes_ ? 0 : bytes_ - prefix_bytes_;
    bytes += sent;
    TakeTokens(sent);
    descriptors_ = 0;
    bytes_ = 0;
  }
  if (packets != 0) writer_->Publish();
  if (forwarded != 0) counters_.descriptors.Add(forwarded);
  if (packets != 0 && !device_writes_) {
    counters_.packets.Add(packets);
    counters_.bytes.Add(bytes);
  }
  return forwarded;
}

uint32_t PhaseGuard::Return(uint32_t budget) {
  uint32_t returned = 0;
  uint64_t bytes = 0;
  // An unused slot may read as completed: only as long as the device has something.
  while (returned < budget && with_device_ != 0) {
    DescriptorBytes copy;
    ReadCompletion read;
    if (done_->Read(copy.bytes, &read) != RingFault::kNone) break;
    CompletionTarget target;
    // A completion of nothing that the device has: it goes no further.
    if (!rules_->Find(read.form, copy.bytes, done_->position(), &target) ||
        target.key != v1::COMPLETION_KEY_TAG || target.value >= slots_of_tag_.size() ||
        slots_of_tag_[target.value] == 0) {
      break;
    }
    const uint32_t slots = slots_of_tag_[target.value];
    slots_of_tag_[target.value] = 0;
    with_device_ -= slots;
    done_->Take(slots);
    reader_->Done(slots);
    writer_->Free(slots);
    done_kept_[read.form].Apply(copy.bytes, (read.bytes + 7) / 8 * 8);
    if (done_length_[read.form].has_value()) bytes += done_length_[read.form]->Load(copy.bytes);
    done_writer_->Write(read.form, copy.bytes, read.bytes, slots);
    ++returned;
  }
  if (returned == 0) return 0;
  done_->Publish();
  done_writer_->Publish();
  counters_.completions.Add(returned);
  if (device_writes_) {
    counters_.packets.Add(returned);
    counters_.bytes.Add(bytes);
  }
  return returned;
}

void PhaseGuard::SetNeedWakeup(bool need) {
  interrupts_.Want(need, done_->position().count());
  reader_->SetNeedWakeup(need);
}

bool PhaseGuard::HasWork() {
  // What cannot be is work too: Forward finds it out.
  if (!stopped() && writer_->HasRoom(1) &&
      (reader_->Available() != 0 || reader_->fault() != RingFault::kNone)) {
    return true;
  }
  if (with_device_ == 0) return false;
  DescriptorBytes copy;
  ReadCompletion read;
  return done_->Read(copy.bytes, &read) == RingFault::kNone;
}

}  // namespace qsplit::guard
