// RxProgram as plain constants: see burst/record_plan.h. What the numbers are and what decides
// about each member; the tables are filled in rx_plan_tables.cc.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <map>

#include "dataplane/rx_program.h"

namespace qsplit::dataplane {
namespace {

using burst::RecordPlan;
using burst::Table;

// Bits of an index where several members' bits are put together.
constexpr uint32_t kBitsTogether = 11;
// Numbers of so many bits can be looked up as well as codes.
constexpr int kSmallNumber = 8;

using Words = std::array<uint64_t, burst::kMetaWords>;
static_assert(sizeof(RxMetadata) == sizeof(Words) && alignof(RxMetadata) == 8);

// Where a number stands in the metadata.
struct NumberPlace {
  uint8_t out = 0;
  uint8_t place = 0;
  uint8_t bits = 0;

  template <typename T>
  static NumberPlace Of(size_t offset) {
    return {static_cast<uint8_t>(offset / 8), static_cast<uint8_t>(offset % 8 * 8),
            static_cast<uint8_t>(8 * sizeof(T))};
  }
};

uint64_t WordAt(const DescriptorBytes& bytes, uint32_t word) {
  uint64_t value;
  std::memcpy(&value, bytes.bytes + size_t{8} * word, 8);
  return value;
}

// What decides something: bits of a descriptor, and comparisons of more bits than fit in an index.
struct Control {
  DescriptorBytes bits{};
  std::vector<Condition::WideTest> tests;

  void Add(const Control& more) {
    for (uint32_t i = 0; i < kMaxDescriptorBytes; ++i) bits.bytes[i] |= more.bits.bytes[i];
    for (const Condition::WideTest& test : more.tests) {
      if (std::find(tests.begin(), tests.end(), test) == tests.end()) tests.push_back(test);
    }
  }
  uint32_t Count() const {
    auto count = static_cast<uint32_t>(tests.size());
    for (uint32_t w = 0; w < kMaxDescriptorBytes / 8; ++w) {
      count += static_cast<uint32_t>(std::popcount(WordAt(bits, w)));
    }
    return count;
  }
  // As an index; false: not in the words that plans look at.
  bool Gathers(std::vector<Table::Gather>* gathers) const {
    for (const Condition::WideTest& test : tests) {
      const uint32_t word = test.offset / 8;
      const uint32_t shift = test.offset % 8 * 8;
      if (word >= burst::kMaxWords || (test.mask << shift >> shift) != test.mask) return false;
      gathers->push_back(
          {static_cast<uint8_t>(word), test.mask << shift, true, test.value << shift});
    }
    for (uint32_t w = 0; w < kMaxDescriptorBytes / 8; ++w) {
      const uint64_t mask = WordAt(bits, w);
      if (mask == 0) continue;
      if (w >= burst::kMaxWords) return false;
      gathers->push_back({static_cast<uint8_t>(w), mask});
    }
    return true;
  }
};

// Members of the metadata that are decided together.
struct Group {
  Control control;
  Words out{};

  uint32_t CountWith(const Control& more) const {
    Control both = control;
    both.Add(more);
    return both.Count();
  }
};

// All bits of one member, with its bit in `present`.
Words BitsOf(RxField field) {
  RxMetadata all;
  all.present = field;
  switch (field) {
    case RxField::kHash:
      all.hash = UINT32_MAX;
      break;
    case RxField::kHashType:
      all.hash_type = static_cast<HashType>(0xff);
      break;
    case RxField::kVlanTci:
      all.vlan_tci = UINT16_MAX;
      break;
    case RxField::kL3Checksum:
      all.l3_checksum = static_cast<ChecksumState>(0xff);
      break;
    case RxField::kL4Checksum:
      all.l4_checksum = static_cast<ChecksumState>(0xff);
      break;
    case RxField::kL3Kind:
      all.l3 = static_cast<L3Kind>(0xff);
      break;
    case RxField::kL4Kind:
      all.l4 = static_cast<L4Kind>(0xff);
      break;
    case RxField::kTimestamp:
      all.timestamp = UINT64_MAX;
      break;
    case RxField::kError:
      all.error = true;
      break;
    case RxField::kQueue:
      all.queue = UINT16_MAX;
      break;
    case RxField::kMark:
      all.mark = UINT32_MAX;
      break;
    case RxField::kChecksumValue:
      all.checksum = UINT16_MAX;
      break;
    case RxField::kSegment:
      all.segment = static_cast<SegmentKind>(0xff);
      all.segment_bytes = UINT16_MAX;
      break;
  }
  return std::bit_cast<Words>(all);
}

}  // namespace

RxFields RxProgram::Decides(Kind kind) const {
  const RxFields l3 = has_all_checked_ ? RxField::kL3Kind | RxField::kL3Checksum : RxField::kL3Kind;
  const RxFields l4 = has_all_checked_ ? RxField::kL4Kind | RxField::kL4Checksum : RxField::kL4Kind;
  switch (kind) {
    case Kind::kL3Checked:
    case Kind::kL3Ok:
    case Kind::kL3Bad:
      return RxField::kL3Checksum;
    case Kind::kL4Checked:
    case Kind::kL4Ok:
    case Kind::kL4Bad:
    case Kind::kUdpChecked:
      return RxField::kL4Checksum;
    case Kind::kAllChecked:
      return RxField::kL3Checksum | RxField::kL4Checksum;
    case Kind::kIsIp4:
    case Kind::kIsIp6:
    case Kind::kL3Code:
      return l3;
    case Kind::kIsTcp:
    case Kind::kIsUdp:
    case Kind::kIsSctp:
    case Kind::kIsFragment:
    case Kind::kL4Code:
      return l4;
    case Kind::kKindCode:
      return l3 | l4;
    case Kind::kVlanStripped:
    case Kind::kVlanTci:
      return RxField::kVlanTci;
    case Kind::kTimestampValid:
    case Kind::kTimestamp:
      return RxField::kTimestamp;
    case Kind::kError:
    case Kind::kErrorCode:
      return RxField::kError;
    case Kind::kHashType:
      return RxField::kHashType;
    case Kind::kHash:
      return RxField::kHash;
    case Kind::kQueue:
      return RxField::kQueue;
    case Kind::kMark:
      return RxField::kMark;
    case Kind::kChecksumValue:
      return RxField::kChecksumValue;
    case Kind::kSegmentType:
    case Kind::kSegmentSize:
      return RxField::kSegment;
    case Kind::kVlanPresent:  // says nothing beside the tag
      break;
  }
  return {};
}

bool RxProgram::AddNumber(const Op& op, RecordPlan* plan) {
  NumberPlace at;
  switch (op.kind) {
    case Kind::kHash:
      at = NumberPlace::Of<uint32_t>(offsetof(RxMetadata, hash));
      break;
    case Kind::kVlanTci:
      at = NumberPlace::Of<uint16_t>(offsetof(RxMetadata, vlan_tci));
      break;
    case Kind::kTimestamp:
      at = NumberPlace::Of<uint64_t>(offsetof(RxMetadata, timestamp));
      break;
    case Kind::kQueue:
      at = NumberPlace::Of<uint16_t>(offsetof(RxMetadata, queue));
      break;
    case Kind::kMark:
      at = NumberPlace::Of<uint32_t>(offsetof(RxMetadata, mark));
      break;
    case Kind::kChecksumValue:
      at = NumberPlace::Of<uint16_t>(offsetof(RxMetadata, checksum));
      break;
    case Kind::kSegmentSize:
      at = NumberPlace::Of<uint16_t>(offsetof(RxMetadata, segment_bytes));
      break;
    default:
      return false;
  }
  std::vector<burst::Piece> pieces;
  if (!burst::AddPieces(op.field, at.bits, at.place, &pieces)) return false;
  // Of two fields for one member each has its own masks.
  const uint64_t all = at.bits == 64 ? ~uint64_t{0} : ((uint64_t{1} << at.bits) - 1) << at.place;
  for (burst::Lane& lane : plan->lanes) {
    if (lane.out != at.out || (lane.Bits() & all) != 0) continue;
    lane.pieces.insert(lane.pieces.end(), pieces.begin(), pieces.end());
    return true;
  }
  if (plan->lanes.size() == burst::kMaxLanes) return false;
  plan->lanes.push_back({at.out, std::move(pieces)});
  return true;
}

std::optional<RecordPlan> RxProgram::Plan(DescriptorBytes mask, DescriptorBytes value) const {
  RecordPlan plan;
  if (!last_.IsBits(mask.bytes, value.bytes)) return std::nullopt;
  if (has_offset_ &&
      (offset_.MaxRaw() > UINT32_MAX || !burst::AddPieces(offset_, 32, 0, &plan.offset))) {
    return std::nullopt;
  }
  if (!lengths_.empty()) {
    const Valued& length = lengths_.front();
    if (!length.valid.IsBits(mask.bytes, value.bytes) || length.field.MaxRaw() > UINT32_MAX ||
        !burst::AddPieces(length.field, 32, 0, &plan.length)) {
      return std::nullopt;
    }
  }
  if (!plan.Require(mask, value)) return std::nullopt;

  // Of each member: what decides it.
  std::map<uint32_t, Control> controls;
  for (const std::vector<Op>* ops : {&flags_, &numbers_}) {
    for (const Op& op : *ops) {
      if (!SpeaksIn(op.position, true, true)) continue;
      Control control;
      op.valid.MarkBits(kSmallNumber, control.bits.bytes, &control.tests);
      const bool moved = op.kind >= Kind::kFlags && op.codes.Empty() && AddNumber(op, &plan);
      if (!moved) {
        const bool is_flag = op.kind < Kind::kFlags || op.kind == Kind::kErrorCode;
        if (!is_flag && op.codes.Empty() && std::popcount(op.field.MaxRaw()) > kSmallNumber) {
          return std::nullopt;
        }
        op.field.StoreRaw(control.bits.bytes, op.field.MaxRaw());
      }
      // What must stand there anyway decides nothing.
      for (uint32_t i = 0; i < kMaxDescriptorBytes; ++i) control.bits.bytes[i] &= ~mask.bytes[i];
      for (uint32_t left = Decides(op.kind).bits; left != 0; left &= left - 1) {
        controls[left & (0 - left)].Add(control);
      }
    }
  }
  std::vector<Group> groups;
  for (const auto& [field, control] : controls) {
    Group* best = nullptr;
    for (Group& group : groups) {
      const uint32_t with = group.CountWith(control);
      if (with > kBitsTogether) continue;
      if (best == nullptr || with < best->CountWith(control)) best = &group;
    }
    if (best == nullptr) best = &groups.emplace_back();
    best->control.Add(control);
    const Words out = BitsOf(static_cast<RxField>(field));
    for (uint32_t w = 0; w < burst::kMetaWords; ++w) best->out[w] |= out[w];
  }
  for (const Group& group : groups) {
    std::vector<Table::Gather> gathers;
    if (!group.control.Gathers(&gathers) || !AddTable(gathers, group.out, &plan)) {
      return std::nullopt;
    }
  }
  plan.Finish();
  return plan;
}

}  // namespace qsplit::dataplane
