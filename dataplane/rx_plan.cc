// RxProgram as plain constants: see burst/record_plan.h. Its own Decode fills the tables, so that
// both say the same.
#include <algorithm>
#include <cstddef>
#include <map>

#include "dataplane/rx_program.h"

namespace qsplit::dataplane {
namespace {

using burst::RecordPlan;
using burst::Table;

// Bits of an index: where several members' bits are put together, and the most for one alone.
constexpr uint32_t kBitsTogether = 11;
constexpr uint32_t kMostBits = 12;
// Numbers of so many bits can be looked up as well as codes.
constexpr int kSmallNumber = 8;

using Words = std::array<uint64_t, burst::kMetaWords>;
static_assert(sizeof(RxMetadata) == sizeof(Words) && alignof(RxMetadata) == 8);

Words WordsOf(const RxMetadata& meta) {
  Words words;
  std::memcpy(words.data(), &meta, sizeof words);
  return words;
}

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
  return WordsOf(all);
}

// The lowest bits of `value` at the set bits of `mask`.
uint64_t Deposit(uint64_t value, uint64_t mask) {
  uint64_t result = 0;
  for (; mask != 0; mask &= mask - 1, value >>= 1) {
    if ((value & 1) != 0) result |= mask & (0 - mask);
  }
  return result;
}

using DescriptorWords = std::array<uint64_t, burst::kMaxWords>;

// A pattern of 64 bits in which each bit says something about its place: six of them, and their
// complements, tell all places apart.
constexpr int kPatterns = 12;
uint64_t Pattern(int number) {
  static constexpr uint64_t kPlaces[] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc,
                                         0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00,
                                         0xffff0000ffff0000, 0xffffffff00000000};
  const uint64_t places = kPlaces[number / 2];
  return number % 2 == 0 ? places : ~places;
}

uint64_t IndexOf(const std::vector<Table::Gather>& gathers, const DescriptorWords& words) {
  uint64_t index = 0;
  uint32_t place = 0;
  for (const Table::Gather& gather : gathers) {
    uint64_t word = words[gather.word];
    if (gather.is_test) {
      index |= uint64_t{(word & gather.mask) == gather.value} << place++;
      continue;
    }
    for (uint64_t mask = gather.mask; mask != 0; mask &= mask - 1) {
      index |= uint64_t{(word & mask & (0 - mask)) != 0} << place++;
    }
  }
  return index;
}

// Changes words so that they have this index, as far as the order of changes allows it.
void SetIndex(const std::vector<Table::Gather>& gathers, bool tests_last, uint64_t index,
              DescriptorWords* words) {
  for (const bool tests : {!tests_last, tests_last}) {
    uint32_t place = 0;
    for (const Table::Gather& gather : gathers) {
      uint64_t& word = (*words)[gather.word];
      const uint64_t bits = index >> place;
      place += gather.bits();
      if (gather.is_test != tests) continue;
      if (!tests) {
        word = (word & ~gather.mask) | Deposit(bits, gather.mask);
      } else if ((bits & 1) != 0) {
        word = (word & ~gather.mask) | gather.value;
      } else if ((word & gather.mask) == gather.value) {
        word ^= gather.mask & (0 - gather.mask);
      }
    }
  }
}

// Drops columns that change nothing, and equal entries. Bits that all rows have go to *constant.
void Shrink(std::vector<std::vector<uint64_t>> rows, Table* table, Words* constant) {
  for (size_t c = 0; c < table->columns.size(); ++c) {
    if (table->columns[c].is_mask) continue;
    uint64_t all = ~uint64_t{0};
    for (const std::vector<uint64_t>& row : rows) all &= row[c];
    for (std::vector<uint64_t>& row : rows) row[c] &= ~all;
    (*constant)[table->columns[c].target] |= all;
  }
  std::vector<Table::Column> kept;
  std::vector<size_t> from;
  for (size_t c = 0; c < table->columns.size(); ++c) {
    const uint64_t idle = table->columns[c].is_mask ? ~uint64_t{0} : 0;
    const bool changes =
        std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row[c] != idle; });
    if (!changes) continue;
    kept.push_back(table->columns[c]);
    from.push_back(c);
  }
  table->columns = std::move(kept);
  std::map<std::vector<uint64_t>, uint16_t> known;
  for (const std::vector<uint64_t>& row : rows) {
    std::vector<uint64_t> entry;
    entry.reserve(from.size());
    for (const size_t c : from) entry.push_back(row[c]);
    const auto begin = static_cast<uint16_t>(table->entries.size());
    const auto [at, is_new] = known.emplace(entry, begin);
    if (is_new) table->entries.insert(table->entries.end(), entry.begin(), entry.end());
    table->entry_of_index.push_back(at->second);
  }
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

bool RxProgram::FillRow(const RecordPlan& plan, const std::vector<Table::Gather>& gathers,
                        uint64_t index, const Words& out, const std::vector<uint8_t>& lanes,
                        std::vector<uint64_t>* row) const {
  Words always_one = out;
  Words always_zero = out;
  std::vector<uint64_t> passes;
  passes.reserve(lanes.size());
  for (const uint8_t l : lanes) {
    passes.push_back(plan.lanes[l].Bits() & out[plan.lanes[l].out]);
  }
  // Ask the program, with different numbers in the lanes.
  uint64_t twice = 0;
  for (size_t i = 0; i < lanes.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      const burst::Lane &a = plan.lanes[lanes[i]], &b = plan.lanes[lanes[k]];
      if (a.out == b.out) twice |= a.Bits() & b.Bits();
    }
  }
  // Two that are each other's complements tell what is moved from what is not; all of them, from
  // where.
  const int patterns = lanes.empty() ? 1 : twice == 0 ? 2 : kPatterns;
  for (int number = 0; number < patterns; ++number) {
    DescriptorWords words{};
    for (const burst::Lane& lane : plan.lanes) {
      for (const burst::Piece& piece : lane.pieces) {
        const uint64_t ones = piece.Put(~uint64_t{0});
        words[piece.word] |= ones & std::rotl(Pattern(number), 11 * piece.word);
      }
    }
    const DescriptorWords numbers = words;
    for (const bool tests_last : {false, true}) {
      words = numbers;
      SetIndex(gathers, tests_last, index, &words);
      for (uint32_t w = 0; w < burst::kMaxWords; ++w) {
        words[w] = (words[w] & ~plan.tests[w].mask) | plan.tests[w].value;
      }
      if (IndexOf(gathers, words) == index) break;
    }
    DescriptorBytes descriptor{};
    std::memcpy(descriptor.bytes, words.data(), sizeof words);
    RxMetadata meta;
    Decode(descriptor.bytes, true, true, &meta);
    const Words said = WordsOf(meta);
    for (uint32_t w = 0; w < burst::kMetaWords; ++w) {
      always_one[w] &= said[w];
      always_zero[w] &= ~said[w];
    }
    for (size_t i = 0; i < lanes.size(); ++i) {
      const burst::Lane& lane = plan.lanes[lanes[i]];
      uint64_t moved = 0;
      for (const burst::Piece& piece : lane.pieces) moved |= piece.Get(words[piece.word]);
      passes[i] &= ~(said[lane.out] ^ moved);
    }
  }
  // Each bit is always the same, or some lane's.
  Words explained = always_one;
  for (uint32_t w = 0; w < burst::kMetaWords; ++w) explained[w] |= always_zero[w];
  row->clear();
  for (size_t i = 0; i < lanes.size(); ++i) {
    const burst::Lane& lane = plan.lanes[lanes[i]];
    const uint64_t ours = lane.Bits() & out[lane.out];
    const uint64_t passing = passes[i] & ~explained[lane.out];
    explained[lane.out] |= passing;
    row->push_back(~ours | passing);
  }
  for (uint32_t w = 0; w < burst::kMetaWords; ++w) {
    if (out[w] != 0) row->push_back(always_one[w]);
  }
  return explained == out;
}

bool RxProgram::AddTable(const std::vector<Table::Gather>& gathers, const Words& out,
                         RecordPlan* plan) const {
  Table table;
  table.gathers = gathers;
  if (table.bits() > kMostBits || plan->tables.size() == burst::kMaxTables) return false;
  std::vector<uint8_t> lanes;
  for (size_t l = 0; l < plan->lanes.size(); ++l) {
    const burst::Lane& lane = plan->lanes[l];
    if ((lane.Bits() & out[lane.out]) == 0) continue;
    lanes.push_back(static_cast<uint8_t>(l));
    table.columns.push_back({true, static_cast<uint8_t>(l)});
  }
  for (uint8_t w = 0; w < burst::kMetaWords; ++w) {
    if (out[w] != 0) table.columns.push_back({false, w});
  }
  std::vector<std::vector<uint64_t>> rows(size_t{1} << table.bits());
  for (uint64_t index = 0; index < rows.size(); ++index) {
    if (!FillRow(*plan, gathers, index, out, lanes, &rows[index])) return false;
  }
  Shrink(std::move(rows), &table, &plan->constant);
  if (table.entries.size() * sizeof(uint64_t) > UINT16_MAX) return false;
  if (!table.columns.empty()) plan->tables.push_back(std::move(table));
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
