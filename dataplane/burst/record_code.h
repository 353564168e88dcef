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
  // The same of 8 bytes without the test, before all that is loaded after it.
  const Reg& LoadFirst(uint32_t word, const Spot& from) {
    words_[word] = emitter_->New();
    emitter_->LoadAcquire(words_[word], from);
    return words_[word];
  }
  std::span<const Reg> words() const { return words_; }
  // packet.length less what is to be taken off, as 64 bits; goes to `otherwise` where it says less.
  Reg Length(const Label& otherwise);
  // Writes the metadata.
  void Store(const Spot& to);

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
  void StoreConstants(const Spot& to);

  Emitter* emitter_;
  const RecordPlan& plan_;
  std::vector<Placed> placed_;
  std::array<Reg, kMaxWords> words_;
};

template <typename Emitter>
RecordCode<Emitter>::RecordCode(Emitter* emitter, const RecordPlan& plan)
    : emitter_(emitter), plan_(plan) {
  for (const Table& table : plan.tables) {
    const size_t stride = table.columns.size();
    std::vector<uint64_t> entries = table.entries;
    // Masks of lanes keep nothing beside the lanes' own bits: so lanes need no masks of their own.
    for (size_t c = 0; c < stride; ++c) {
      const Table::Column& column = table.columns[c];
      if (!column.is_mask) continue;
      const uint64_t bits = plan.lanes[column.target].Bits();
      for (size_t at = c; at < entries.size(); at += stride) entries[at] &= bits;
    }
    std::vector<uint16_t> offsets;
    for (const uint16_t entry : table.entry_of_index) {
      offsets.push_back(static_cast<uint16_t>(entry * sizeof(uint64_t)));
    }
    Placed placed;
    placed.offsets_at = emitter->AddBytes(std::as_bytes(std::span(offsets)), 64);
    placed.entries_at = emitter->AddBytes(std::as_bytes(std::span(entries)), 64);
    placed_.push_back(placed);
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
  emitter_->Load(words_[word], from, bytes);
  TestWord(word, phase_bits, otherwise);
}

template <typename Emitter>
typename Emitter::Reg RecordCode<Emitter>::Length(const Label& otherwise) {
  const Reg length = GetNumber(emitter_, std::span(plan_.length), words(), false);
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
void RecordCode<Emitter>::StoreConstants(const Spot& to) {
  std::vector<int32_t> zeros;
  for (uint32_t w = 0; w < kMetaWords; ++w) {
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
void RecordCode<Emitter>::Store(const Spot& to) {
  std::vector<Reg> lanes;
  for (size_t l = 0; l < plan_.lanes.size(); ++l) {
    lanes.push_back(GetNumber(emitter_, std::span(plan_.lanes[l].pieces), words(), IsMasked(l)));
  }
  std::array<std::optional<Reg>, kMetaWords> meta;
  for (size_t t = 0; t < plan_.tables.size(); ++t) {
    const Table& table = plan_.tables[t];
    const Spot entry = emitter_->Entry(placed_[t].offsets_at, placed_[t].entries_at,
                                       GatherIndex(emitter_, table, words()));
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
  for (size_t l = 0; l < lanes.size(); ++l) {
    std::optional<Reg>& word = meta[plan_.lanes[l].out];
    if (word.has_value()) {
      emitter_->Or(*word, lanes[l]);
    } else {
      word = lanes[l];
    }
  }
  for (uint32_t w = 0; w < kMetaWords; ++w) {
    if (!meta[w].has_value()) continue;
    emitter_->Or(*meta[w], plan_.constant[w]);
    emitter_->Store(At(to, size_t{8} * w), *meta[w], 8);
  }
  StoreConstants(to);
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RECORD_CODE_H_
