#include "daemon/guard/in_place_tx_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::guard {

using device::FaultKind;
using layout::Role;

template <size_t kWords>
absl::StatusOr<std::unique_ptr<QueueGuard>> InPlaceTxGuard<kWords>::Create(QueueParts parts,
                                                                           InPlaceRings rings) {
  std::unique_ptr<InPlaceTxGuard> guard(
      new InPlaceTxGuard(std::move(rings), std::move(parts.regions)));
  const dataplane::InPlaceShape& shape = guard->rings_.shadow;
  absl::StatusOr<TxPacketCheck> packet = TxPacketCheck::Compile(shape, parts.options);
  if (!packet.ok()) return packet.status();
  guard->packet_ = *std::move(packet);
  guard->max_descriptors_ = MostDescriptors(shape.queue->limits(), parts.options, shape.capacity);
  for (size_t i = 0; i < shape.post_forms.size(); ++i) {
    if (absl::Status status = guard->CompileData(i, parts.options); !status.ok()) return status;
  }
  for (size_t i = 0; i < shape.context_forms.size(); ++i) {
    if (absl::Status status = guard->CompileContext(i); !status.ok()) return status;
  }
  for (const uint32_t form : shape.complete_forms) {
    absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfCompletion(shape, form);
    if (!kept.ok()) return kept.status();
    for (size_t i = 0; i < kWords; ++i) guard->completion_kept_[i] |= kept->words[i];
  }
  guard->reports_.resize(shape.slot_count);
  guard->CompilePlain(parts.options);
  return guard;
}

template <size_t kWords>
bool InPlaceTxGuard<kWords>::SetPlainTotal(BurstPlan<kWords>* plan) const {
  const dataplane::InPlaceShape& shape = rings_.shadow;
  for (const dataplane::RoleField& from : dataplane::RoleFields(shape, shape.post_forms.front())) {
    if (from.role != Role::kPacketTotalLength ||
        !dataplane::SpeaksIn(from.field->position(), true, true)) {
      continue;
    }
    const absl::StatusOr<WordField> total =
        WordField::Compile(shape.Form(shape.post_forms.front()), *from.field);
    const std::optional<WordTest> valid = WordTest::Of(*shape.layout, from.field->valid_when());
    if (!total.ok() || !valid.has_value() || !plan->SetTotal(*total, *valid)) return false;
  }
  return true;
}

template <size_t kWords>
void InPlaceTxGuard<kWords>::CompilePlain(const GuardOptions& options) {
  if (data_.empty()) return;
  const DataForm& form = data_.front();
  BurstPlan<kWords> plan;
  bool said = plan.SetForm(form.pattern, form.kept[true][true]) &&
              plan.SetAddress(form.address, 0) &&
              plan.SetLength(form.length, std::max<uint64_t>(packet_.min_bytes(), 1),
                             std::min(form.max_bytes, packet_.max_bytes())) &&
              (!form.may_look_done || plan.SetDone(rings_.done)) &&
              plan.SetRegions(regions_, false) && form.last.mask <= 1;
  if (form.last.there()) {
    said = said && plan.Demand(form.last.word, uint64_t{1} << form.last.shift, true);
  }
  for (size_t i = 0; i < kWords; ++i) said = said && plan.Demand(i, form.requests[i], false);
  if (form.report.there()) said = said && plan.SetReport(form.report);
  if (said && SetPlainTotal(&plan)) Base::plain_ = BurstCheck<kWords>(plan, options.checks);
}

template <size_t kWords>
absl::Status InPlaceTxGuard<kWords>::CompileData(size_t position, const GuardOptions& options) {
  const dataplane::InPlaceShape& shape = rings_.shadow;
  const uint32_t index = shape.post_forms[position];
  DataForm form;
  absl::StatusOr<DescriptorPattern> pattern = DescriptorPattern::Of(shape, index);
  if (!pattern.ok()) return pattern.status();
  DescriptorMask any;
  for (const bool first : {false, true}) {
    for (const bool last : {false, true}) {
      absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfPost(shape, index, first, last);
      if (!kept.ok()) return kept.status();
      form.kept[first][last] = Base::WordsOf(*kept);
      any |= *kept;
    }
  }
  form.pattern = WordPattern<kWords>(*pattern);
  form.may_look_done = form.pattern.MayLook(rings_.done, any);
  absl::StatusOr<DescriptorMask> requests = DescriptorMask::OfRequests(shape, index);
  if (!requests.ok()) return requests.status();
  form.requests = Base::WordsOf(*requests);
  for (const dataplane::RoleField& from : dataplane::RoleFields(shape, index)) {
    if (from.role == Role::kBufferAddress) {
      absl::StatusOr<WordAddress> address = WordAddress::Compile(shape.Form(index), *from.field);
      if (!address.ok()) return address.status();
      if (absl::Status status = address->CheckReach(regions_); !status.ok()) return status;
      form.address = *address;
    }
    WordField* to = nullptr;
    if (from.role == Role::kBufferLength) to = &form.length;
    if (from.role == Role::kPacketLength && !form.length.there()) to = &form.length;
    if (from.role == Role::kPacketLast) to = &form.last;
    if (from.role == Role::kReportRequest && shape.only_where_reported) to = &form.report;
    if (to == nullptr) continue;
    absl::StatusOr<WordField> field = WordField::Compile(shape.Form(index), *from.field);
    if (!field.ok()) return field.status();
    *to = *field;
  }
  if (!form.last.there() && shape.queue->packet().span() != v1::SPAN_SINGLE) {
    return absl::UnimplementedError(
        absl::StrCat("form ", shape.Form(index).name(), ": a guard needs packet.last in it"));
  }
  form.max_bytes = packet_.program().data[position].max_bytes;
  if (options.max_buffer_bytes != 0) {
    form.max_bytes = std::min(form.max_bytes, options.max_buffer_bytes);
  }
  data_.push_back(std::move(form));
  return absl::OkStatus();
}

template <size_t kWords>
absl::Status InPlaceTxGuard<kWords>::CompileContext(size_t position) {
  const dataplane::InPlaceShape& shape = rings_.shadow;
  const uint32_t index = shape.context_forms[position];
  absl::StatusOr<DescriptorPattern> pattern = DescriptorPattern::Of(shape, index);
  if (!pattern.ok()) return pattern.status();
  absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfPost(shape, index, true, true);
  if (!kept.ok()) return kept.status();
  ContextForm form;
  form.pattern = WordPattern<kWords>(*pattern);
  form.kept = Base::WordsOf(*kept);
  contexts_.push_back(std::move(form));
  return absl::OkStatus();
}

template <size_t kWords>
typename InPlaceTxGuard<kWords>::Step InPlaceTxGuard<kWords>::CheckContext(uint64_t* words) {
  size_t which = 0;
  while (which < contexts_.size() && !contexts_[which].pattern.Matches(words)) ++which;
  // Of no form; inside of a packet a context has no meaning either.
  if (which == contexts_.size() || packet_.begun()) return StopHere(FaultKind::kBadDescriptor);
  const ContextForm& form = contexts_[which];
  for (size_t i = 0; i < kWords; ++i) words[i] &= form.kept[i];
  if (!packet_.TakeContext(which, AsBytes(words)) || rings_.done.Holds(words[rings_.done.word])) {
    return StopHere(FaultKind::kBadDescriptor);
  }
  if (descriptors_ + 1 >= max_descriptors_) return StopHere(FaultKind::kEndlessChain);
  return Step::kMore;
}

template <size_t kWords>
inline uint64_t InPlaceTxGuard<kWords>::CheckBuffer(const DataForm& form, uint64_t* words) {
  const uint64_t iova = form.address.Get(words);
  const uint64_t bytes = form.length.Get(words);
  if (bytes - 1 >= form.max_bytes) [[unlikely]] {
    StopHere(FaultKind::kBadDescriptor, iova, bytes);
    return 0;
  }
  uint64_t device_iova = 0;
  const RegionMap::Verdict verdict = regions_.Translate(iova, bytes, false, &device_iova);
  if (verdict != RegionMap::Verdict::kReachable) [[unlikely]] {
    StopForAddress(verdict, forward_, iova, bytes);
    return 0;
  }
  form.address.Set(words, device_iova);
  return bytes;
}

template <size_t kWords>
inline void InPlaceTxGuard<kWords>::AddReport(uint32_t slot) {
  uint32_t at = report_head_ + report_count_++;
  if (at >= rings_.shadow.slot_count) at -= rings_.shadow.slot_count;
  reports_[at] = slot;
}

template <size_t kWords>
typename InPlaceTxGuard<kWords>::Step InPlaceTxGuard<kWords>::CheckPart(size_t position, bool first,
                                                                        bool last, bool asks,
                                                                        uint64_t bytes,
                                                                        const uint64_t* words) {
  if (first && !packet_.Begin(position, last, asks, AsBytes(words))) {
    return StopHere(FaultKind::kBadPacket);
  }
  packet_.Add(position, first, last, bytes, AsBytes(words));
  if (!last && descriptors_ + 1 >= max_descriptors_) {
    return StopHere(FaultKind::kEndlessChain, 0, packet_.bytes());
  }
  if (last && !packet_.End()) return StopHere(FaultKind::kBadPacket, 0, packet_.bytes());
  return last ? Step::kWhole : Step::kMore;
}

template <size_t kWords>
inline typename InPlaceTxGuard<kWords>::Step InPlaceTxGuard<kWords>::CheckData(size_t position,
                                                                               uint64_t* words) {
  const DataForm& form = data_[position];
  const bool first = !packet_.begun();
  const bool last = !form.last.there() || form.last.Get(words) != 0;
  uint64_t asks = 0;
  for (size_t i = 0; i < kWords; ++i) {
    words[i] &= form.kept[first][last][i];
    asks |= words[i] & form.requests[i];
  }
  const uint64_t bytes = CheckBuffer(form, words);
  if (bytes == 0) [[unlikely]] {
    return Step::kStopped;
  }
  // A slot that looks completed already would come back before the device had it.
  if (form.may_look_done && rings_.done.Holds(words[rings_.done.word])) [[unlikely]] {
    return StopHere(FaultKind::kBadDescriptor);
  }
  if (first && last && asks == 0) [[likely]] {
    if (!packet_.IsGoodAlone(position, bytes, AsBytes(words))) [[unlikely]] {
      return StopHere(FaultKind::kBadPacket, 0, bytes);
    }
    if (!form.report.there() || form.report.Get(words) != 0) AddReport(forward_);
    return Step::kWhole;
  }
  const Step step = CheckPart(position, first, last, asks != 0, bytes, words);
  if (step != Step::kStopped && (!form.report.there() || form.report.Get(words) != 0)) {
    AddReport(forward_);
  }
  return step;
}

template <size_t kWords>
inline typename InPlaceTxGuard<kWords>::Step InPlaceTxGuard<kWords>::Check(uint64_t* words) {
  for (size_t i = 0; i < data_.size(); ++i) {
    if (data_[i].pattern.Matches(words)) return CheckData(i, words);
  }
  return CheckContext(words);
}

template <size_t kWords>
inline void InPlaceTxGuard<kWords>::ForwardPlain(const Burst& burst, uint32_t at, uint32_t count,
                                                 Sent* sent) {
  if (count == 0) return;
  Base::plain_.Store(burst, at, count, real_.Slot(forward_));
  uint64_t bytes = 0;
  for (uint32_t i = at; i < at + count; ++i) {
    bytes += burst.bytes[i];
    if ((burst.reports >> i & 1) != 0) AddReport(forward_ + i - at);
  }
  Base::Advance(count);
  EndPackets(count, bytes, sent);
}

template <size_t kWords>
inline uint32_t InPlaceTxGuard<kWords>::ForwardBurst(Burst* burst, Sent* sent) {
  uint32_t at = 0;
  while (at < burst->count) {
    const uint32_t plain = descriptors_ == 0 ? Base::PlainFrom(*burst, at) : 0;
    if (plain != 0) [[likely]] {
      const uint32_t passed = Base::TakeTokens(plain, &burst->bytes[at]);
      ForwardPlain(*burst, at, passed, sent);
      at += passed;
      if (passed < plain) break;
      continue;
    }
    if (descriptors_ == 0 && Base::MustWait()) break;
    uint64_t* const words = burst->CopyOf(at);
    const Step step = Check(words);
    if (step == Step::kStopped) [[unlikely]] {
      break;
    }
    real_.Store(forward_, words);
    Base::Advance(1);
    ++descriptors_;
    ++at;
    if (step == Step::kMore) continue;
    Base::TakeTokens(packet_.bytes());
    descriptors_ = 0;
    EndPackets(1, packet_.bytes(), sent);
  }
  return at;
}

template <size_t kWords>
uint32_t InPlaceTxGuard<kWords>::Forward(uint32_t budget) {
  uint32_t ahead = 0;
  if (!Base::ReadPosted(&ahead)) [[unlikely]] {
    StopHere(FaultKind::kBadIndex);
    return 0;
  }
  const uint32_t most = std::min(ahead, budget);
  uint32_t seen = 0;
  Sent sent;
  while (seen < most) {
    Burst burst;
    Base::LoadPosted(most - seen, &burst);
    const uint32_t passed = ForwardBurst(&burst, &sent);
    seen += passed;
    if (passed < burst.count) break;
  }
  if (sent.packets != 0) {
    sent.whole.added = static_cast<uint32_t>(sent.whole.count - published_count_);
    published_count_ = sent.whole.count;
    rings_.doorbells.Ring(sent.whole);
    counters_.packets.Add(sent.packets);
    counters_.bytes.Add(sent.bytes);
  }
  if (seen != 0) counters_.descriptors.Add(seen);
  return seen;
}

template <size_t kWords>
uint32_t InPlaceTxGuard<kWords>::Return(uint32_t budget) {
  const uint32_t slot_count = rings_.shadow.slot_count;
  uint32_t returned = 0;
  for (; returned < budget && report_count_ != 0; ++returned) {
    const uint32_t slot = reports_[report_head_];
    uint64_t words[kWords];
    if (!Base::LoadDone(slot, completion_kept_, words)) break;
    // All slots up to this one are the client's again, before it can see so.
    in_use_ -= (slot >= consume_ ? slot - consume_ : slot + slot_count - consume_) + 1;
    consume_ = rings_.Next(slot);
    if (++report_head_ == slot_count) report_head_ = 0;
    --report_count_;
    shadow_.StoreWithLast(slot, words, rings_.done.word);
  }
  if (returned != 0) counters_.completions.Add(returned);
  return returned;
}

template class InPlaceTxGuard<2>;
template class InPlaceTxGuard<4>;

}  // namespace qsplit::guard
