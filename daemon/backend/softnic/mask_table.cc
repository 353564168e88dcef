#include "daemon/backend/softnic/mask_table.h"

#include <algorithm>
#include <cstring>

namespace qsplit::softnic {
namespace {

__extension__ using Wide = unsigned __int128;

// 64 bits out of 128, all of which depend on all of both numbers.
uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint16_t MarkOf(uint64_t hash) { return static_cast<uint16_t>(hash >> 48 | 1); }

}  // namespace

template <size_t kCount>
inline void MaskTable::Pack(const device::FlowKey& key, uint64_t* packed) const {
  const auto* const bytes = reinterpret_cast<const std::byte*>(&key);
  for (size_t i = 0; i < kCount; ++i) {
    uint64_t word;
    std::memcpy(&word, bytes + offsets_[i], sizeof word);
    packed[i] = word & masks_[i];
  }
}

// Each pair of words is multiplied with secret numbers added: two keys meet by chance alone.
template <size_t kCount>
inline uint64_t MaskTable::Hash(const uint64_t* packed) const {
  uint64_t hash = 0;
  for (size_t i = 0; i < kCount; i += 2) {
    hash += Mix(packed[i] + seeds_[i], packed[i + 1] + seeds_[i + 1]);
  }
  return hash;
}

template <size_t kCount>
inline bool MaskTable::Equals(uint32_t rule, const uint64_t* packed) const {
  const uint64_t* const value = &values_[rule * kCount];
  uint64_t differ = 0;
  for (size_t i = 0; i < kCount; ++i) {
    // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): Pack wrote all of them
    differ |= value[i] ^ packed[i];
  }
  return differ == 0;
}

// Whether it is found is no branch here: that cannot be predicted.
template <size_t kCount>
inline uint32_t MaskTable::FindPacked(const uint64_t* packed, uint16_t first) const {
  if (next_[first] != 0) [[unlikely]] {
    return Walk<kCount>(packed, first);
  }
  return places_[first] | NoneUnless(Equals<kCount>(first, packed));
}

// Here it is one, as early as possible: what is done with what was found waits for nothing else.
template <size_t kCount>
inline uint32_t MaskTable::FindOne(const device::FlowKey& key) const {
  uint64_t packed[kCount];
  Pack<kCount>(key, packed);
  const uint64_t hash = Hash<kCount>(packed);
  const Slot slot = SlotOf(hash);
  if (slot.mark != MarkOf(hash)) {
    return next_[slot.rule] == 0 ? kNone : Walk<kCount>(packed, next_[slot.rule]);
  }
  if (Equals<kCount>(slot.rule, packed)) [[likely]] {
    return places_[slot.rule];
  }
  return Walk<kCount>(packed, next_[slot.rule]);
}

template <size_t kCount>
[[gnu::noinline]] uint32_t MaskTable::Walk(const uint64_t* packed, uint16_t first) const {
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
  uint64_t packed[kCount];
  Pack<kCount>(std::bit_cast<device::FlowKey>(rule.value), packed);
  const uint64_t hash = Hash<kCount>(packed);
  Slot& slot = slots_[hash & (slots_.size() - 1)];
  if (Walk<kCount>(packed, slot.rule) != kNone) return;
  next_.push_back(slot.rule);
  slot = {MarkOf(hash), static_cast<uint16_t>(places_.size())};
  places_.push_back(rule.place);
  values_.insert(values_.end(), packed, packed + kCount);
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
  if (!rules.empty()) lowest_ = rules.front().place;
  for (const Rule& rule : rules) {
    WithCount([&]<size_t kCount>() { Insert<kCount>(rule); });
  }
}

uint32_t MaskTable::Find(const device::FlowKey& key) const {
  return WithCount([&]<size_t kCount>() { return FindOne<kCount>(key); });
}

template <size_t kCount>
void MaskTable::FindAll(std::span<const device::FlowKey> keys, uint32_t* best) const {
  uint64_t packed[kBurst * kCount];
  uint16_t first[kBurst] = {};
  for (size_t i = 0; i < keys.size(); ++i) {
    Pack<kCount>(keys[i], &packed[i * kCount]);
    first[i] = SlotOf(Hash<kCount>(&packed[i * kCount])).rule;
    __builtin_prefetch(&values_[first[i] * kCount]);
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    best[i] = std::min(best[i], FindPacked<kCount>(&packed[i * kCount], first[i]));
  }
}

void MaskTable::FindBurst(std::span<const device::FlowKey> keys, uint32_t* best) const {
  WithCount([&]<size_t kCount>() { FindAll<kCount>(keys, best); });
}

}  // namespace qsplit::softnic
