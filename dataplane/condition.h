// Conditions of a layout, compiled: sums of products of comparisons over one descriptor's bytes.
//
// They work on private bytes, as field access does, and need max(8, size of the form) of them.
// Compiling may allocate, evaluating never does. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_CONDITION_H_
#define QSPLIT_DATAPLANE_CONDITION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/field_access.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

// A field and the raw value to write into it.
struct FieldStore {
  FieldAccess field;
  uint64_t raw = 0;
};

// What conditions of every kind are compiled with.
// The field that a condition names, compiled. INVALID_ARGUMENT: there is none. UNIMPLEMENTED: its
// form is longer than kMaxDescriptorBytes.
absl::StatusOr<FieldAccess> AccessReference(const v1::Layout& layout,
                                            const v1::FieldReference& reference);
// Widens [*first, *last] by the bytes in which a field's bits stand.
void AddFieldBytes(const v1::Field& field, uint32_t* first, uint32_t* last);

class Condition {
 public:
  // Always true.
  Condition() = default;
  // Of a verified layout. UNIMPLEMENTED for comparisons with a ring's state. With only_form, the
  // conjunctions over other forms are left out; if that leaves none of several, the condition is
  // never true.
  static absl::StatusOr<Condition> Compile(const v1::Layout& layout, const v1::Condition& condition,
                                           const uint32_t* only_form = nullptr);

  bool AlwaysTrue() const { return always_; }
  bool Holds(const std::byte* descriptor) const {
    if (always_) return true;
    if (single_) [[likely]] {
      uint64_t word;
      std::memcpy(&word, descriptor + offset_, sizeof word);
      return ((word & mask_) == value_) != negated_;
    }
    return Evaluate(descriptor);
  }

  // Stores that make it true of any bytes, by its first conjunction that can be met so. Nothing to
  // store for a condition that is always true. UNIMPLEMENTED if no conjunction can.
  absl::StatusOr<std::vector<FieldStore>> StoresThatMakeItTrue() const;
  // Stores that make it false of these bytes (which they change); UNIMPLEMENTED if none found.
  absl::StatusOr<std::vector<FieldStore>> StoresThatMakeItFalse(const std::byte* descriptor) const;

  // Sets all bits of a descriptor that it looks at.
  void MarkBits(std::byte* mask) const;
  // Whether some of these are among them.
  bool LooksAt(const DescriptorBytes& bits) const;
  // A comparison of many bits with one value: (8 bytes at offset & mask) == value.
  struct WideTest {
    uint16_t offset = 0;
    uint64_t mask = 0;
    uint64_t value = 0;
    friend bool operator==(const WideTest&, const WideTest&) = default;
  };
  // The same, but for comparisons of more than `most` bits with one value: these are added to
  // *wide.
  void MarkBits(int most, std::byte* mask, std::vector<WideTest>* wide) const;
  // Whether it is that some bits have certain values and nothing else; these are added then.
  bool IsBits(std::byte* mask, std::byte* value) const;
  // The same for one of its conjunctions, each of which makes it true. How many there are; 0 for
  // one that is always true.
  bool ConjunctionIsBits(size_t number, std::byte* mask, std::byte* value) const;
  size_t Conjunctions() const;
  // The lowest and highest byte that any comparison reads; false if it reads none.
  bool ByteRange(uint32_t* first, uint32_t* last) const;

 private:
  struct Test {
    // (load & mask) == value (or != when negated), in memory order: for most tests.
    uint64_t mask = 0;
    uint64_t value = 0;
    uint16_t offset = 0;
    bool masked = false;
    bool negated = false;
    // Everything else.
    bool against_field = false;
    bool ends_conjunction = false;
    v1::Operator op = v1::OPERATOR_EQUAL;
    uint64_t constant = 0;
    FieldAccess left;
    FieldAccess right;
    uint32_t first_byte = 0;
    uint32_t last_byte = 0;

    bool Holds(const std::byte* descriptor) const {
      if (masked) [[likely]] {
        uint64_t word;
        std::memcpy(&word, descriptor + offset, sizeof word);
        return ((word & mask) == value) != negated;
      }
      return HoldsSlowly(descriptor);
    }
    bool HoldsSlowly(const std::byte* descriptor) const;
  };

  bool Evaluate(const std::byte* descriptor) const;
  static void UseMask(Test* test);

  bool always_ = true;
  // One masked test, copied here: nearly every condition is one.
  bool single_ = false;
  bool negated_ = false;
  uint16_t offset_ = 0;
  uint64_t mask_ = 0;
  uint64_t value_ = 0;
  std::vector<Test> tests_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_CONDITION_H_
