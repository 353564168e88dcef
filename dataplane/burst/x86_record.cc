// Decoding a record: see x86_emitter.h.
#include <algorithm>
#include <cstring>
#include <optional>

#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

namespace asm86 = asmjit::x86;

Record::Record(Emitter* emitter, const RecordPlan& plan) : emitter_(emitter), plan_(plan) {
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
    placed.index_at = emitter->AddBytes(std::as_bytes(std::span(offsets)), 64);
    placed.entries_at = emitter->AddBytes(std::as_bytes(std::span(entries)), 64);
    placed_.push_back(placed);
  }
}

void Record::Load(const std::function<Mem(uint32_t word)>& at, uint32_t first_word,
                  const Label& otherwise) {
  // Loads are not reordered with earlier ones: the first is the acquire.
  LoadWord(first_word, at(first_word), 0, otherwise);
  for (uint32_t w = 0; w < kMaxWords; ++w) {
    if (w != first_word && (plan_.words >> w & 1) != 0) LoadWord(w, at(w), 0, otherwise);
  }
}

void Record::LoadWord(uint32_t word, const Mem& from, uint64_t phase_bits, const Label& otherwise) {
  const WordTest& test = plan_.tests[word];
  emitter_->Test(LoadUntested(word, from), {test.mask, test.value ^ phase_bits}, otherwise);
}

const Gp& Record::LoadUntested(uint32_t word, const Mem& from) {
  asm86::Compiler& cc = emitter_->cc();
  const Gp to = words_[word] = cc.newUInt64("w%u", word);
  if (from.size() == 4) {
    cc.mov(to.r32(), from);
  } else {
    cc.mov(to, from);
  }
  return words_[word];
}

Gp Record::Length(const Label& otherwise) {
  const Gp length = emitter_->Get(plan_.length, words_, false);
  if (plan_.length_less != 0) {
    emitter_->cc().sub(length, plan_.length_less);
    emitter_->cc().jb(otherwise);
  }
  return length;
}

Gp Record::EntryOf(const Table& table, const Placed& placed) {
  asm86::Compiler& cc = emitter_->cc();
  std::optional<Gp> index;
  int place = 0;
  for (const Table::Gather& gather : table.gathers) {
    const Gp bits = emitter_->Gather(words_[gather.word], gather);
    if (index.has_value()) {
      cc.shl(bits, place);
      cc.or_(*index, bits);
    } else {
      index = bits;
    }
    place += static_cast<int>(gather.bits());
  }
  const Gp entry = cc.newUInt64();
  Mem at = index.has_value() ? emitter_->Block(placed.index_at, *index, 1)
                             : emitter_->Block(placed.index_at);
  at.setSize(2);
  cc.movzx(entry.r32(), at);
  return entry;
}

void Record::StoreConstants(const Place& to) {
  asm86::Compiler& cc = emitter_->cc();
  std::optional<asm86::Xmm> zero;
  for (uint32_t w = 0; w < kMetaWords; ++w) {
    if (plan_.Fills(w)) continue;
    const size_t at = size_t{8} * w;
    if (plan_.constant[w] != 0) {
      if (plan_.constant[w] <= INT32_MAX) {
        cc.mov(to(8, at), static_cast<int32_t>(plan_.constant[w]));
        continue;
      }
      const Gp value = cc.newUInt64();
      emitter_->Set(value, plan_.constant[w]);
      cc.mov(to(8, at), value);
      continue;
    }
    if (!zero.has_value()) {
      zero = cc.newXmm("zero");
      cc.xorps(*zero, *zero);
    }
    const bool pair = w + 1 < kMetaWords && !plan_.Fills(w + 1) && plan_.constant[w + 1] == 0;
    if (pair) {
      cc.movups(to(16, at), *zero);
      ++w;
    } else {
      cc.movlps(to(8, at), *zero);
    }
  }
}

void Record::Store(const Place& to) {
  asm86::Compiler& cc = emitter_->cc();
  std::vector<Gp> lanes;
  for (size_t l = 0; l < plan_.lanes.size(); ++l) {
    const bool masked = std::any_of(plan_.tables.begin(), plan_.tables.end(), [&](const Table& t) {
      return std::any_of(t.columns.begin(), t.columns.end(),
                         [&](const Table::Column& c) { return c.is_mask && c.target == l; });
    });
    lanes.push_back(emitter_->Get(plan_.lanes[l].pieces, words_, masked));
  }
  std::array<std::optional<Gp>, kMetaWords> meta;
  for (size_t t = 0; t < plan_.tables.size(); ++t) {
    const Table& table = plan_.tables[t];
    const Gp entry = EntryOf(table, placed_[t]);
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const Table::Column& column = table.columns[c];
      const Mem value = emitter_->Block(placed_[t].entries_at + static_cast<int32_t>(8 * c), entry);
      if (column.is_mask) {
        cc.and_(lanes[column.target], value);
        continue;
      }
      std::optional<Gp>& word = meta[column.target];
      if (word.has_value()) {
        cc.or_(*word, value);
      } else {
        word = cc.newUInt64();
        cc.mov(*word, value);
      }
    }
  }
  for (size_t l = 0; l < lanes.size(); ++l) {
    std::optional<Gp>& word = meta[plan_.lanes[l].out];
    if (word.has_value()) {
      cc.or_(*word, lanes[l]);
    } else {
      word = lanes[l];
    }
  }
  for (uint32_t w = 0; w < kMetaWords; ++w) {
    if (!meta[w].has_value()) continue;
    if (plan_.constant[w] != 0) cc.or_(*meta[w], emitter_->Constant(plan_.constant[w]));
    cc.mov(to(8, size_t{8} * w), *meta[w]);
  }
  StoreConstants(to);
}

}  // namespace qsplit::dataplane::burst::x86
