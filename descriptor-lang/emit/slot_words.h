// A slot as the words that an emitted burst stores: what each is made of, as C++. Fields are put
// into words with shifts and not into bytes, so that nothing of a slot goes through memory twice.
//
// Little-endian words. A plain value; one thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_SLOT_WORDS_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_SLOT_WORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

class SlotWords {
 public:
  SlotWords(uint32_t slot_bytes, uint32_t word_bytes)
      : word_bytes_(word_bytes), words_(slot_bytes / word_bytes) {}

  // Whether the value can be put there as it is: no scale, no sign, one bit where it is inverted.
  static bool IsPlain(const v1::Field& field);

  // The bytes at the slot's begin.
  void Begin(const std::vector<uint8_t>& bytes);
  // Adds `value`, an expression of 64 bits that names no bits beyond the field's; the form stands
  // `base` bytes behind the slot's begin. The field's bits must be zero so far.
  // is_same_in_run: it comes first, so that the compiler puts it together with the constant once.
  void Put(const v1::Field& field, uint32_t base, std::string_view value,
           bool is_same_in_run = false);
  // Makes its bits zero in what Begin gave.
  void Clear(const v1::Field& field, uint32_t base);

  uint32_t size() const { return static_cast<uint32_t>(words_.size()); }
  // The word's expression; whether it has more than constants.
  std::string Text(uint32_t word) const;
  bool Varies(uint32_t word) const { return !words_[word].terms.empty(); }
  uint64_t Constant(uint32_t word) const { return words_[word].constant; }
  const std::vector<std::string>& Terms(uint32_t word) const { return words_[word].terms; }

 private:
  struct Word {
    uint64_t constant = 0;
    std::vector<std::string> terms;
  };
  uint32_t word_bytes_;
  std::vector<Word> words_;
};

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_SLOT_WORDS_H_
