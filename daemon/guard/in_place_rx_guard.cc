#include "daemon/guard/in_place_rx_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/in_place_rx.h"

namespace qsplit::guard {

using dataplane::RoleField;
using device::FaultKind;
using layout::Role;

template <size_t kWords>
absl::StatusOr<std::unique_ptr<QueueGuard>> InPlaceRxGuard<kWords>::Create(QueueParts parts,
                                                                           InPlaceRings rings) {
  std::unique_ptr<InPlaceRxGuard> guard(
      new InPlaceRxGuard(std::move(rings), std::move(parts.regions)));
  if (absl::Status status = guard->CompilePost(parts.options); !status.ok()) return status;
  if (absl::Status status = guard->CompileCompletion(); !status.ok()) return status;
  return guard;
}

template <size_t kWords>
absl::Status InPlaceRxGuard<kWords>::CompilePost(const GuardOptions& options) {
  const dataplane::InPlaceShape& shape = rings_.shadow;
  if (shape.post_forms.size() != 1 || shape.only_where_reported) {
    return absl::UnimplementedError(absl::StrCat(
        shape.ring_shape.Where(), ": a guard checks receive rings of one form, always completed"));
  }
  // Refuses what no driver drives.
  absl::StatusOr<dataplane::RxPostForm> driven = dataplane::RxPostForm::Compile(shape);
  if (!driven.ok()) return driven.status();
  absl::Status status = dataplane::CheckBufferBytes(shape, *driven, options.rx_buffer_bytes);
  if (!status.ok()) return status;
  post_.alignment_mask = driven->alignment_mask;
  post_.buffer_bytes = options.rx_buffer_bytes;
  post_.header_bytes = options.rx_header_bytes;
  const uint32_t index = shape.post_forms.front();
  const v1::Form& form = shape.Form(index);
  absl::StatusOr<DescriptorPattern> pattern = DescriptorPattern::Of(shape, index);
  if (!pattern.ok()) return pattern.status();
  absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfPost(shape, index, true, true);
  if (!kept.ok()) return kept.status();
  for (const RoleField& from : dataplane::RoleFields(shape, index)) {
    if (from.role == Role::kHeaderAddress && options.rx_header_bytes == 0) {
      // The device uses no such buffers: none is named.
      if (status = pattern->DemandZero(form, *from.field); !status.ok()) return status;
    } else if (from.role == Role::kBufferAddress || from.role == Role::kHeaderAddress) {
      absl::StatusOr<WordAddress> address = WordAddress::Compile(form, *from.field);
      if (!address.ok()) return address.status();
      if (status = address->CheckReach(regions_); !status.ok()) return status;
      (from.role == Role::kBufferAddress ? post_.address : post_.header_address) = *address;
    } else if (from.role == Role::kBufferLength) {
      absl::StatusOr<WordField> length = WordField::Compile(form, *from.field);
      if (!length.ok()) return length.status();
      post_.length = *length;
    }
  }
  const v1::Limits& limits = shape.queue->limits();
  post_.max_bytes = post_.length.there() ? post_.length.mask : post_.buffer_bytes;
  for (const uint64_t limit : {uint64_t{limits.buffer().max_bytes()}, options.max_buffer_bytes}) {
    if (limit != 0) post_.max_bytes = std::min(post_.max_bytes, limit);
  }
  post_.pattern = WordPattern<kWords>(*pattern);
  post_.may_look_done = post_.pattern.MayLook(rings_.done, *kept);
  post_.kept = Base::WordsOf(*kept);
  CompilePlain(options);
  return absl::OkStatus();
}

template <size_t kWords>
void InPlaceRxGuard<kWords>::CompilePlain(const GuardOptions& options) {
  BurstPlan<kWords> plan;
  const bool said = plan.SetForm(post_.pattern, post_.kept) &&
                    plan.SetAddress(post_.address, post_.alignment_mask) &&
                    (post_.length.there() ? plan.SetLength(post_.length, 1, post_.max_bytes)
                                          : plan.SetBytes(post_.buffer_bytes, post_.max_bytes)) &&
                    (!post_.may_look_done || plan.SetDone(rings_.done)) &&
                    plan.SetRegions(regions_, true) && !post_.header_address.there();
  if (said) Base::plain_ = BurstCheck<kWords>(plan, options.checks);
}

template <size_t kWords>
absl::Status InPlaceRxGuard<kWords>::CompileCompletion() {
  const dataplane::InPlaceShape& shape = rings_.shadow;
  for (const uint32_t index : shape.complete_forms) {
    absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfCompletion(shape, index);
    if (!kept.ok()) return kept.status();
    for (size_t i = 0; i < kWords; ++i) complete_.kept[i] |= kept->words[i];
    for (const RoleField& from : dataplane::RoleFields(shape, index)) {
      if (from.role == Role::kHeaderAddress ||
          (from.role == Role::kBufferAddress && shape.complete_forms.size() != 1)) {
        return absl::UnimplementedError(
            absl::StrCat("form ", shape.Form(index).name(), ", field ", from.field->name(),
                         ": a guard cannot make this address the client's again"));
      }
      if (from.role == Role::kBufferAddress) {
        absl::StatusOr<WordAddress> address = WordAddress::Compile(shape.Form(index), *from.field);
        if (!address.ok()) return address.status();
        complete_.address = *address;
      } else if (from.role == Role::kPacketLength || from.role == Role::kPacketLast) {
        // Only counted: where it is not to be had so, it is not.
        absl::StatusOr<WordField> field = WordField::Compile(shape.Form(index), *from.field);
        if (!field.ok()) continue;
        (from.role == Role::kPacketLength ? complete_.length : complete_.last) = *field;
      }
    }
  }
  if (complete_.address.there()) posted_iova_.resize(shape.slot_count);
  return absl::OkStatus();
}

template <size_t kWords>
bool InPlaceRxGuard<kWords>::CheckHeader(const PostForm& form, uint64_t* words) {
  const uint64_t iova = form.header_address.Get(words);
  uint64_t device_iova = 0;
  const RegionMap::Verdict verdict =
      regions_.Translate(iova, form.header_bytes, true, &device_iova);
  if (verdict != RegionMap::Verdict::kReachable) {
    StopForAddress(verdict, forward_, iova, form.header_bytes);
    return false;
  }
  form.header_address.Set(words, device_iova);
  return true;
}

template <size_t kWords>
inline bool InPlaceRxGuard<kWords>::Check(const PostForm& form, uint64_t* words) {
  if (!form.pattern.Matches(words)) [[unlikely]] {
    Stop(FaultKind::kBadDescriptor, forward_);
    return false;
  }
  for (size_t i = 0; i < kWords; ++i) words[i] &= form.kept[i];
  const uint64_t iova = form.address.Get(words);
  const uint64_t bytes = form.length.there() ? form.length.Get(words) : form.buffer_bytes;
  if (bytes - 1 >= form.max_bytes || (iova & form.alignment_mask) != 0) [[unlikely]] {
    Stop(FaultKind::kBadDescriptor, forward_, iova, bytes);
    return false;
  }
  uint64_t device_iova = 0;
  const RegionMap::Verdict verdict = regions_.Translate(iova, bytes, true, &device_iova);
  if (verdict != RegionMap::Verdict::kReachable) [[unlikely]] {
    StopForAddress(verdict, forward_, iova, bytes);
    return false;
  }
  form.address.Set(words, device_iova);
  if (form.header_address.there() && !CheckHeader(form, words)) [[unlikely]] {
    return false;
  }
  // A slot that looks completed already would come back before the device had it.
  if (form.may_look_done && rings_.done.Holds(words[rings_.done.word])) [[unlikely]] {
    Stop(FaultKind::kBadDescriptor, forward_, iova, bytes);
    return false;
  }
  if (!posted_iova_.empty()) posted_iova_[forward_] = iova;
  return true;
}

template <size_t kWords>
inline void InPlaceRxGuard<kWords>::ForwardPlain(const Burst& burst, uint32_t at, uint32_t count) {
  Base::plain_.Store(burst, at, count, real_.Slot(forward_));
  if (!posted_iova_.empty()) {
    for (uint32_t i = 0; i < count; ++i) {
      posted_iova_[forward_ + i] = post_.address.Get(&burst.copy[(at + i) * kWords]);
    }
  }
  Base::Advance(count);
}

template <size_t kWords>
inline uint32_t InPlaceRxGuard<kWords>::ForwardBurst(Burst* burst) {
  uint32_t at = 0;
  while (at < burst->count) {
    if (const uint32_t plain = Base::PlainFrom(*burst, at); plain != 0) [[likely]] {
      const uint32_t passed = Base::TakeTokens(plain, nullptr);
      ForwardPlain(*burst, at, passed);
      at += passed;
      if (passed < plain) break;
      continue;
    }
    uint64_t* const words = burst->CopyOf(at);
    if (Base::MustWait() || !Check(post_, words)) [[unlikely]] {
      break;
    }
    real_.Store(forward_, words);
    Base::TakeTokens(0);
    Base::Advance(1);
    ++at;
  }
  return at;
}

template <size_t kWords>
uint32_t InPlaceRxGuard<kWords>::Forward(uint32_t budget) {
  uint32_t ahead = 0;
  if (!Base::ReadPosted(&ahead)) [[unlikely]] {
    Stop(FaultKind::kBadIndex, forward_);
    return 0;
  }
  const uint32_t most = std::min(ahead, budget);
  uint32_t forwarded = 0;
  while (forwarded < most) {
    Burst burst;
    Base::LoadPosted(most - forwarded, &burst);
    const uint32_t passed = ForwardBurst(&burst);
    forwarded += passed;
    if (passed < burst.count) break;
  }
  if (forwarded == 0) return 0;
  counters_.descriptors.Add(forwarded);
  dataplane::DoorbellState state;
  state.index = forward_;
  state.count = forward_count_;
  state.added = forwarded;
  rings_.doorbells.Ring(state);
  return forwarded;
}

template <size_t kWords>
uint32_t InPlaceRxGuard<kWords>::Return(uint32_t budget) {
  const uint32_t most = std::min(in_use_, budget);
  uint32_t slot = consume_;
  uint32_t returned = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  for (; returned < most; ++returned, slot = rings_.Next(slot)) {
    uint64_t words[kWords];
    if (!Base::LoadDone(slot, complete_.kept, words)) break;
    if (complete_.address.there()) complete_.address.Set(words, posted_iova_[slot]);
    packets += complete_.last.there() ? complete_.last.Get(words) : 1;
    bytes += complete_.length.Get(words);
    shadow_.StoreWithLast(slot, words, rings_.done.word);
  }
  if (returned == 0) return 0;
  consume_ = slot;
  in_use_ -= returned;
  counters_.completions.Add(returned);
  counters_.packets.Add(packets);
  counters_.bytes.Add(bytes);
  return returned;
}

template class InPlaceRxGuard<2>;
template class InPlaceRxGuard<4>;

}  // namespace qsplit::guard
