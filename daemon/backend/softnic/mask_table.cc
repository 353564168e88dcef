#include "daemon/backend/softnic/mask_table.h"

#include <algorithm>
#include <cstring>

#include "daemon/backend/softnic/seeded_hash.h"

namespace qsplit::softnic {

template <size_t kCount>
inline MaskTable::Packed<kCount> MaskTable::Pack(const device::FlowKey& key) const {
  const auto* const bytes = reinterpret_cast<const std::byte*>(&key);
  Packed<kCount> packed{};
  ForWords<kCount>([&](size_t i) {
    uint64_t word;
    std::memcpy(&word, bytes + offsets_[i], sizeof word);
    packed[i] = word & masks_[i];
  });
  return packed;
}

template <size_t kCount>
inline size_t MaskTable::SlotOf(const Packed<kCount>& packed) const {
  const uint64_t hash = HashOfWords<kCount>(seeds_, [&](size_t i) { return packed[i]; });
  return hash & (slots_.size() - 1);
}

template <size_t kCount>
inline bool MaskTable::Equals(uint32_t rule, const Packed<kCount>& packed) const {
  const uint64_t* const value = &values_[rule * kCount];
  uint64_t differ = 0;
  ForWords<kCount>([&](size_t i) { differ |= value[i] ^ packed[i]; });
  return differ == 0;
}

// Whether it is found is no branch here: that cannot be predicted, and the next search, or what is
// done with what was found, need not wait for it.
template <size_t kCount>
inline uint32_t MaskTable::FindIn(const device::FlowKey& key) const {
  const Packed<kCount> packed = Pack<kCount>(key);
  const uint16_t first = slots_[SlotOf<kCount>(packed)];
  if (next_[first] != 0) [[unlikely]] {
    return Walk<kCount>(key, first);
  }
  return places_[first] | NoneUnless(Equals<kCount>(first, packed));
}

template <size_t kCount>
[[gnu::noinline]] uint32_t MaskTable::Walk(const device::FlowKey& key, uint16_t first) const {
  const Packed<kCount> packed = Pack<kCount>(key);
  for (uint16_t rule = first; rule != 0; rule = next_[rule]) {
    if (Equals<kCount>(rule, packed)) return places_[rule];
  }
  return kNone;
}

template <typename F>
inline auto MaskTable::WithCount(F&& f) const {
  switch (count_) {
    case 2:
      return f.template operator()<2>();
    case 4:
      return f.template operator()<4>();
    default:
      return f.template operator()<8>();
  }
}

template <size_t kCount>
void MaskTable::Insert(const Rule& rule) {
  const auto key = std::bit_cast<device::FlowKey>(rule.value);
  const Packed<kCount> packed = Pack<kCount>(key);
  uint16_t& slot = slots_[SlotOf<kCount>(packed)];
  if (Walk<kCount>(key, slot) != kNone) return;
  next_.push_back(slot);
  slot = static_cast<uint16_t>(places_.size());
  places_.push_back(rule.place);
  values_.insert(values_.end(), packed.begin(), packed.end());
}

MaskTable::MaskTable(const FlowWords& mask, std::span<const Rule> rules, uint64_t seed) {
  size_t used = 0;
  for (uint32_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) continue;
    offsets_[used] = i * static_cast<uint32_t>(sizeof(uint64_t));
    masks_[used++] = mask[i];
  }
  count_ = std::max<size_t>(std::bit_ceil(used), 2);
  seeds_ = SeedsOf(seed);
  slots_.resize(std::bit_ceil(kSlotsForRule * rules.size() + 1));
  next_ = {0};
  places_ = {kNone};
  values_.resize(count_);
  for (const Rule& rule : rules) {
    WithCount([&]<size_t kCount>() { Insert<kCount>(rule); });
  }
}

uint32_t MaskTable::Find(const device::FlowKey& key) const {
  return WithCount([&]<size_t kCount>() { return FindIn<kCount>(key); });
}

}  // namespace qsplit::softnic
