// Decoding a record, as code of any processor: the tables of one plan, in an emitter's block, and
// the steps from words to metadata. Emitter: the one of a processor, see emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_RECORD_CODE_H_
#define QSPLIT_DATAPLANE_BURST_RECORD_CODE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/burst/number_code.h"
#include "dataplane/burst/record_pair.h"
#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst {

template <typename Emitter>
class RecordCode {
 public:
  using Reg = typename Emitter::Reg;
  using Spot = typename Emitter::Spot;
  using Label = typename Emitter::Label;

  RecordCode(Emitter* emitter, const RecordPlan& plan);

  // Loads the words that the plan looks at, `first_word` first and before the others; goes to
  // `otherwise` where a test fails.
  void Load(const Spot& slot, uint32_t first_word, const Label& otherwise);
  // One word, from memory of 8 bytes, or of 4: the rest of the word is 0 then. Goes to `otherwise`
  // where its test fails; phase_bits: of the test, that must be the other way round.
  void LoadWord(uint32_t word, const Spot& from, uint32_t bytes, uint64_t phase_bits,
                const Label& otherwise);
  void TestWord(uint32_t word, uint64_t phase_bits, const Label& otherwise) {
    const WordTest& test = plan_.tests[word];
    emitter_->JumpUnless(words_[word], {test.mask, test.value ^ phase_bits}, otherwise);
  }
  // The test of a word in memory that nothing else looks at.
  void TestWord(uint32_t word, const Spot& from, uint32_t bytes, const Label& otherwise) {
    emitter_->JumpUnless(from, bytes, plan_.tests[word], otherwise);
  }
  bool IsOnlyTested(uint32_t word) const { return uses_[word] == 0; }
  // The same of 8 bytes without the test, before all that is loaded after it.
  const Reg& LoadFirst(uint32_t word, const Spot& from) {
    words_[word] = emitter_->New();
    left_[word] = uses_[word];
    emitter_->LoadAcquire(words_[word], from);
    return words_[word];
  }
  std::span<const Reg> words() const { return words_; }
  // Of pieces that the plan looks at, once.
  Reg Number(const std::vector<Piece>& pieces) {
    return GetNumber(emitter_, std::span(pieces), words(), false, left_.data());
  }
  // packet.length less what is to be taken off, as 64 bits; goes to `otherwise` where it says less.
  Reg Length(const Label& otherwise);
  // Writes the metadata, from a word on.
  void Store(const Spot& to, uint32_t first = 0);

 private:
  struct Placed {
    int32_t offsets_at = 0;
    int32_t entries_at = 0;
  };
  static Spot At(Spot spot, size_t offset) {
    spot.offset += static_cast<int32_t>(offset);
    return spot;
  }
  bool IsMasked(size_t lane) const;
  void StoreConstants(const Spot& to, uint32_t first);
  // What a table is, if it is one bit that goes to another place, and what stands beside it there.
  static std::optional<Piece> AsBit(const Table& table, uint64_t* beside);
  void CountUses();
  // The tables' bytes.
  Placed Place(const Table& table);
  void StorePair(const Spot& to);

  Emitter* emitter_;
  const RecordPlan& plan_;
  std::vector<Placed> placed_;
  std::optional<RecordPair> pair_;  // where that is how the first words are made
  int32_t shuffle_at_ = 0;
  std::array<Reg, kMaxWords> words_;
  // How many times words are looked at beside tests; of those that are loaded, how many are left.
  std::array<uint32_t, kMaxWords> uses_{};
  std::array<uint32_t, kMaxWords> left_{};
};

template <typename Emitter>
RecordCode<Emitter>::RecordCode(Emitter* emitter, const RecordPlan& plan)
    : emitter_(emitter), plan_(plan) {
  CountUses();
  if (emitter->has_pairs()) pair_ = RecordPair::Of(plan);
  if (pair_.has_value()) {
    shuffle_at_ = emitter->AddBytes(std::as_bytes(std::span(pair_->from)), 16);
    placed_.push_back(Place(pair_->table));
    return;
  }
  for (const Table& table : plan.tables) placed_.push_back(Place(table));
}

template <typename Emitter>
typename RecordCode<Emitter>::Placed RecordCode<Emitter>::Place(const Table& table) {
  const size_t stride = table.columns.size();
  std::vector<uint64_t> entries = table.entries;
  // Masks of lanes keep nothing beside the lanes' own bits: so lanes need no masks of their own.
  for (size_t c = 0; c < stride; ++c) {
    const Table::Column& column = table.columns[c];
    if (!column.is_mask) continue;
    const uint64_t bits = plan_.lanes[column.target].Bits();
    for (size_t at = c; at < entries.size(); at += stride) entries[at] &= bits;
  }
  std::vector<uint16_t> offsets;
  for (const uint16_t entry : table.entry_of_index) {
    offsets.push_back(static_cast<uint16_t>(entry * sizeof(uint64_t)));
  }
  return {emitter_->AddBytes(std::as_bytes(std::span(offsets)), 64),
          emitter_->AddBytes(std::as_bytes(std::span(entries)), 64)};
}

template <typename Emitter>
void RecordCode<Emitter>::StorePair(const Spot& to) {
  const std::optional<Reg> index = GatherIndex(emitter_, pair_->table, words());
  const Spot entry = emitter_->Entry(placed_[0].offsets_at, placed_[0].entries_at, index);
  const typename Emitter::Pair pair = emitter_->Widen(words_[pair_->words[0]]);
  if (pair_->word_count > 1) emitter_->InsertWord(pair, words_[pair_->words[1]]);
  emitter_->Shuffle(pair, shuffle_at_);
  emitter_->And(pair, entry);
  emitter_->Or(pair, At(entry, 16));
  emitter_->StorePair(to, pair);
}

template <typename Emitter>
void RecordCode<Emitter>::CountUses() {
  const auto count = [&](const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) ++uses_[piece.word];
  };
  count(plan_.length);
  count(plan_.offset);
  for (const Lane& lane : plan_.lanes) count(lane.pieces);
  for (const Table& table : plan_.tables) {
    for (const Table::Gather& gather : table.gathers) ++uses_[gather.word];
  }
}

template <typename Emitter>
void RecordCode<Emitter>::Load(const Spot& slot, uint32_t first_word, const Label& otherwise) {
  LoadFirst(first_word, At(slot, size_t{8} * first_word));
  TestWord(first_word, 0, otherwise);
  for (uint32_t w = 0; w < kMaxWords; ++w) {
    if (w == first_word || (plan_.words >> w & 1) == 0) continue;
    LoadWord(w, At(slot, size_t{8} * w), 8, 0, otherwise);
  }
}

template <typename Emitter>
void RecordCode<Emitter>::LoadWord(uint32_t word, const Spot& from, uint32_t bytes,
                                   uint64_t phase_bits, const Label& otherwise) {
  words_[word] = emitter_->New();
  left_[word] = uses_[word];
  emitter_->Load(words_[word], from, bytes);
  TestWord(word, phase_bits, otherwise);
}

template <typename Emitter>
typename Emitter::Reg RecordCode<Emitter>::Length(const Label& otherwise) {
  const Reg length = Number(plan_.length);
  if (plan_.length_less != 0) {
    emitter_->SubJumpIf(length, plan_.length_less, Emitter::kBelow, otherwise);
  }
  return length;
}

template <typename Emitter>
bool RecordCode<Emitter>::IsMasked(size_t lane) const {
  return std::any_of(plan_.tables.begin(), plan_.tables.end(), [&](const Table& t) {
    return std::any_of(t.columns.begin(), t.columns.end(),
                       [&](const Table::Column& c) { return c.is_mask && c.target == lane; });
  });
}

template <typename Emitter>
std::optional<Piece> RecordCode<Emitter>::AsBit(const Table& table, uint64_t* beside) {
  if (table.bits() != 1 || table.gathers.size() != 1 || table.gathers.front().is_test ||
      table.columns.size() != 1 || table.columns.front().is_mask) {
    return std::nullopt;
  }
  *beside = table.entries[table.entry_of_index[0]];
  const uint64_t one = table.entries[table.entry_of_index[1]];
  const uint64_t differ = one ^ *beside;
  if (std::popcount(differ) != 1 || (one & differ) == 0) return std::nullopt;
  const Table::Gather& gather = table.gathers.front();
  return Piece{gather.word, static_cast<uint8_t>(std::countr_zero(gather.mask)),
               static_cast<uint8_t>(std::countr_zero(differ)), false, 1};
}

template <typename Emitter>
void RecordCode<Emitter>::StoreConstants(const Spot& to, uint32_t first) {
  std::vector<int32_t> zeros;
  for (uint32_t w = first; w < kMetaWords; ++w) {
    if (plan_.Fills(w)) continue;
    const Spot word = At(to, size_t{8} * w);
    if (plan_.constant[w] == 0) {
      zeros.push_back(word.offset);
      continue;
    }
    emitter_->StoreConstant(word, plan_.constant[w]);
  }
  emitter_->StoreZeros(to.base, zeros);
}

template <typename Emitter>
void RecordCode<Emitter>::Store(const Spot& to, uint32_t first) {
  if (pair_.has_value() && first == 0) {
    StorePair(to);
    StoreConstants(to, 2);
    return;
  }
  std::vector<Reg> lanes;
  // Before words are used up.
  std::optional<Reg> index;
  uint64_t ignored = 0;
  const bool one_table =
      plan_.tables.size() == 1 && !AsBit(plan_.tables.front(), &ignored).has_value();
  if (one_table) index = GatherIndex(emitter_, plan_.tables.front(), words(), left_.data());
  for (size_t l = 0; l < plan_.lanes.size(); ++l) {
    lanes.push_back(
        GetNumber(emitter_, std::span(plan_.lanes[l].pieces), words(), IsMasked(l), left_.data()));
  }
  std::array<std::optional<Reg>, kMetaWords> meta;
  const auto put = [&](uint8_t w, const Reg& value) {
    if (meta[w].has_value()) {
      emitter_->Or(*meta[w], value);
    } else {
      meta[w] = value;
    }
  };
  for (size_t t = 0; t < plan_.tables.size(); ++t) {
    const Table& table = plan_.tables[t];
    uint64_t beside = 0;
    if (const std::optional<Piece> bit = AsBit(table, &beside); bit.has_value()) {
      const Reg there = GetNumber(emitter_, std::span(&*bit, 1), words(), false, left_.data());
      emitter_->Or(there, beside);
      put(table.columns.front().target, there);
      continue;
    }
    if (!one_table) index = GatherIndex(emitter_, table, words(), left_.data());
    const Spot entry = emitter_->Entry(placed_[t].offsets_at, placed_[t].entries_at, index);
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const Table::Column& column = table.columns[c];
      const Spot value = At(entry, 8 * c);
      if (column.is_mask) {
        emitter_->And(lanes[column.target], value);
      } else if (std::optional<Reg>& word = meta[column.target]; word.has_value()) {
        emitter_->Or(*word, value);
      } else {
        word = emitter_->New();
        emitter_->Load(*word, value, 8);
      }
    }
  }
  for (size_t l = 0; l < lanes.size(); ++l) put(plan_.lanes[l].out, lanes[l]);
  for (uint32_t w = first; w < kMetaWords; ++w) {
    if (!meta[w].has_value()) continue;
    emitter_->Or(*meta[w], plan_.constant[w]);
    emitter_->Store(At(to, size_t{8} * w), *meta[w], 8);
  }
  StoreConstants(to, first);
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RECORD_CODE_H_
