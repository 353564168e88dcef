// The codes of hash.type, packet.l3 and packet.l4, and sets of flags: what decoding and encoding of
// receive completions share. Private to dataplane.
//
// Immutable tables; any thread.
#ifndef QSPLIT_DATAPLANE_RX_CODES_H_
#define QSPLIT_DATAPLANE_RX_CODES_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "dataplane/queue_shape.h"
#include "dataplane/types.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {

// Positions in the vocabularies of hash.type, packet.l3 and packet.l4, by name, at compile time of
// a layout; a table of both directions for each.
template <typename E, size_t N>
struct Vocabulary {
  std::array<E, 16> by_code{};
  std::array<uint8_t, N> by_value{};

  Vocabulary(layout::Role role, std::initializer_list<std::pair<std::string_view, E>> names) {
    by_value.fill(CodeMap::kUnknown);
    for (const auto& [name, value] : names) {
      const auto code = layout::FindCode(role, name);
      if (!code.has_value() || *code >= by_code.size()) continue;
      by_code[*code] = value;
      uint8_t& back = by_value[static_cast<size_t>(value)];
      if (back == CodeMap::kUnknown) back = static_cast<uint8_t>(*code);
    }
  }
  E Value(uint8_t code, E unknown) const { return code < by_code.size() ? by_code[code] : unknown; }
  uint8_t Code(E value) const { return by_value[static_cast<size_t>(value)]; }
};

// Packets of these kinds have a transport checksum.
constexpr bool CarriesChecksum(L4Kind kind) {
  return kind == L4Kind::kTcp || kind == L4Kind::kUdp || kind == L4Kind::kSctp;
}

const Vocabulary<HashType, kHashTypes>& HashTypes();
const Vocabulary<L3Kind, kL3Kinds>& L3Codes();
const Vocabulary<L4Kind, kL4Kinds>& L4Codes();
const Vocabulary<SegmentKind, kSegmentKinds>& SegmentCodes();

// The vocabulary of packet.kind: both layers in one code.
class PacketKinds {
 public:
  PacketKinds();
  // False: a code outside the vocabulary.
  bool Value(uint8_t code, L3Kind* l3, L4Kind* l4) const {
    if (code >= by_code_.size() || !by_code_[code].known) return false;
    *l3 = by_code_[code].l3;
    *l4 = by_code_[code].l4;
    return true;
  }
  // Codes for these layers, the best first.
  std::array<uint8_t, 3> Codes(L3Kind l3, L4Kind l4) const {
    return {by_kinds_[static_cast<size_t>(l3)][static_cast<size_t>(l4)],
            by_kinds_[static_cast<size_t>(l3)][static_cast<size_t>(L4Kind::kOther)], other_};
  }

 private:
  struct Entry {
    bool known = false;
    L3Kind l3 = L3Kind::kUnknown;
    L4Kind l4 = L4Kind::kUnknown;
  };
  std::array<Entry, 32> by_code_{};
  std::array<std::array<uint8_t, kL4Kinds>, kL3Kinds> by_kinds_{};
  uint8_t other_ = CodeMap::kUnknown;
};
const PacketKinds& KindCodes();

// The flag of a kind in a set of flags.
constexpr uint32_t Bit(auto kind) { return 1u << static_cast<uint32_t>(kind); }

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_CODES_H_
