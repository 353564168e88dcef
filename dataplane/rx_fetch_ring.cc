#include "dataplane/rx_fetch_ring.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/burst_cache.h"

namespace qsplit::dataplane {

absl::StatusOr<RxFetchRing> RxFetchRing::Create(const QueueShape& queue, const RxRings::Lane& lane,
                                                const std::string& key,
                                                const RxDeviceOptions& options) {
  const QueueScope scope = ScopeOf(queue);
  RxFetchRing ring;
  ring.ring_ = lane.buffers->ring_index;
  absl::StatusOr<PostReader> reader = PostReader::Create(lane.ordered());
  if (!reader.ok()) return reader.status();
  ring.reader_ = *std::move(reader);
  const RingForms* forms = &ring.reader_->forms();
  if (lane.names != nullptr) {
    absl::StatusOr<TableReader> table = TableReader::Create(*lane.buffers);
    if (!table.ok()) return table.status();
    ring.table_ = *std::move(table);
    absl::StatusOr<FieldAccess> name = TableIndexOf(scope, (*forms)[0].form);
    if (!name.ok()) return name.status();
    ring.name_ = *std::move(name);
    forms = &ring.table_->forms();
  }
  absl::Status why = absl::UnimplementedError(absl::StrCat(lane.buffers->Where(), ": no form"));
  bool any = false;
  for (uint32_t i = 0; i < forms->size(); ++i) {
    absl::StatusOr<RxPost> post =
        RxPost::Compile(scope, (*forms)[i].form, lane.buffers->slots.slot_bytes(),
                        options.buffer_bytes, queue.view);
    ring.posts_.emplace_back();
    if (!post.ok()) {
      why = post.status();
      continue;
    }
    any = true;
    ring.per_descriptor_ = std::max(ring.per_descriptor_, post->buffers());
    ring.posts_.back() = *std::move(post);
  }
  if (!any) return why;
  ring.descriptors_.resize(ring.reader_->slot_count());
  ring.buffers_.resize(ring.descriptors_.size() * ring.per_descriptor_);
  ring.notes_.resize(lane.ordered().slot_count);
  ring.run_ = BurstCache::Get<burst::SlotReader>(options.bursts, key,
                                                 [&] { return ring.MakeRun(options.access); });
  return ring;
}

uint32_t RxFetchRing::Available() {
  const auto loaded = static_cast<uint32_t>(end_ - next_.descriptor);
  return fault() != RingFault::kNone ? 0 : loaded + reader_->Available();
}

RingFault RxFetchRing::Fetch(bool whole, PostedBuffer* out, Place* place) {
  if (fault() != RingFault::kNone) [[unlikely]] {
    return fault();
  }
  if (next_.buffer != 0 && (whole || !MoreIn(next_))) next_ = {next_.descriptor + 1, 0};
  if (next_.descriptor == end_) {
    if (const RingFault fault = Load(); fault != RingFault::kNone) return fault;
  }
  *out = Buffers(next_.descriptor)[next_.buffer];
  *place = next_;
  ++next_.buffer;
  return RingFault::kNone;
}

std::unique_ptr<burst::SlotReader> RxFetchRing::MakeRun(AccessMode access) const {
  // Of one form, so that nothing but the buffer's own numbers is to be found out.
  if (access == AccessMode::kEngine || table_.has_value() || posts_.size() != 1 ||
      !posts_[0].has_value() || !posts_[0]->IsPlain()) {
    return nullptr;
  }
  burst::SlotReadPlan plan;
  const RxPost::First post = posts_[0]->OfFirst();
  if (post.at != 0 || !reader_->Plan(0, &plan) ||
      !burst::AddPieces(post.address, 64, 0, &plan.address)) {
    return nullptr;
  }
  plan.bytes_each = post.buffer_bytes;
  plan.most_bytes = UINT32_MAX;
  if (post.length != nullptr) {
    if (post.length->MaxRaw() > UINT32_MAX ||
        !burst::AddPieces(*post.length, 32, 0, &plan.length)) {
      return nullptr;
    }
    plan.most_bytes =
        static_cast<uint32_t>(std::min<uint64_t>(posts_[0]->most_bytes(), UINT32_MAX));
  }
  if (post.tag != nullptr &&
      (post.tag->MaxRaw() > UINT32_MAX || !burst::AddPieces(*post.tag, 32, 0, &plan.note))) {
    return nullptr;
  }
  if (!plan.IsSound()) return nullptr;
  return burst::SlotReader::Create(std::move(plan), access == AccessMode::kCompiled);
}

uint32_t RxFetchRing::FetchRun(uint32_t most, PlainBuffer* out, Place* first) {
  if (run_ == nullptr) return 0;
  if (next_.buffer != 0) next_ = {next_.descriptor + 1, 0};
  if (next_.descriptor != end_) return 0;  // some were returned
  most = std::min(most, static_cast<uint32_t>(descriptors_.size() - (end_ - oldest_)));
  const uint32_t count = reader_->NextRun(*run_, most, notes_.data(), out);
  *first = {end_, 0};
  for (uint32_t i = 0; i < count; ++i, ++end_) {
    At(end_) = {out[i].slot, 1, notes_[out[i].slot], 1};
    PostedBuffer& buffer = buffers_[end_ % descriptors_.size() * per_descriptor_];
    buffer = {.address = out[i].address, .bytes = out[i].bytes, .slot = out[i].slot};
  }
  if (count != 0) next_ = {end_ - 1, 1};
  return count;
}

RingFault RxFetchRing::Load() {
  if (end_ - oldest_ == descriptors_.size()) return RingFault::kEmpty;
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  if (const RingFault fault = reader_->Next(copy.bytes, &fetched); fault != RingFault::kNone) {
    return fault;
  }
  Descriptor& to = At(end_);
  to.slot = fetched.index;
  to.slots = fetched.slots;
  uint32_t form = fetched.form;
  if (table_.has_value()) {
    const uint64_t slot = name_.Load(copy.bytes);
    if (const RingFault fault = table_->Read(slot, true, copy.bytes, &form);
        fault != RingFault::kNone) {
      return reader_->Fail(fault);
    }
    to.slot = static_cast<uint32_t>(slot);
  }
  if (!posts_[form].has_value()) return reader_->Fail(RingFault::kUndefinedForm);
  PostedBuffer read[kMaxBuffersPerDescriptor];
  if (const RingFault fault = posts_[form]->Read(copy.bytes, read, &to.tag);
      fault != RingFault::kNone) {
    return reader_->Fail(fault);
  }
  to.buffers = 0;
  PostedBuffer* buffers = &buffers_[end_ % descriptors_.size() * per_descriptor_];
  for (uint32_t i = 0; i < posts_[form]->buffers(); ++i) {
    if (read[i].bytes == 0) continue;
    buffers[to.buffers] = read[i];
    buffers[to.buffers++].slot = to.slot;
  }
  if (to.buffers == 0) return reader_->Fail(RingFault::kBufferLength);
  ++end_;
  return RingFault::kNone;
}

uint64_t RxFetchRing::Key(uint64_t descriptor, v1::CompletionKey key) const {
  switch (key) {
    case v1::COMPLETION_KEY_INDEX:
      return At(descriptor).slot;
    case v1::COMPLETION_KEY_TAG:
      return At(descriptor).tag;
    case v1::COMPLETION_KEY_ADDRESS:
      return Address(descriptor).value;
    default:
      return 0;
  }
}

bool RxFetchRing::IsLastOf(const Place& place) const {
  return place.buffer + 1 >= At(place.descriptor).buffers;
}

void RxFetchRing::Finish(uint64_t descriptor) {
  for (; oldest_ <= descriptor && oldest_ < end_; ++oldest_) reader_->Done(At(oldest_).slots);
  if (next_.descriptor < oldest_) next_ = {oldest_, 0};
}

}  // namespace qsplit::dataplane
