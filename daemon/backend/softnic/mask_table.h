// Steering rules that compare the same bits of a packet: a hash table over these bits alone.
//
//   key ─and─► words in use ─seeded hash─► slot ─► the rule's words compared ─► next
//
// The seed is secret: who sends packets, or has rules, cannot choose them so that they meet in one
// slot. Immutable; finding allocates nothing and reads private memory only. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_MASK_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_MASK_TABLE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

// A packet's key in words.
using FlowWords = std::array<uint64_t, 8>;
inline FlowWords WordsOf(const device::FlowKey& key) { return std::bit_cast<FlowWords>(key); }

// Turns a place into none, by or, and without a branch; else leaves it.
inline uint32_t NoneUnless(bool found) { return static_cast<uint32_t>(found) - 1; }

class MaskTable {
 public:
  // A table of more rules is made of several.
  static constexpr size_t kMostRules = 65535;
  // What is found where nothing is.
  static constexpr uint32_t kNone = UINT32_MAX;
  // One rule: its place in the order of all, lowest first.
  struct Rule {
    FlowWords value;
    uint32_t place = 0;
  };

  // At most kMostRules, by rising place; of two with one value the first stays. Value bits outside
  // of the mask are 0.
  MaskTable(const FlowWords& mask, std::span<const Rule> rules, uint64_t seed);

  // The place of the rule that matches, or kNone.
  uint32_t Find(const device::FlowKey& key) const;

 private:
  // Words compared.
  template <size_t kCount>
  using Packed = std::array<uint64_t, kCount>;
  static constexpr size_t kSlotsForRule = 4;

  template <size_t kCount>
  Packed<kCount> Pack(const device::FlowKey& key) const;
  template <size_t kCount>
  size_t SlotOf(const Packed<kCount>& packed) const;
  template <size_t kCount>
  bool Equals(uint32_t rule, const Packed<kCount>& packed) const;
  template <size_t kCount>
  uint32_t FindIn(const device::FlowKey& key) const;
  template <size_t kCount>
  uint32_t Walk(const device::FlowKey& key, uint16_t first) const;
  template <size_t kCount>
  void Insert(const Rule& rule);
  template <typename F>
  auto WithCount(F&& f) const;

  size_t count_ = 2;  // words compared: 2, 4 or 8
  // Bytes, of the words in use; those are filled up with some of mask 0.
  std::array<uint32_t, 8> offsets_{};
  FlowWords masks_{};
  FlowWords seeds_{};
  // Rules are numbered from 1 on; number 0 is none, and in no place.
  std::vector<uint16_t> slots_;   // the first rule of each slot; a power of two
  std::vector<uint16_t> next_;    // by number: the one behind it in its slot
  std::vector<uint64_t> values_;  // by number, count_ words each
  std::vector<uint32_t> places_;  // by number
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_MASK_TABLE_H_
