#include "dataplane/burst/columns.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "dataplane/barriers.h"

namespace qsplit::dataplane::burst {
namespace {

using Column = uint64_t[kColumn];
// Two numbers at once; columns hold whole pairs, so that loops may run over the count.
using Pair = uint64_t __attribute__((vector_size(16)));
constexpr uint32_t kPair = 2;

Pair LoadPair(const uint64_t* from) {
  Pair pair;
  std::memcpy(&pair, from, sizeof pair);
  return pair;
}
void StorePair(uint64_t* to, Pair pair) { std::memcpy(to, &pair, sizeof pair); }

// to[i] = or |= the piece of from[i].
template <bool kFirst>
void AddPiece(const Piece& piece, const Column& from, uint32_t count, Column& to) {
  const uint64_t mask = piece.mask;
  const uint32_t shift = piece.shift;
  const uint32_t place = piece.place;
  if (piece.byte_swap) {
    // The same as one mask and one rotation.
    const uint64_t kept = (mask & ~uint64_t{0} >> shift) << place;
    const int left = piece.place - piece.shift;
    const uint64_t* const words = from;
    uint64_t* const numbers = to;
    if (left == 0) {
      return ForColumn(count, [=](uint32_t i) {
        numbers[i] = (kFirst ? 0 : numbers[i]) | (__builtin_bswap64(words[i]) & kept);
      });
    }
    return ForColumn(count, [=](uint32_t i) {
      const uint64_t bits = std::rotl(__builtin_bswap64(words[i]), left) & kept;
      numbers[i] = (kFirst ? 0 : numbers[i]) | bits;
    });
  }
  ForColumn<kPair>(count, [&](uint32_t i) {
    Pair pair = ((LoadPair(from + i) >> shift) & mask) << place;
    if (!kFirst) pair |= LoadPair(to + i);
    StorePair(to + i, pair);
  });
}

// The sum of pieces.
void AddPieces(const std::vector<Piece>& pieces, const WordColumns& words, uint32_t count,
               Column& to) {
  if (pieces.empty()) std::memset(to, 0, sizeof to);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Column& from = words.word[pieces[i].word];
    if (i == 0) {
      AddPiece<true>(pieces[i], from, count, to);
    } else {
      AddPiece<false>(pieces[i], from, count, to);
    }
  }
}

// Bits in a row of a word, and where they go in an index.
struct Run {
  const uint64_t* from = nullptr;
  uint64_t mask = 0;
  uint32_t shift = 0;
  uint32_t place = 0;
};

// index[i] = or |= what these runs are of it.
template <size_t kRuns, bool kFirst>
void AddRuns(const Run* runs, uint32_t count, Column& index) {
  Run run[kRuns];
  std::copy_n(runs, kRuns, run);
  ForColumn<kPair>(count, [&](uint32_t i) {
    Pair pair = kFirst ? Pair{} : LoadPair(index + i);
    for (const Run& r : run) pair |= ((LoadPair(r.from + i) >> r.shift) & r.mask) << r.place;
    StorePair(index + i, pair);
  });
}
template <bool kFirst>
void AddRuns(const Run* runs, size_t many, uint32_t count, Column& index) {
  switch (many) {
    case 1:
      return AddRuns<1, kFirst>(runs, count, index);
    case 2:
      return AddRuns<2, kFirst>(runs, count, index);
    case 3:
      return AddRuns<3, kFirst>(runs, count, index);
    default:
      return AddRuns<4, kFirst>(runs, count, index);
  }
}

// Where the entry of each index begins.
void FindEntries(const Table& table, const WordColumns& words, uint32_t count, Column& entry) {
  constexpr size_t kTogether = 4;
  Run runs[kTogether];
  size_t many = 0;
  uint32_t place = 0;
  bool first = true;
  const auto flush = [&] {
    if (many != 0) {
      first ? AddRuns<true>(runs, many, count, entry) : AddRuns<false>(runs, many, count, entry);
      first = false;
    }
    many = 0;
  };
  for (const Table::Gather& gather : table.gathers) {
    const Column& from = words.word[gather.word];
    if (gather.is_test) {
      flush();
      for (uint32_t i = 0; i < count; ++i) {
        const uint64_t bit = (from[i] & gather.mask) == gather.value ? 1 : 0;
        entry[i] = (first ? 0 : entry[i]) | bit << place;
      }
      first = false;
      ++place;
      continue;
    }
    for (uint64_t mask = gather.mask; mask != 0;) {
      const auto shift = static_cast<uint32_t>(std::countr_zero(mask));
      const auto bits = static_cast<uint32_t>(std::countr_one(mask >> shift));
      const uint64_t ones = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
      runs[many++] = {from, ones, shift, place};
      if (many == kTogether) flush();
      place += bits;
      mask &= ~(ones << shift);
    }
  }
  flush();
  if (first) std::memset(entry, 0, sizeof entry);
  const uint16_t* entry_of_index = table.entry_of_index.data();
  // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.ArraySubscript): each way above writes it
  ForColumn(count, [&](uint32_t i) { entry[i] = entry_of_index[entry[i]]; });
}

// One word of the metadata of so many completions: begins with the same in all, and goes through a
// column but for the last of what is added to it.
class MetaWord {
 public:
  MetaWord(uint64_t constant, uint32_t terms, uint32_t count, std::byte* to)
      : constant_(constant), left_(terms), count_(count), to_(to) {}

  // Adds bits_of(i) to that of completion i.
  template <typename BitsOf>
  void Add(BitsOf bits_of) {
    const uint64_t constant = constant_;
    const uint64_t* const column = column_;
    if (first_) {
      AddTo([=](uint32_t i) { return constant | bits_of(i); });
    } else {
      // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the first one wrote it
      AddTo([=](uint32_t i) { return column[i] | bits_of(i); });
    }
    first_ = false;
  }

 private:
  template <typename WordOf>
  void AddTo(WordOf word_of) {
    const uint32_t count = count_;
    if (--left_ == 0) {
      std::byte* to = to_;
      return ForColumn(count, [=](uint32_t i) {
        const uint64_t word = word_of(i);
        std::memcpy(to + i * sizeof(RxCompletion), &word, sizeof word);
      });
    }
    uint64_t* const column = column_;
    ForColumn(count, [=](uint32_t i) { column[i] = word_of(i); });
  }

  const uint64_t constant_;
  uint32_t left_;
  const uint32_t count_;
  std::byte* const to_;
  bool first_ = true;
  alignas(64) Column column_;
};

// Words in a row that are the same in all completions.
template <size_t kWords>
void WriteSame(const uint64_t* words, uint32_t count, std::byte* to) {
  std::array<uint64_t, kWords> same;
  std::copy_n(words, kWords, same.data());
  ForColumn(count, [=](uint32_t i) {
    std::memcpy(to + i * sizeof(RxCompletion), same.data(), sizeof same);
  });
}
void WriteSame(const uint64_t* words, size_t many, uint32_t count, std::byte* to) {
  static_assert(kMetaWords == 5);
  switch (many) {
    case 1:
      return WriteSame<1>(words, count, to);
    case 2:
      return WriteSame<2>(words, count, to);
    case 3:
      return WriteSame<3>(words, count, to);
    case 4:
      return WriteSame<4>(words, count, to);
    default:
      return WriteSame<5>(words, count, to);
  }
}

// What goes into one word of the metadata.
struct Term {
  const uint64_t* lane;    // a column; null: nothing but the entries
  const uint64_t* values;  // a column of the entries: bits, or the lane's masks; null: none
  const uint64_t* entry;   // where each completion's entry begins
};

// Reads a word of slots into a column, until one fails the test; how many did not.
uint32_t ReadWords(const SlotColumn& slots, const WordTest& test, uint64_t* column) {
  const std::byte* at = slots.at;
  const size_t slot_bytes = slots.slot_bytes;
  const uint32_t most = slots.count;
  if (test.mask == 0) {
    ForColumn(most, [&](uint32_t i) {
      column[i] = LoadAcquire<uint64_t>(at);
      at += slot_bytes;
    });
    return most;
  }
  const uint64_t mask = test.mask;
  const uint64_t value = test.value;
  return CountColumn(most, [&](uint32_t i) {
    // Acquire, for the first word: pairs with the release of the device's store of it.
    const auto word = LoadAcquire<uint64_t>(at);
    column[i] = word;
    at += slot_bytes;
    return (word & mask) == value;
  });
}

}  // namespace

uint32_t ReadSlots(const RecordPlan& plan, uint32_t first_word, uint32_t which,
                   const std::array<uint64_t, kMaxWords>& flips, const SlotColumn& slots,
                   WordColumns* words) {
  SlotColumn left = slots;
  const auto read = [&](uint32_t w) {
    const WordTest& test = plan.tests[w];
    left.at = slots.at + size_t{8} * w;
    left.count = ReadWords(left, {test.mask, test.value ^ flips[w]}, words->word[w]);
  };
  read(first_word);
  for (which &= ~(1u << first_word); which != 0; which &= which - 1) {
    read(static_cast<uint32_t>(std::countr_zero(which)));
  }
  return left.count;
}

void ReadNumbers(const std::vector<Piece>& pieces, const WordColumns& words, uint32_t count,
                 uint64_t* numbers) {
  AddPieces(pieces, words, count, *reinterpret_cast<Column*>(numbers));
}

void ReadLengths(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                 uint64_t* lengths) {
  ReadNumbers(plan.length, words, count, lengths);
  const uint64_t less = plan.length_less;
  if (less == 0) return;
  ForColumn<kPair>(count,
                   [=](uint32_t i) { StorePair(lengths + i, LoadPair(lengths + i) - less); });
}

void ReadMetadata(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                  RxCompletion* out) {
  alignas(64) Column lanes[kMaxLanes];
  alignas(64) Column entries[kMaxTables];
  // Words of their metadata, and how many terms each has.
  constexpr size_t kMaxTerms = kMaxLanes + kMaxTables;
  Term terms[kMetaWords][kMaxTerms];
  uint32_t many[kMetaWords] = {};
  Term masked[kMaxLanes];
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    AddPieces(plan.lanes[l].pieces, words, count, lanes[l]);
    masked[l] = {lanes[l], nullptr, nullptr};
  }
  for (size_t t = 0; t < plan.tables.size(); ++t) {
    const Table& table = plan.tables[t];
    FindEntries(table, words, count, entries[t]);
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const Table::Column& column = table.columns[c];
      const uint64_t* const values = table.entries.data() + c;
      if (!column.is_mask) {
        terms[column.target][many[column.target]++] = {nullptr, values, entries[t]};
        continue;
      }
      Term& lane = masked[column.target];
      if (lane.values != nullptr) {
        // Of several masks all but the last are applied here.
        for (uint32_t i = 0; i < count; ++i) lanes[column.target][i] &= lane.values[lane.entry[i]];
      }
      lane.values = values;
      lane.entry = entries[t];
    }
  }
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    const uint32_t w = plan.lanes[l].out;
    terms[w][many[w]++] = masked[l];
  }
  for (uint32_t w = 0; w < kMetaWords;) {
    std::byte* const to = reinterpret_cast<std::byte*>(&out->meta) + size_t{8} * w;
    if (many[w] == 0) {
      uint32_t end = w + 1;
      while (end < kMetaWords && many[end] == 0) ++end;
      WriteSame(&plan.constant[w], end - w, count, to);
      w = end;
      continue;
    }
    // The usual pair, a value of a table and a number that it masks, in one go.
    const bool pair = many[w] >= 2 && terms[w][0].lane == nullptr && terms[w][1].lane != nullptr &&
                      terms[w][1].entry == terms[w][0].entry;
    MetaWord word(plan.constant[w], many[w] - (pair ? 1 : 0), count, to);
    uint32_t next = 0;
    if (pair) {
      next = 2;
      word.Add([a = terms[w][0], b = terms[w][1]](uint32_t i) {
        const uint64_t entry = a.entry[i];
        return a.values[entry] | (b.lane[i] & b.values[entry]);
      });
    }
    for (; next < many[w]; ++next) {
      const Term term = terms[w][next];
      if (term.lane == nullptr) {
        word.Add([term](uint32_t i) { return term.values[term.entry[i]]; });
      } else if (term.values == nullptr) {
        word.Add([term](uint32_t i) { return term.lane[i]; });
      } else {
        word.Add([term](uint32_t i) { return term.lane[i] & term.values[term.entry[i]]; });
      }
    }
    ++w;
  }
}

uint32_t CountPostable(const BufferLimits& limits, const RxBuffer* buffers, uint32_t count) {
  // All of them as a rule: no address is above the bits of all of them, and no difference is to be
  // negative.
  uint64_t addresses = 0;
  int64_t differences = 0;
  const int64_t range = limits.more_bytes;
  const uint32_t least = limits.least_bytes;
  ForColumn(count, [&](uint32_t i) {
    addresses |= buffers[i].address.value;
    differences |= range - (buffers[i].bytes - least);
  });
  if ((addresses & limits.alignment_mask) == 0 && addresses <= limits.max_address &&
      differences >= 0) {
    return count;
  }
  uint32_t i = 0;
  while (i < count && (buffers[i].address.value & limits.alignment_mask) == 0 &&
         buffers[i].address.value <= limits.max_address &&
         buffers[i].bytes - least <= limits.more_bytes) {
    ++i;
  }
  return i;
}

}  // namespace qsplit::dataplane::burst
