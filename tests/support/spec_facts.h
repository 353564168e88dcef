// Compares specs with what public headers say: masks and offsets, values of enumerations and sizes
// of rings, written down a second time in the tests, against the compiled layout.
#ifndef QSPLIT_TESTS_SUPPORT_SPEC_FACTS_H_
#define QSPLIT_TESTS_SUPPORT_SPEC_FACTS_H_

#include <cstdint>
#include <span>
#include <string>

namespace qsplit::testing {

// How the header reads the word that a mask is of.
enum class Word : uint8_t {
  kLittle,  // little endian, up to 8 bytes; the word may be longer than the field's
  kBig16,
  kBig32,
  kBig64,
  kBytes,  // no number: the mask is the count of bytes
};

// These bits of the word at that offset are bits `value_lsb` and up of the field's value. A field
// in several places has several facts, which together say where all of its bits are.
struct Fact {
  const char* form;
  const char* field;
  uint32_t offset;  // bytes from the start of the form
  uint64_t mask;
  Word word = Word::kLittle;
  uint32_t value_lsb = 0;
};

// Expects that descriptor-specs/NAME.qdl compiles, that each field of a fact has exactly the bits
// of its facts, and that every field has a fact, but those that fill reserved bits.
void CheckFacts(const std::string& name, std::span<const Fact> facts);

// A value of an enumeration.
struct Value {
  const char* enumeration;
  const char* name;
  uint64_t value;
};

// Expects that descriptor-specs/NAME.qdl has each of these, and in their enumerations no others.
void CheckValues(const std::string& name, std::span<const Value> values);

// How many slots a ring may have, and where it may begin.
struct RingSize {
  const char* queue;
  const char* ring;
  uint32_t min_slots;
  uint32_t max_slots;
  uint32_t step;  // 0 for powers of two
  uint32_t alignment_bytes;
};

// Expects that descriptor-specs/NAME.qdl has these rings and tables, and no others.
void CheckRings(const std::string& name, std::span<const RingSize> rings);

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SPEC_FACTS_H_
