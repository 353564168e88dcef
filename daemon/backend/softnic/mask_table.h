// Steering rules that compare the same bits of a packet: a hash table over these bits alone.
//
//   key ─and─► words in use ─seeded hash─► slot: mark, rule ─► the rule's words compared ─► next
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

  // No rule here has a lower place.
  uint32_t lowest() const { return lowest_; }
  // The place of the rule that matches, or kNone.
  uint32_t Find(const device::FlowKey& key) const;
  // Lowers best[i] to the place for key i, where that is lower. At most kBurst keys.
  static constexpr size_t kBurst = 32;
  void FindBurst(std::span<const device::FlowKey> keys, uint32_t* best) const;

 private:
  // Words compared, filled up with some of mask 0.
  using Packed = std::array<uint64_t, 8>;
  static constexpr size_t kSlotsForRule = 4;
  struct Slot {
    uint16_t mark = 0;  // of the first rule's hash, never 0
    uint16_t rule = 0;
  };

  template <size_t kCount>
  void FindAll(std::span<const device::FlowKey> keys, uint32_t* best) const;
  template <size_t kCount>
  void Pack(const device::FlowKey& key, uint64_t* packed) const;
  template <size_t kCount>
  uint64_t Hash(const uint64_t* packed) const;
  template <size_t kCount>
  bool Equals(uint32_t rule, const uint64_t* packed) const;
  template <size_t kCount>
  uint32_t FindPacked(const uint64_t* packed, uint16_t first) const;
  template <size_t kCount>
  uint32_t FindOne(const device::FlowKey& key) const;
  template <size_t kCount>
  uint32_t Walk(const uint64_t* packed, uint16_t first) const;
  template <size_t kCount>
  void Insert(const Rule& rule);
  template <typename F>
  auto WithCount(F&& f) const;

  const Slot& SlotOf(uint64_t hash) const { return slots_[hash & (slots_.size() - 1)]; }

  uint32_t lowest_ = kNone;
  size_t count_ = 2;                   // words compared: 2, 4 or 8
  std::array<uint32_t, 8> offsets_{};  // bytes, of the words in use
  Packed masks_{};
  Packed seeds_{};
  // Rules are numbered from 1 on; number 0 is none, and in no place.
  std::vector<Slot> slots_;       // the first rule of each slot; a power of two
  std::vector<uint16_t> next_;    // by number: the one behind it in its slot
  std::vector<uint64_t> values_;  // by number, count_ words each
  std::vector<uint32_t> places_;  // by number
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_MASK_TABLE_H_
