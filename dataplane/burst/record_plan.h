// What one completion of the common case says, as plain constants: which bits must stand there, and
// where each member of RxMetadata comes from. Compiled from an RxProgram when a queue is opened,
// and then carried out by two executors: an interpreter of it, and machine code made of it.
//
//   words of the descriptor --tests----> the common case, or leave it to the engine
//                           --lanes----> numbers, moved to their places   --and--,
//                           --tables---> bits gathered to an index --> masks ------'--or--> record
//                                                                  '-> values (codes, flags)
//
// Numbers are moved as they are; whatever is decided (which members are there, what codes and flags
// mean) comes out of tables that were filled by asking the RxProgram itself, once for each
// combination of the bits that it looks at. So a plan says what the program says, by construction.
//
// Plain values without pointers; immutable after compiling; any thread. The bytes that executors
// apply it to are the device's and may hold anything: every index is as wide as its table.
#ifndef QSPLIT_DATAPLANE_BURST_RECORD_PLAN_H_
#define QSPLIT_DATAPLANE_BURST_RECORD_PLAN_H_

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "dataplane/field_access.h"

namespace qsplit::dataplane::burst {

// Words of 8 bytes of a descriptor that plans look at, and of RxMetadata.
inline constexpr uint32_t kMaxWords = 8;
inline constexpr uint32_t kMetaWords = 5;
inline constexpr size_t kMaxLanes = 8;
inline constexpr size_t kMaxTables = 16;
// Descriptors that an interpreter works on together, at most.
inline constexpr uint32_t kColumn = 32;

// (word & mask) == value must hold.
struct WordTest {
  uint64_t mask = 0;
  uint64_t value = 0;
};

// Some bits of a number: ((byte_swap ? swapped word : word) >> shift & mask) << place when it is
// read, the other way round when it is written.
struct Piece {
  uint8_t word = 0;
  uint8_t shift = 0;
  uint8_t place = 0;
  bool byte_swap = false;
  uint64_t mask = 0;

  uint64_t Get(uint64_t raw) const {
    return (((byte_swap ? __builtin_bswap64(raw) : raw) >> shift) & mask) << place;
  }
  // Whether it is all of the word, as it stands there.
  bool IsWord() const { return mask == ~uint64_t{0} && !byte_swap; }
  // The bits of the word that carry `number`.
  uint64_t Put(uint64_t number) const {
    const uint64_t bits = ((number >> place) & mask) << shift;
    return byte_swap ? __builtin_bswap64(bits) : bits;
  }
};

// The parts of a number whose value is its bits, as pieces of words; only its lowest `width` bits.
// False: it is scaled or signed, or not within the first kMaxWords words.
bool AddPieces(const FieldAccess& field, uint32_t width, uint8_t place, std::vector<Piece>* pieces);
// The same of one part, all of it.
bool AddPieces(const FieldPart& part, std::vector<Piece>* pieces);

// Numbers that go to one word of the metadata, as far as the tables' masks let them.
struct Lane {
  uint8_t out = 0;
  std::vector<Piece> pieces;

  uint64_t Bits() const {
    uint64_t bits = 0;
    for (const Piece& piece : pieces) bits |= piece.mask << piece.place;
    return bits;
  }
};

// Bits of words, lowest first and word by word, make an index; the index an entry.
struct Table {
  struct Gather {
    uint8_t word = 0;
    uint64_t mask = 0;
    // Instead of the mask's bits one bit: whether (word & mask) == value.
    bool is_test = false;
    uint64_t value = 0;

    uint32_t bits() const { return is_test ? 1 : static_cast<uint32_t>(std::popcount(mask)); }
  };
  // What one column of an entry is: a mask of a lane, or bits of a word of the metadata.
  struct Column {
    bool is_mask = false;
    uint8_t target = 0;  // index of a lane; else of a word
  };
  std::vector<Gather> gathers;
  std::vector<Column> columns;
  // For each index, 1 << bits() of them, where its entry begins in `entries`: columns.size() words.
  std::vector<uint16_t> entry_of_index;
  std::vector<uint64_t> entries;

  uint32_t bits() const {
    uint32_t bits = 0;
    for (const Gather& gather : gathers) bits += gather.bits();
    return bits;
  }
};

struct RecordPlan {
  // Of the words that are looked at; a zero mask lets everything pass.
  std::array<WordTest, kMaxWords> tests{};
  // Bit w: word w is looked at, by tests, length, lanes or tables.
  uint32_t words = 0;
  // packet.length, and what to take off it (a frame check sequence). Empty: the form says none.
  std::vector<Piece> length;
  uint32_t length_less = 0;
  // packet.offset; empty: at the buffer's first byte, or behind a prefix.
  std::vector<Piece> offset;
  // Metadata that is the same in all completions; after Finish of words without values from tables.
  std::array<uint64_t, kMetaWords> constant{};
  std::vector<Lane> lanes;
  std::vector<Table> tables;

  // Bits that must stand there, in bytes of the descriptor. False: they contradict what must
  // already.
  bool Require(const DescriptorBytes& mask, const DescriptorBytes& value);
  // Once all else is there: fills in `words`, and gives constants to the first table that fills
  // their word.
  void Finish();
  // Adds what another descriptor says, whose words come `words_before` further; its length, where
  // this one has none. Both are finished. False: they are too many, or both say something of the
  // metadata.
  bool Append(const RecordPlan& other, uint32_t words_before);
  // Whether bits of a word decide anything but whether it is the common case.
  bool LooksAt(uint32_t word, uint64_t bits) const;
  // Whether any lane or table speaks of this word of the metadata.
  bool Fills(uint32_t out) const;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RECORD_PLAN_H_
