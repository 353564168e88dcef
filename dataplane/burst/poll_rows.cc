#include "dataplane/burst/poll_rows.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;
constexpr uint32_t kPair = 2;  // words

// The one half of the copy that all of these pieces stand in is *at, if that was not said before.
// Adds the bytes that they move to byte `to` on. False: they are no whole bytes, or of several.
template <typename PlaceOf>
bool AddSide(const std::vector<Piece>& pieces, uint32_t to, PlaceOf place_of,
             PollRows::Side* side) {
  PollRows::Side more = *side;
  for (const Piece& piece : pieces) {
    const uint32_t word = place_of(piece.word);
    const uint32_t half = word / PollRows::kHalfBytes * PollRows::kHalfBytes;
    if (more.at != PollRows::kZerosAt && more.at != half) return false;
    more.at = half;
    if (!AddMove(piece, word - half, to, &more.moves)) return false;
  }
  *side = more;
  return true;
}

uint64_t BitsOf(const std::vector<Piece>& pieces) {
  uint64_t bits = 0;
  for (const Piece& piece : pieces) bits |= piece.mask << piece.place;
  return bits;
}

}  // namespace

uint32_t PollRows::PlaceOf(uint32_t word, uint32_t prefix_word) const {
  if (word >= prefix_word) return kPrefixAt + kWord * (word - prefix_word);
  const uint32_t offset = word / kPair * kHalfBytes;
  const auto* const half = std::find(offsets.begin(), offsets.begin() + half_count, offset);
  return static_cast<uint32_t>(half - offsets.begin()) * kHalfBytes + word % kPair * kWord;
}

bool PollRows::AddHalves(const RecordPlan& record, uint32_t first_word, uint32_t prefix_word,
                         const PhaseBits& phase) {
  const uint32_t in_slot =
      prefix_word < kMaxWords ? record.words & ((1u << prefix_word) - 1) : record.words;
  if (slot_bytes % kHalfBytes != 0 ||
      kWord * static_cast<uint32_t>(std::bit_width(in_slot)) > slot_bytes ||
      kWord * first_word >= slot_bytes) {
    return false;
  }
  const auto add = [&](uint32_t pair) {
    offsets[half_count] = pair * kHalfBytes;
    for (uint32_t w = 0; w < kPair; ++w) {
      const WordTest& test = record.tests[pair * kPair + w];
      if (pair * kPair + w >= prefix_word || test.mask == 0) continue;
      masks[half_count][w] = test.mask;
      values[0][half_count][w] = test.value;
      values[1][half_count][w] = test.value ^ phase[pair * kPair + w];
    }
    ++half_count;
  };
  add(first_word / kPair);
  for (uint32_t pair = 0; pair < kMaxWords / kPair; ++pair) {
    if (pair != first_word / kPair && (in_slot >> (pair * kPair) & 3) != 0) add(pair);
  }
  return true;
}

bool PollRows::AddPrefix(const RecordPlan& record, uint32_t prefix_word) {
  if (prefix_word >= kMaxWords) return true;
  const uint32_t words = record.words >> prefix_word;
  if (words == 0 || words > 3 || prefix_bytes < kWord) return false;
  // Half of the second word, where there is no more; all that is looked at is there.
  prefix_read = words == 1 ? kWord : kWord + kWord / 2;
  if (prefix_bytes < prefix_read) return false;
  for (uint32_t w = 0; w < kPair && prefix_word + w < kMaxWords; ++w) {
    prefix_mask[w] = record.tests[prefix_word + w].mask;
    prefix_value[w] = record.tests[prefix_word + w].value;
  }
  return words == 1 || prefix_bytes < kHalfBytes;
}

bool PollRows::AddKey(const std::vector<Piece>& pieces, uint32_t first_word, uint32_t numbers) {
  uint64_t said = 0;
  for (const Piece& piece : pieces) {
    const uint32_t word = piece.word % kPair;
    const uint64_t bits = piece.Put(~uint64_t{0});
    const uint64_t numbered = piece.mask << piece.place;
    if (piece.word / kPair != first_word / kPair || (said & numbered) != 0 ||
        piece.mask > UINT64_MAX >> piece.shift ||
        ((masks[0][word] | values[0][0][word] | values[1][0][word]) & bits) != 0 ||
        !AddMoveBack(piece, 0, word * kWord, &key)) {
      return false;
    }
    masks[0][word] |= bits;
    said |= numbered;
  }
  // A number's bits stand in the key's bytes and in no bits beside it.
  return (said & UINT32_MAX) == said && ((numbers - 1) & ~said) == 0;
}

bool PollRows::AddRecord(const RecordPlan& record, uint32_t prefix_word) {
  const auto place_of = [&](uint32_t word) { return PlaceOf(word, prefix_word); };
  const uint64_t length_bits = BitsOf(record.length);
  if (!record.offset.empty() || length_bits > UINT32_MAX ||
      !AddSide(record.length, 0, place_of, &length)) {
    return false;
  }
  length_mask = static_cast<uint32_t>(length_bits);
  length_less = record.length_less;

  // Lanes by the side that they go through; all of one stands in one half.
  std::vector<size_t> side_of_lane;
  for (const Lane& lane : record.lanes) {
    size_t side = 0;
    const auto fits = [&] {
      return lane.out < kPair && AddSide(lane.pieces, lane.out * kWord, place_of, &sides[side]);
    };
    while (side < sides.size() && !fits()) ++side;
    if (side == sides.size()) return false;
    side_of_lane.push_back(side);
  }
  for (uint32_t w = kPair; w < kMetaWords; ++w) {
    if (record.Fills(w)) return false;
    rest[w - 1] = record.constant[w];
  }

  // What every table leaves of a side that it does not speak of.
  std::array<WordPair, 2> whole{};
  for (size_t l = 0; l < record.lanes.size(); ++l) {
    whole[side_of_lane[l]][record.lanes[l].out] |= record.lanes[l].Bits();
  }
  const WordPair constant = {record.constant[0], record.constant[1]};
  if (record.tables.empty()) {
    lookups.push_back({{}, {0}, {{whole, constant}}});
    return true;
  }
  if (record.tables.size() > kMostLookups) return false;
  for (const Table& table : record.tables) {
    const size_t stride = table.columns.size();
    if (stride == 0 || table.gathers.size() > kMostBits ||
        table.entries.size() / stride * sizeof(Entry) > UINT16_MAX) {
      return false;
    }
    Lookup& lookup = lookups.emplace_back();
    uint32_t place = 0;
    for (size_t g = 0; g < table.gathers.size(); ++g) {
      const Table::Gather& gather = table.gathers[g];
      if (gather.is_test) return false;
      lookup.bits[g] = {gather.mask, place_of(gather.word), place};
      place += gather.bits();
    }
    for (const uint16_t at : table.entry_of_index) {
      lookup.entry_of_index.push_back(static_cast<uint16_t>(at / stride * sizeof(Entry)));
    }
    for (size_t at = 0; at + stride <= table.entries.size(); at += stride) {
      Entry entry{whole, lookups.size() == 1 ? constant : WordPair{}};
      for (size_t c = 0; c < stride; ++c) {
        const Table::Column& column = table.columns[c];
        if (!column.is_mask) {
          if (column.target >= kPair) return false;
          entry.values[column.target] |= table.entries[at + c];
          continue;
        }
        const Lane& lane = record.lanes[column.target];
        entry.masks[side_of_lane[column.target]][lane.out] &= table.entries[at + c] | ~lane.Bits();
      }
      lookup.entries.push_back(entry);
    }
  }
  return true;
}

std::unique_ptr<const PollRows> PollRows::Make(const RxBurstPlan& plan, Instructions which) {
  if (which != Instructions::kOfThisProcessor) return nullptr;
  auto rows = std::make_unique<PollRows>();
  rows->slot_bytes = plan.slot_bytes;
  rows->prefix_bytes = plan.prefix_bytes;
  rows->same_room = plan.buffer_bytes;
  if (!rows->AddHalves(plan.record, plan.first_word, kMaxWords, {}) ||
      !rows->AddRecord(plan.record, kMaxWords) || !rows->FindPollOwnSlots()) {
    return nullptr;
  }
  return rows;
}

std::unique_ptr<const PollRows> PollRows::Make(const RxRingPlan& plan, Instructions which) {
  if (which != Instructions::kOfThisProcessor || plan.key == RxRingPlan::Key::kAddress) {
    return nullptr;
  }
  auto rows = std::make_unique<PollRows>();
  rows->slot_bytes = plan.slot_bytes;
  rows->prefix_bytes = plan.prefix_bytes;
  // The length is looked at before the prefix.
  const bool length_in_slot =
      std::all_of(plan.record.length.begin(), plan.record.length.end(),
                  [&](const Piece& piece) { return piece.word < plan.prefix_word; });
  if (!length_in_slot ||
      !rows->AddHalves(plan.record, plan.first_word, plan.prefix_word, plan.record_phase) ||
      !rows->AddPrefix(plan.record, plan.prefix_word)) {
    return nullptr;
  }
  if (plan.key == RxRingPlan::Key::kNumber &&
      !rows->AddKey(plan.key_pieces, plan.first_word, plan.buffer_count)) {
    return nullptr;
  }
  if (!rows->AddRecord(plan.record, plan.prefix_word) || !rows->FindPollRing()) return nullptr;
  return rows;
}

#if !defined(__x86_64__)
bool PollRows::FindPollOwnSlots() { return false; }
bool PollRows::FindPollRing() { return false; }
#endif

}  // namespace qsplit::dataplane::burst
