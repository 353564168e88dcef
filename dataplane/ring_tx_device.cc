#include "dataplane/ring_tx_device.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

// The bytes of a completion that says what there is to say: done, and of which form it is.
absl::StatusOr<DescriptorBytes> DoneImage(const RingShape& shape, uint32_t form) {
  absl::StatusOr<DescriptorBytes> image = FormImage(shape, form);
  if (!image.ok()) return image;
  const v1::Form& from = shape.Form(form);
  absl::StatusOr<Condition> selector = Condition::Compile(*shape.layout, from.selector());
  if (!selector.ok()) return selector.status();
  if (!selector->Holds(image->bytes)) {
    absl::StatusOr<std::vector<FieldStore>> stores = selector->StoresThatMakeItTrue();
    if (!stores.ok()) return stores.status();
    for (const FieldStore& store : *stores) store.field.StoreRaw(image->bytes, store.raw);
  }
  for (const v1::Field& field : from.fields()) {
    if (layout::FindRole(field.role()) != layout::Role::kQueue || field.parts().empty() ||
        !layout::Applies(field.features(), shape.choices)) {
      continue;
    }
    absl::StatusOr<FieldAccess> queue = FieldAccess::Compile(field, from.size_bytes());
    if (!queue.ok()) return queue.status();
    queue->StoreRaw(image->bytes, shape.queue_number.value & queue->MaxRaw());
  }
  return image;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RingTxDevice>> RingTxDevice::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const TxDeviceOptions& options) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_TRANSMIT);
  if (!shape.ok()) return shape.status();
  auto device = std::unique_ptr<RingTxDevice>(new RingTxDevice);
  device->shape_ = *std::move(shape);
  if (absl::Status status = device->Open(options); !status.ok()) return status;
  device->FindReader(layout, options);
  return device;
}

absl::Status RingTxDevice::Open(const TxDeviceOptions& options) {
  memory_ = options.memory;
  absl::StatusOr<TxRings> rings = TxRings::Find(shape_);
  if (!rings.ok()) return rings.status();
  rings_ = *rings;
  absl::StatusOr<PostReader> posts = PostReader::Create(*rings_.posts);
  if (!posts.ok()) return posts.status();
  posts_ = *std::move(posts);
  if (rings_.HasTable()) {
    if (absl::Status status = OpenTable(); !status.ok()) return status;
  }
  absl::StatusOr<RingTxProgram> program =
      RingTxProgram::Compile(shape_, rings_, table_ ? table_->forms() : posts_->forms());
  if (!program.ok()) return program.status();
  program_ = *std::move(program);
  contexts_ = TxContextMemory(program_.requests);
  if (absl::Status status = OpenCompletions(); !status.ok()) return status;
  absl::StatusOr<TimePlaces> times =
      TimePlaces::Find(shape_, rings_, program_, completions_ ? &completions_->forms() : nullptr);
  if (!times.ok()) return times.status();
  times_ = *std::move(times);
  if (times_.Any()) program_.requests.features |= TxFeature::kTimestamp;
  bool needs_memory = program_.prefix_bytes != 0 || program_.before_bytes != 0;
  uint32_t most_buffers = 1;
  for (const TxPost& post : program_.posts) {
    needs_memory = needs_memory || post.indirect.has_value();
    has_report_ = has_report_ || post.report_at.has_value();
    most_buffers = std::max(most_buffers, post.max_buffers);
  }
  if (needs_memory && memory_.read == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        rings_.posts->Where(), ": parts of packets stand in memory that there is no way to read"));
  }
  const uint32_t slots = rings_.descriptors->slot_count;
  segments_.resize(program_.span == v1::SPAN_SINGLE ? most_buffers : size_t{slots} * most_buffers);
  if (segments_.size() > 1) program_.requests.features |= TxFeature::kScatter;
  if (program_.has_inline) inline_.resize(rings_.descriptors->ring->slot_bytes());
  records_.resize(posts_->slot_count());
  for (uint32_t i = posts_->slot_count(); i > 0; --i) free_.push_back(i - 1);
  if (InOrder()) order_.resize(records_.size());
  if (rings_.how == TxReturn::kAddress) addresses_.resize(rings_.completions->slot_count);
  return absl::OkStatus();
}

absl::Status RingTxDevice::OpenTable() {
  absl::StatusOr<TableReader> table = TableReader::Create(*rings_.descriptors);
  if (!table.ok()) return table.status();
  table_ = *std::move(table);
  if (posts_->forms().size() != 1) {
    return absl::UnimplementedError(
        absl::StrCat(rings_.posts->Where(), ": several forms that name chains of a table"));
  }
  absl::StatusOr<FieldAccess> head = TableIndexOf(ScopeOf(shape_), posts_->forms()[0].form);
  if (!head.ok()) return head.status();
  chain_head_ = *std::move(head);
  return absl::OkStatus();
}

absl::Status RingTxDevice::OpenCompletions() {
  if (rings_.how == TxReturn::kHead) {
    absl::StatusOr<HeadWriter> head = HeadWriter::Create(*rings_.posts);
    if (!head.ok()) return head.status();
    head_ = *head;
    return absl::OkStatus();
  }
  absl::StatusOr<CompletionWriter> writer = CompletionWriter::Create(*rings_.completions);
  if (!writer.ok()) return writer.status();
  completions_ = *std::move(writer);
  absl::StatusOr<CompletionRules> rules =
      CompletionRules::Compile(shape_, *rings_.completions, completions_->forms());
  if (!rules.ok()) return rules.status();
  rules_ = *std::move(rules);
  const RingForms& forms = completions_->forms();
  for (done_form_ = 0; done_form_ < forms.size(); ++done_form_) {
    if (!rules_.CanComplete(done_form_, rings_.descriptors->ring_index)) continue;
    absl::StatusOr<DescriptorBytes> image = DoneImage(*rings_.completions, forms[done_form_].form);
    if (!image.ok()) return image.status();
    done_image_ = *image;
    done_slots_ = forms[done_form_].slots;
    if (rings_.how != TxReturn::kInPlace) return absl::OkStatus();
    for (uint32_t i = 0; i < posts_->forms().size(); ++i) {
      if (posts_->forms()[i].slots == 1 && posts_->forms()[i].extent.Fixed()) continue;
      return absl::UnimplementedError(absl::StrCat(
          rings_.posts->Where(), ": descriptors of several slots, each completed in place"));
    }
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      absl::StrCat(rings_.completions->Where(), ": no form that can complete a packet"));
}

bool RingTxDevice::StillStuck() {
  if (!is_stuck_) return false;
  const PostReader::Mark here = posts_->mark();
  posts_->Rewind(stuck_);
  const bool more = posts_->Available() != 0 || posts_->fault() != RingFault::kNone;
  posts_->Rewind(here);
  return !more;
}

uint32_t RingTxDevice::PeekAvailable() {
  // More than a ring ever has: it is no beginning of a packet that was seen before.
  if (held_.has_value()) return posts_->slot_count() + 2;
  if (posts_->fault() != RingFault::kNone || free_.empty() || StillStuck()) return 0;
  if (blocked_ != 0 && !completions_->HasRoom(blocked_)) return 0;
  const uint32_t available = posts_->Available();
  // More than the beginning that was seen before.
  return is_stuck_ && available != 0 ? available + 1 : available;
}

void RingTxDevice::WriteAnswer(const Record& record) const {
  DescriptorBytes answer{};
  times_.before->Store(record.time_ns, answer.bytes);
  // A driver that took the memory away gets no answer.
  memory_.Write(record.request + times_.before_first, answer.bytes + times_.before_first,
                times_.before_end - times_.before_first);
}

void RingTxDevice::WriteSlot(const Record& record) const {
  const RingShape& ring = *rings_.posts;
  DescriptorBytes image{};
  times_.slot->Store(record.time_ns, image.bytes);
  // The slot is the driver's when the head says so.
  std::memcpy(ring.view.slots + size_t{record.first_slot} * ring.ring->slot_bytes(), image.bytes,
              ring.ring->slot_bytes());
}

void RingTxDevice::WriteCompletion(const Record& record, uint64_t value, uint32_t advance) {
  DescriptorBytes image;
  const uint32_t bytes = completions_->forms()[done_form_].bytes;
  std::memcpy(image.bytes, done_image_.bytes, (bytes + 7) / 8 * 8);
  AddTime(record, image.bytes);
  rules_.Write(done_form_, rings_.descriptors->ring_index, value, image.bytes,
               completions_->position());
  completions_->Write(done_form_, image.bytes, bytes, advance);
}

void RingTxDevice::EmitInPlace(const Record& record) {
  DescriptorBytes image;
  const uint32_t bytes = completions_->forms()[done_form_].bytes;
  for (uint32_t i = 0; i < record.slots; ++i) {
    if (rings_.only_where_reported && !(record.report && i + 1 == record.slots)) {
      completions_->Skip(1);
      continue;
    }
    std::memcpy(image.bytes, done_image_.bytes, (bytes + 7) / 8 * 8);
    if (i + 1 == record.slots) AddTime(record, image.bytes);
    completions_->Write(done_form_, image.bytes, bytes, 1);
  }
}

void RingTxDevice::Emit(const Record& record) {
  if (record.answers) WriteAnswer(record);
  switch (rings_.how) {
    case TxReturn::kHead:
      if (record.wants_time && times_.slot.has_value()) WriteSlot(record);
      head_->Finish(record.slots);
      if (record.report || !rings_.only_where_reported) head_->Publish();
      break;
    case TxReturn::kInPlace:
      EmitInPlace(record);
      completions_->Publish();
      break;
    default: {
      const bool own = rings_.CompletesInOwnSlots();
      for (uint32_t i = 0; i < record.owed; i += done_slots_) {
        uint64_t value = record.tag;
        if (rings_.key == v1::COMPLETION_KEY_INDEX) value = record.index;
        if (rings_.how == TxReturn::kAddress) {
          value = addresses_[addresses_begin_++ % addresses_.size()];
        }
        WriteCompletion(record, value, own ? record.slots : 0);
      }
      owed_ -= record.owed;
      completions_->Publish();
    }
  }
  posts_->Done(record.slots);
}

void RingTxDevice::CompletePlain(std::span<const PlainTx> packets) {
  for (const PlainTx& packet : packets) Complete(HandleOf(packet), 0);
}

TxHandle RingTxDevice::HandleOf(const PlainTx& packet) const {
  if (packet.slot >= records_.size()) return {};
  const Record& record = records_[packet.slot];
  return {record.first_slot, record.slots, packet.slot, record.number};
}

void RingTxDevice::Complete(const TxHandle& handle, uint64_t time_ns) {
  if (handle.record >= records_.size()) return;
  Record& record = records_[handle.record];
  if (!record.fetched || record.sent || record.number != handle.number) return;
  record.sent = true;
  record.time_ns = time_ns;
  if (!InOrder()) {
    Emit(record);
    record.fetched = false;
    free_.push_back(handle.record);
    return;
  }
  while (order_begin_ != order_end_) {
    const uint32_t oldest = order_[order_begin_ % order_.size()];
    if (!records_[oldest].sent) break;
    Emit(records_[oldest]);
    records_[oldest].fetched = false;
    free_.push_back(oldest);
    ++order_begin_;
  }
}

}  // namespace qsplit::dataplane
