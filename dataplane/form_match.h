// Which of several forms stands in a descriptor's bytes: by each form's selector and by the
// constants of its fields.
//
// Works on private bytes, as field access does. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_FORM_MATCH_H_
#define QSPLIT_DATAPLANE_FORM_MATCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/condition.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

class FormMatcher {
 public:
  static constexpr int kNone = -1;

  // For these forms (indices into Layout.forms), tried in this order; of a queue set up with
  // `choices` (one for each of Layout.features). Constants behind the first `bytes` bytes are not
  // looked at.
  static absl::StatusOr<FormMatcher> Compile(const v1::Layout& layout,
                                             std::span<const uint32_t> forms,
                                             std::span<const uint32_t> choices,
                                             uint32_t bytes = kMaxDescriptorBytes);

  // Whether any bytes at all are of the first form.
  bool MatchesAll() const {
    return !forms_.empty() && forms_.front().constants.empty() &&
           forms_.front().selector.AlwaysTrue();
  }
  // Whether Match answers `form` for all bytes in which some bits have certain values; these are
  // added then.
  bool IsBits(size_t form, std::byte* mask, std::byte* value) const;

  // Position in `forms` of the first one that the bytes are of; kNone.
  int Match(const std::byte* descriptor) const {
    for (size_t i = 0; i < forms_.size(); ++i) {
      if (IsForm(forms_[i], descriptor)) return static_cast<int>(i);
    }
    return kNone;
  }
  // Sets all bits that Match looks at of a descriptor for which it answers `form`.
  void MarkBits(size_t form, std::byte* mask) const;

 private:
  // (8 bytes & mask) == value, in memory order.
  struct MaskedWord {
    uint16_t offset = 0;
    uint64_t mask = 0;
    uint64_t value = 0;
  };
  struct Shape {
    std::vector<MaskedWord> constants;
    Condition selector;
  };
  static bool IsForm(const Shape& shape, const std::byte* descriptor) {
    for (const MaskedWord& word : shape.constants) {
      uint64_t bytes;
      std::memcpy(&bytes, descriptor + word.offset, sizeof bytes);
      if ((bytes & word.mask) != word.value) return false;
    }
    return shape.selector.Holds(descriptor);
  }

  std::vector<Shape> forms_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_FORM_MATCH_H_
