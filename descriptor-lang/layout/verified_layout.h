// VerifiedLayout: a layout that the verifier has accepted. The type is the proof: code that takes
// one follows its references without checking them again.
//
// Immutable and shared: a copy is a reference count. Any thread may read any copy. Pointers and
// strings that it returns live as long as any copy does.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFIED_LAYOUT_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFIED_LAYOUT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "descriptor-lang/layout/roles.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

class VerifiedLayout {
 public:
  // Of bytes from anywhere. They need not be the canonical serialization (a peer's protobuf may
  // encode differently) but the message must be in canonical form. InvalidArgument: more than
  // kMaxLayoutBytes, no qsplit.v1.Layout, or refused by VerifyLayout (the message says where).
  static absl::StatusOr<VerifiedLayout> FromBytes(std::string_view bytes);

  // Of a message from anywhere; it must be in canonical form (Canonicalize makes it so).
  static absl::StatusOr<VerifiedLayout> FromMessage(const v1::Layout& message);

  const v1::Layout& message() const;
  const std::string& name() const;
  // The serialization that everybody agrees on, documentation included.
  const std::string& canonical_bytes() const;
  // SHA-256 over the canonical bytes without documentation: 32 bytes, or 64 lower-case hex digits.
  const std::string& digest() const;
  const std::string& digest_hex() const;

  // The first queue of that direction, or the queue of that name; null if there is none.
  const v1::Queue* FindQueue(v1::Direction direction) const;
  const v1::Queue* FindQueue(std::string_view queue_name) const;

  // Index into message().forms(); nullopt if no form has that name.
  std::optional<uint32_t> FormIndex(std::string_view form_name) const;
  // Null if there is none.
  const v1::Form* FindForm(std::string_view form_name) const;

  // The field of that form with that role or name: its index into Form.fields, or itself. Where the
  // form has several (they exclude each other, or the role is repeatable) the first by position.
  // nullopt or null if there is none, or no such form.
  std::optional<uint32_t> FieldIndex(uint32_t form, Role role) const;
  std::optional<uint32_t> FieldIndex(uint32_t form, std::string_view field_name) const;
  const v1::Field* FindField(uint32_t form, Role role) const;
  const v1::Field* FindField(uint32_t form, std::string_view field_name) const;

  // Every field of that form with that role, ascending.
  std::vector<uint32_t> FieldsWithRole(uint32_t form, Role role) const;

  // Two layouts are equal when their digests are.
  friend bool operator==(const VerifiedLayout& a, const VerifiedLayout& b) {
    return a.digest() == b.digest();
  }

 private:
  struct State;
  explicit VerifiedLayout(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

// Whether something with these feature choices exists in a queue that was set up with `choices`:
// one index into Feature.choices for each of Layout.features, those that are left out being 0, the
// default.
bool Applies(const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& needed,
             std::span<const uint32_t> choices);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFIED_LAYOUT_H_
