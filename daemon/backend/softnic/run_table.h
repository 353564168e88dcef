// Steering rules that compare some bits in common, and each of them others besides: a hash table
// over the bits in common. Each slot has a run of a few rules, all of which are compared at once.
//
//   key ─► its bytes that rules compare ─and─seeded hash─► slot ─► block of rules ─► first equal
//
// Rules of other slots that stand in the same block never match: who matches a rule whole has its
// bits in common too, and so its slot. So nothing says where a run ends, and whether a rule is
// found is no branch.
// Plain values, immutable after they were made; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/softnic/mask_table.h"
#include "daemon/backend/softnic/seeded_hash.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

// Which bytes of a key some rule compares, and where they stand, packed together. Bytes behind them
// are filled up with some byte again.
struct KeyPacking {
  static constexpr size_t kBytes = sizeof(FlowWords);
  static constexpr uint8_t kNotHere = 0x80;

  explicit KeyPacking(const FlowWords& compared);

  FlowWords Pack(const FlowWords& words) const;

  size_t words = 2;  // of a packed key: 2, 4, 6 or 8
  // By byte of the packed key: the byte of the key.
  alignas(64) std::array<uint8_t, kBytes> from{};
  // By word of the packed key: the same for its bytes, again and again up to a cache line.
  alignas(64) std::array<std::array<uint8_t, kBytes>, kBytes / 8> from_by_word{};
  // By each 16 bytes of a key: a byte of these, or kNotHere.
  alignas(64) std::array<std::array<uint8_t, kBytes>, kBytes / 16> from_quarter{};
};

// A rule in packed bytes; words behind them are 0. Matches where (key & mask) == value.
struct PackedRule {
  FlowWords mask{};
  FlowWords value{};
  uint32_t place = MaskTable::kNone;
};

struct RunTable {
  // Rules that are compared at once, and so the most of a run.
  static constexpr size_t kRun = 8;
  // One word of each of so many rules. One that is no rule equals nothing.
  struct alignas(64) Words {
    Words() { value.fill(UINT64_MAX); }

    std::array<uint64_t, kRun> mask{};
    std::array<uint64_t, kRun> value;
  };
  // Their places; then that of none.
  struct alignas(64) Places {
    Places() { of.fill(MaskTable::kNone); }

    std::array<uint32_t, 2 * kRun> of;
  };

  // key_words: of a packed key. bits: those in common. slot_count: a power of two. Rules by rising
  // place, in each slot at most kRun. False: they need more than 65,536 blocks.
  bool Fill(size_t key_words, const FlowWords& bits, const FlowWords& secret, size_t slot_count,
            std::span<const PackedRule> rules);

  template <size_t kWords>
  size_t SlotOf(const FlowWords& key) const {
    return HashOfWords<kWords>(seeds, [&](size_t i) { return key[i] & common[i]; }) & last_slot;
  }

  FlowWords common{};
  FlowWords seeds{};
  size_t last_slot = 0;
  std::vector<uint16_t> slots;  // the block of its run, or any one
  std::vector<Words> words;     // of each block as many as a packed key has
  std::vector<Places> places;   // by block
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_TABLE_H_
