// A field's bits as loads of whole words: what emitters of fast accessors write down where the
// target language can load a word in either byte order.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_FIELD_WORDS_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_FIELD_WORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// value = value << bits | (word of `bytes` bytes at `offset` >> shift & low bits)
struct FieldWord {
  uint32_t offset = 0;  // bytes from the start of the form
  uint32_t bytes = 1;   // 1, 2, 4 or 8
  bool big = false;     // the word's byte order
  uint32_t shift = 0;   // to the right
  uint32_t bits = 0;    // width, 1..64
};

// The smallest words that hold the field's parts and lie within the form, at multiples of their
// size where there are any; from the value's most significant part to its least. Empty: a byte
// array, or a part that no word within the form holds.
std::vector<FieldWord> WordsOf(const v1::Field& field, uint32_t form_bytes);

// The two templates of an emitted C++ header that load and store words of private bytes, one
// instruction each where the bytes are no constants.
std::string_view CppWordAccess();
// What they are called with: "<uint32_t, false>(d + 8", to be closed.
std::string CppArguments(const FieldWord& word);
// The field's raw value as an expression over `d`.
std::string CppValue(const std::vector<FieldWord>& words);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_FIELD_WORDS_H_
