#include "daemon/backend/softnic/mask_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace qsplit::softnic {
namespace {

__extension__ using Wide = unsigned __int128;

// 64 bits out of 128, all of which depend on all of both numbers.
uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Calls f(0) to f(kCount - 1), as if it were written down so: words stay in registers.
template <size_t kCount, typename F>
[[gnu::always_inline]] inline void ForWords(F&& f) {
  [&]<size_t... kWord>(std::index_sequence<kWord...>) { (f(kWord), ...); }
  (std::make_index_sequence<kCount>{});
}

}  // namespace

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

// Each pair of words is multiplied with secret numbers added: two keys meet by chance alone.
template <size_t kCount>
inline size_t MaskTable::SlotOf(const Packed<kCount>& packed) const {
  uint64_t hash = 0;
  ForWords<kCount / 2>([&](size_t i) {
    hash += Mix(packed[2 * i] + seeds_[2 * i], packed[2 * i + 1] + seeds_[2 * i + 1]);
  });
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
  for (uint64_t& word : seeds_) {
    // The next of a row of numbers that the first one hides: splitmix64.
    seed += 0x9e3779b97f4a7c15u;
    word = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) * 0x94d049bb133111ebu;
    word ^= word >> 31;
  }
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
