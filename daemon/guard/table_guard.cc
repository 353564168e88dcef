#include "daemon/guard/table_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

using dataplane::CompletionTarget;
using dataplane::DescriptorBytes;
using dataplane::FetchedDescriptor;
using dataplane::FieldAccess;
using dataplane::QueueScope;
using dataplane::QueueShape;
using dataplane::ReadCompletion;
using dataplane::RingFault;
using dataplane::RingShape;
using dataplane::RoleField;
using device::FaultKind;
using layout::Role;

TableGuard::Rings TableGuard::Rings::Of(const QueueShape& queue) {
  Rings rings;
  for (const RingShape& ring : queue.rings) {
    if (ring.ring->kind() == v1::RING_KIND_TABLE) {
      rings.table = &ring;
    } else if (ring.complete_forms.empty()) {
      rings.names = &ring;
    } else if (ring.post_forms.empty()) {
      rings.done = &ring;
    }
  }
  return rings;
}

bool TableGuard::Fits(const QueueShape& queue) {
  const Rings rings = Rings::Of(queue);
  return queue.rings.size() == 3 && rings.table != nullptr && rings.names != nullptr &&
         rings.done != nullptr;
}

absl::StatusOr<std::unique_ptr<QueueGuard>> TableGuard::Create(QueueParts parts) {
  std::unique_ptr<TableGuard> guard(new TableGuard(std::move(parts.regions)));
  for (const bool real : {false, true}) {
    absl::StatusOr<QueueShape> shape =
        dataplane::ShapeQueue(parts.layout, real ? parts.real : parts.shadow, parts.direction);
    if (!shape.ok()) return shape.status();
    (real ? guard->real_ : guard->shadow_) = *std::move(shape);
  }
  const Rings shadow = Rings::Of(guard->shadow_);
  const Rings real = Rings::Of(guard->real_);
  const v1::Queue& queue = *guard->shadow_.queue;
  const v1::Limits& limits = queue.limits();
  guard->device_writes_ = parts.direction == v1::DIRECTION_RECEIVE;
  guard->prefix_bytes_ = queue.packet().prefix_bytes();
  guard->min_bytes_ = std::max<uint64_t>(limits.min_bytes_per_packet(), 1);
  guard->max_bytes_ = LongestPacket(limits, parts.options);
  guard->max_descriptors_ = MostDescriptors(limits, parts.options, shadow.table->slot_count);
  guard->table_slots_ = shadow.table->slot_count;
  if (absl::Status status = guard->CompileRings(shadow, real, parts.options); !status.ok()) {
    return status;
  }
  guard->slots_.resize(guard->table_slots_);
  return guard;
}

absl::Status TableGuard::CompileRings(const Rings& shadow, const Rings& real,
                                      const GuardOptions& options) {
  const QueueScope scope = dataplane::ScopeOf(shadow_);
  const auto into = [](auto made, auto* to) {
    if (made.ok()) *to = *std::move(made);
    return made.status();
  };
  const v1::Direction direction = shadow_.queue->direction();
  for (absl::Status status :
       {into(dataplane::PostReader::Create(*shadow.names), &names_),
        into(dataplane::TableReader::Create(*shadow.table), &table_),
        into(dataplane::CompletionWriter::Create(*shadow.done), &done_writer_),
        into(dataplane::PostWriter::Create(*real.names), &names_writer_),
        into(dataplane::CompletionReader::Create(*real.done), &done_),
        into(dataplane::EventRequest::Compile(*real.names), &interrupts_)}) {
    if (!status.ok()) return status;
  }
  if (absl::Status status =
          into(dataplane::CompletionRules::Compile(real_, *real.done, done_->forms()), &rules_);
      !status.ok()) {
    return status;
  }
  if (names_->forms().size() != 1) {
    return absl::UnimplementedError(
        absl::StrCat(shadow.names->Where(), ": a guard reads names of one form"));
  }
  absl::StatusOr<DescriptorMask> kept =
      DescriptorMask::OfPost(scope, names_->forms()[0].form, true, true);
  if (!kept.ok()) return kept.status();
  if (absl::Status status = into(dataplane::TableIndexOf(scope, names_->forms()[0].form), &name_);
      !status.ok()) {
    return status;
  }
  real_table_ = real.table->slots;
  descriptor_bytes_ = shadow.table->ring->slot_bytes();
  for (uint32_t i = 0; i < table_->forms().size(); ++i) {
    absl::StatusOr<BufferForm> form =
        BufferForm::Compile(scope, table_->forms()[i].form, direction, options);
    if (!form.ok()) return form.status();
    forms_.push_back(*std::move(form));
  }
  return CompileCompletions(scope, done_->forms(), &done_kept_, &done_length_);
}

bool TableGuard::CheckChain(uint64_t head, uint32_t* descriptors, uint64_t* bytes) {
  uint64_t slot = head;
  uint32_t before = kNone;
  for (*descriptors = 0;; ++*descriptors) {
    if (slot >= table_slots_) {
      Stop(FaultKind::kBadIndex, static_cast<uint32_t>(std::min<uint64_t>(slot, UINT32_MAX)));
      return false;
    }
    const auto at = static_cast<uint32_t>(slot);
    if (*descriptors == max_descriptors_) {
      Stop(FaultKind::kEndlessChain, at, 0, *bytes);
      return false;
    }
    // In this chain already, or in another one.
    if (slots_[at].with_device) {
      Stop(*descriptors == 0 ? FaultKind::kBadIndex : FaultKind::kEndlessChain, at);
      return false;
    }
    DescriptorBytes copy;
    uint32_t form = 0;
    if (table_->Read(slot, *descriptors == 0, copy.bytes, &form) != RingFault::kNone) {
      Stop(FaultKind::kBadDescriptor, at);
      return false;
    }
    const CheckedBuffer buffer = forms_[form].Check(copy.bytes, &regions_);
    if (!buffer.good) {
      Stop(buffer.kind, at, buffer.iova, buffer.bytes);
      return false;
    }
    real_table_.Write(at, copy.bytes, descriptor_bytes_);
    slots_[at] = {true, *descriptors == 0, kNone};
    if (before != kNone) slots_[before].next = at;
    before = at;
    *bytes += buffer.bytes;
    if (!forms_[form].HasNext(copy.bytes)) break;
    slot = forms_[form].NextIndex(copy.bytes);
  }
  ++*descriptors;
  return true;
}

uint32_t TableGuard::Forward(uint32_t budget) {
  uint32_t forwarded = 0;
  uint64_t packets = 0;
  uint64_t all_bytes = 0;
  while (forwarded < budget && !MustWait()) {
    DescriptorBytes copy;
    FetchedDescriptor fetched;
    const RingFault fault = names_->Next(copy.bytes, &fetched);
    if (fault == RingFault::kEmpty) break;
    if (fault != RingFault::kNone) {
      Stop(FaultKind::kBadIndex, names_->position().index());
      break;
    }
    const uint64_t head = name_.Load(copy.bytes);
    uint32_t descriptors = 0;
    uint64_t bytes = 0;
    if (!CheckChain(head, &descriptors, &bytes)) break;
    const auto at = static_cast<uint32_t>(head);
    const bool fits = device_writes_ ||
                      (bytes >= prefix_bytes_ + min_bytes_ && bytes - prefix_bytes_ <= max_bytes_);
    if (!fits) {
      Stop(FaultKind::kBadPacket, at, 0, bytes);
      break;
    }
    // As many names as slots of the table can be on their way, and each has one of its own.
    if (!names_writer_->HasRoom(1)) {
      Stop(FaultKind::kBadIndex, at);
      break;
    }
    names_writer_->Write(0, copy.bytes);
    names_writer_->Commit();
    TakeTokens(device_writes_ ? 0 : bytes - prefix_bytes_);
    forwarded += descriptors;
    ++packets;
    all_bytes += bytes - (device_writes_ ? 0 : prefix_bytes_);
  }
  if (packets == 0) return 0;
  names_writer_->Publish();
  counters_.descriptors.Add(forwarded);
  if (!device_writes_) {
    counters_.packets.Add(packets);
    counters_.bytes.Add(all_bytes);
  }
  return forwarded;
}

uint32_t TableGuard::FreeChain(uint64_t head) {
  if (head >= table_slots_ || !slots_[head].with_device || !slots_[head].head) return 0;
  uint32_t freed = 0;
  for (auto slot = static_cast<uint32_t>(head); slot != kNone; ++freed) {
    const uint32_t next = slots_[slot].next;
    slots_[slot] = {};
    slot = next;
  }
  return freed;
}

uint32_t TableGuard::Return(uint32_t budget) {
  uint32_t seen = 0;
  uint32_t returned = 0;
  uint64_t bytes = 0;
  for (; seen < budget && done_writer_->HasRoom(1); ++seen) {
    DescriptorBytes copy;
    ReadCompletion read;
    const RingFault fault = done_->Read(copy.bytes, &read);
    if (fault == RingFault::kUndefinedForm) {
      done_->Take(1);
      continue;
    }
    if (fault != RingFault::kNone) break;
    done_->Take(read.slots);
    CompletionTarget target;
    // A completion of nothing that the device has says nothing to the client.
    if (!rules_->Find(read.form, copy.bytes, done_->position(), &target) ||
        target.key != v1::COMPLETION_KEY_INDEX || FreeChain(target.value) == 0) {
      continue;
    }
    names_->Done(1);
    names_writer_->Free(1);
    done_kept_[read.form].Apply(copy.bytes, (read.bytes + 7) / 8 * 8);
    if (done_length_[read.form].has_value()) bytes += done_length_[read.form]->Load(copy.bytes);
    done_writer_->Write(read.form, copy.bytes, read.bytes);
    ++returned;
  }
  if (seen == 0) return 0;
  done_->Publish();
  done_writer_->Publish();
  counters_.completions.Add(returned);
  if (device_writes_) {
    counters_.packets.Add(returned);
    counters_.bytes.Add(bytes);
  }
  return returned;
}

void TableGuard::SetNeedWakeup(bool need) {
  interrupts_.Want(need, done_->position().count());
  names_->SetNeedWakeup(need);
}

bool TableGuard::HasWork() {
  // What cannot be is work too: Forward finds it out.
  if (!stopped() && (names_->Available() != 0 || names_->fault() != RingFault::kNone)) return true;
  DescriptorBytes copy;
  ReadCompletion read;
  return done_->Read(copy.bytes, &read) == RingFault::kNone;
}

}  // namespace qsplit::guard
