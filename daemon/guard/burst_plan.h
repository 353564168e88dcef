// What a plain descriptor of a ring is, in constants: what a burst of them is checked by.
//
//   word & mask == value      constants, selector, the last of its packet, nothing asked for
//   word & kept               what the device may see
//   number = bits of a word, shifted    address, length, total length, report
//
// Plain: of one form, wholly in a region that the plan knows, and what else the engine demands.
// Whatever is not plain is neither good nor bad: the engine checks it as if there were no plan.
// No pointers, immutable after it was made; any thread.
#ifndef QSPLIT_DAEMON_GUARD_BURST_PLAN_H_
#define QSPLIT_DAEMON_GUARD_BURST_PLAN_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "daemon/guard/region_map.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pattern.h"
#include "daemon/guard/word_test.h"

namespace qsplit::guard {

// kWords: 8-byte words of a descriptor.
template <size_t kWords>
struct BurstPlan {
  using Words = std::array<uint64_t, kWords>;
  // Regions beyond these, the largest ones, are left to the engine.
  static constexpr size_t kMostRegions = 8;

  // A number that stands in one word.
  struct Number {
    Words bits{};  // where it stands; 0 in the other words
    uint32_t shift = 0;

    bool there() const {
      return std::any_of(bits.begin(), bits.end(), [](uint64_t word) { return word != 0; });
    }
  };
  struct Region {
    uint64_t iova = 0;   // the client's
    uint64_t bytes = 0;  // below 2^63
    uint64_t delta = 0;  // from there to the device's
  };

  Words mask{};
  Words value{};
  Words kept{};
  Number address;  // shift 0
  uint64_t alignment_mask = 0;
  Number length;           // not there: set_bytes
  uint64_t set_bytes = 0;  // 0 where the descriptor says it
  uint64_t min_bytes = 1;
  uint64_t max_bytes = 0;  // both below 2^32
  Number total;            // the length once more; not there: unsaid
  Number report;           // not there: each is reported
  // Looks completed: (checked word & done) == done_value; never equal where it cannot.
  Words done{};
  uint64_t done_value = 1;
  std::array<Region, kMostRegions> regions{};
  size_t region_count = 0;

  // Each returns false where a plan cannot say it: there is none then.

  // Of a form, and what is kept of it.
  bool SetForm(const WordPattern<kWords>& pattern, const Words& what_is_kept) {
    mask = pattern.mask();
    value = pattern.value();
    kept = what_is_kept;
    return !pattern.selects();
  }
  // These bits of a word, if they are kept, are all `ones` or all 0.
  bool Demand(size_t word, uint64_t bits, bool ones) {
    bits &= kept[word];
    if ((((ones ? UINT64_MAX : 0) ^ value[word]) & mask[word] & bits) != 0) return false;
    mask[word] |= bits;
    if (ones) value[word] |= bits;
    return true;
  }
  bool SetAddress(const WordAddress& field, uint64_t alignment) {
    address.bits[field.word] = field.mask & kept[field.word];
    alignment_mask = alignment;
    return address.bits[field.word] == field.mask;
  }
  bool SetLength(const WordField& field, uint64_t least, uint64_t most) {
    min_bytes = least;
    max_bytes = std::min<uint64_t>(most, UINT32_MAX);
    return SetNumber(field, &length);
  }
  // Of every descriptor.
  bool SetBytes(uint64_t bytes, uint64_t most) {
    set_bytes = bytes;
    max_bytes = most;
    return bytes <= UINT32_MAX && most <= UINT32_MAX;
  }
  // The packet's length, where `valid` holds. The demands are made already.
  bool SetTotal(const WordField& field, const WordTest& valid) {
    bool said = true;
    for (size_t i = 0; i < kWords; ++i) {
      // What is not kept is 0.
      const uint64_t fixed = mask[i] | ~kept[i];
      const uint64_t differ = (valid.value.words[i] ^ (value[i] & kept[i])) & valid.mask.words[i];
      if ((differ & fixed) != 0) return true;  // it never holds
      said = said && (valid.mask.words[i] & ~fixed) == 0;
    }
    return said && SetNumber(field, &total);
  }
  bool SetReport(const WordField& field) { return SetNumber(field, &report); }
  // What says that a slot is completed, where a descriptor may look so.
  bool SetDone(const WordCondition& condition) {
    done[condition.word] = condition.mask;
    done_value = condition.value[0];
    return (condition.mask & address.bits[condition.word]) == 0 && condition.mask != 0;
  }
  bool SetRegions(const RegionMap& map, bool device_writes) {
    std::vector<Region> usable;
    for (const GuardedRegion& region : map.regions()) {
      if ((device_writes && !region.device_writable) || region.bytes >> 63 != 0) continue;
      usable.push_back({region.iova, region.bytes, region.device_iova - region.iova});
    }
    std::stable_sort(usable.begin(), usable.end(),
                     [](const Region& a, const Region& b) { return a.bytes > b.bytes; });
    region_count = std::min(usable.size(), kMostRegions);
    std::copy_n(usable.begin(), region_count, regions.begin());
    return region_count != 0;
  }

 private:
  bool SetNumber(const WordField& field, Number* number) {
    number->bits[field.word] = (field.mask << field.shift) & kept[field.word];
    number->shift = field.shift;
    return field.mask <= UINT32_MAX;
  }
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_BURST_PLAN_H_
