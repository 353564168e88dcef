// Compares specs with what public headers say: masks and offsets, written down a second time in the
// tests, against the fields of the compiled layout.
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

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SPEC_FACTS_H_
