#include "descriptor-lang/layout/verified_layout.h"

#include <google/protobuf/stubs/logging.h>

#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify.h"

namespace qsplit::layout {

struct VerifiedLayout::State {
  // Field index + 1 by role; 0 for none. 16 bits hold kMaxFields.
  using RoleTable = std::array<uint16_t, kRoleCount>;
  static_assert(kMaxFields < UINT16_MAX);

  explicit State(v1::Layout verified)
      : message(std::move(verified)),
        canonical_bytes(SerializeCanonical(message)),
        digest(LayoutDigest(message)),
        digest_hex(DigestHex(digest)),
        roles(static_cast<size_t>(message.forms_size())) {
    for (int form = 0; form < message.forms_size(); ++form) {
      form_by_name[message.forms(form).name()] = static_cast<uint32_t>(form);
      const auto& fields = message.forms(form).fields();
      for (int field = fields.size() - 1; field >= 0; --field) {
        const std::optional<Role> role = FindRole(fields[field].role());
        if (!role) continue;
        roles[static_cast<size_t>(form)][static_cast<size_t>(*role)] =
            static_cast<uint16_t>(field + 1);
      }
    }
  }

  v1::Layout message;
  std::string canonical_bytes;
  std::string digest;
  std::string digest_hex;
  absl::flat_hash_map<std::string_view, uint32_t> form_by_name;  // into message
  std::vector<RoleTable> roles;                                  // by form
};

absl::StatusOr<VerifiedLayout> VerifiedLayout::FromBytes(std::string_view bytes) {
  if (bytes.size() > kMaxLayoutBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout: ", bytes.size(), " bytes exceed the limit of ", kMaxLayoutBytes));
  }
  v1::Layout message;
  // A peer's bad UTF-8 is its caller's to report, not protobuf's to print.
  const google::protobuf::LogSilencer quiet;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout: the ", bytes.size(),
                     " bytes are no qsplit.v1.Layout; they are cut off, or not what qdlc wrote"));
  }
  return FromMessage(message);
}

absl::StatusOr<VerifiedLayout> VerifiedLayout::FromMessage(const v1::Layout& message) {
  if (absl::Status status = VerifyLayout(message); !status.ok()) return status;
  return VerifiedLayout(std::make_shared<const State>(message));
}

const v1::Layout& VerifiedLayout::message() const { return state_->message; }
const std::string& VerifiedLayout::name() const { return state_->message.name(); }
const std::string& VerifiedLayout::canonical_bytes() const { return state_->canonical_bytes; }
const std::string& VerifiedLayout::digest() const { return state_->digest; }
const std::string& VerifiedLayout::digest_hex() const { return state_->digest_hex; }

const v1::Queue* VerifiedLayout::FindQueue(v1::Direction direction) const {
  for (const v1::Queue& queue : message().queues()) {
    if (queue.direction() == direction) return &queue;
  }
  return nullptr;
}

const v1::Queue* VerifiedLayout::FindQueue(std::string_view queue_name) const {
  for (const v1::Queue& queue : message().queues()) {
    if (queue.name() == queue_name) return &queue;
  }
  return nullptr;
}

std::optional<uint32_t> VerifiedLayout::FormIndex(std::string_view form_name) const {
  const auto it = state_->form_by_name.find(form_name);
  if (it == state_->form_by_name.end()) return std::nullopt;
  return it->second;
}

const v1::Form* VerifiedLayout::FindForm(std::string_view form_name) const {
  const std::optional<uint32_t> index = FormIndex(form_name);
  return index ? &message().forms(static_cast<int>(*index)) : nullptr;
}

std::optional<uint32_t> VerifiedLayout::FieldIndex(uint32_t form, Role role) const {
  if (form >= state_->roles.size()) return std::nullopt;
  const uint16_t field = state_->roles[form][static_cast<size_t>(role)];
  if (field == 0) return std::nullopt;
  return field - 1u;
}

std::optional<uint32_t> VerifiedLayout::FieldIndex(uint32_t form,
                                                   std::string_view field_name) const {
  if (form >= state_->roles.size()) return std::nullopt;
  const auto& fields = message().forms(static_cast<int>(form)).fields();
  for (int field = 0; field < fields.size(); ++field) {
    if (fields[field].name() == field_name) return static_cast<uint32_t>(field);
  }
  return std::nullopt;
}

const v1::Field* VerifiedLayout::FindField(uint32_t form, Role role) const {
  const std::optional<uint32_t> field = FieldIndex(form, role);
  if (!field) return nullptr;
  return &message().forms(static_cast<int>(form)).fields(static_cast<int>(*field));
}

const v1::Field* VerifiedLayout::FindField(uint32_t form, std::string_view field_name) const {
  const std::optional<uint32_t> field = FieldIndex(form, field_name);
  if (!field) return nullptr;
  return &message().forms(static_cast<int>(form)).fields(static_cast<int>(*field));
}

std::vector<uint32_t> VerifiedLayout::FieldsWithRole(uint32_t form, Role role) const {
  std::vector<uint32_t> found;
  const std::optional<uint32_t> first = FieldIndex(form, role);
  if (!first) return found;
  const auto& fields = message().forms(static_cast<int>(form)).fields();
  for (uint32_t i = *first; i < static_cast<uint32_t>(fields.size()); ++i) {
    if (fields[static_cast<int>(i)].role() == RoleName(role)) found.push_back(i);
  }
  return found;
}

bool Applies(const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& needed,
             std::span<const uint32_t> choices) {
  for (const v1::FeatureChoice& need : needed) {
    const uint32_t chosen = need.feature() < choices.size() ? choices[need.feature()] : 0;
    if (chosen != need.choice()) return false;
  }
  return true;
}

}  // namespace qsplit::layout
