#include "daemon/guard/descriptor_mask.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/guard/word_test.h"
#include "dataplane/field_access.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {
namespace {

using dataplane::DescriptorBytes;
using dataplane::FieldAccess;
using dataplane::QueueScope;
using layout::Role;

// Numbers from here on could be addresses.
constexpr uint32_t kAddressBits = 32;

uint32_t BitsOf(const v1::Field& field) {
  uint32_t bits = 0;
  for (const v1::Bits& part : field.parts()) bits += part.bits();
  return bits;
}

// What a guard cannot check: it makes the device look at something else than the buffers that the
// guard sees, or at other slots.
bool IsBeyondAGuard(Role role) {
  switch (role) {
    case Role::kBufferKey:
    case Role::kPacketInline:
    case Role::kPacketInlineLength:
    case Role::kPacketBuffers:
    case Role::kPacketDescriptors:
    case Role::kLinkAddress:
    case Role::kTableIndirect:
    case Role::kSlotCount:
    case Role::kDescriptorBytes:
    case Role::kRingLast:
    case Role::kOwn:
    case Role::kSequence:
    case Role::kPhaseToggle:
    case Role::kOpcode:
      return true;
    default:
      return false;
  }
}

bool AsksForMore(Role role) {
  switch (role) {
    case Role::kVlanInsert:
    case Role::kVlanOuterInsert:
    case Role::kChecksumL3Request:
    case Role::kChecksumL4Request:
    case Role::kChecksumOuterL3Request:
    case Role::kChecksumOuterL4Request:
    case Role::kSegmentRequest:
    case Role::kSegmentType:
    case Role::kOffloadMode:
    case Role::kOffloadL3:
    case Role::kOffloadL4:
    case Role::kTimestampRequest:
      return true;
    default:
      return false;
  }
}

absl::Status Refuse(const v1::Form& form, const v1::Field& field, std::string_view why) {
  return absl::UnimplementedError(absl::StrCat("form ", form.name(), ", field ", field.name(), ": ",
                                               absl::string_view(why.data(), why.size())));
}

absl::Status CheckSize(const v1::Form& form) {
  if (form.size_bytes() <= kMaxGuardedBytes && form.contains().empty()) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "form ", form.name(), ": descriptors of more than ", kMaxGuardedBytes,
      " bytes, or with parts inside, cannot be guarded; they need a function of their own"));
}

// Adds a field's raw value, or all of its bits.
void AddBits(const FieldAccess& field, uint64_t raw, DescriptorMask* mask) {
  DescriptorBytes bits{};
  field.StoreRaw(bits.bytes, raw);
  for (size_t i = 0; i < mask->words.size(); ++i) mask->words[i] |= LoadWord(bits.bytes, i);
}

absl::Status AddField(const v1::Form& form, const v1::Field& field, DescriptorMask* mask) {
  absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, form.size_bytes());
  if (!access.ok()) return access.status();
  AddBits(*access, access->MaxRaw(), mask);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DescriptorMask> DescriptorMask::OfPost(const QueueScope& scope, uint32_t form,
                                                      bool first, bool last) {
  DescriptorMask mask;
  const v1::Form& message = scope.Form(form);
  if (absl::Status status = CheckSize(message); !status.ok()) return status;
  for (const v1::Field& field : message.fields()) {
    if (!layout::Applies(field.features(), scope.choices)) continue;
    if (field.constraint() == v1::CONSTRAINT_IGNORED) continue;
    if (field.parts().empty()) {
      return Refuse(message, field, "bytes that are no number cannot be checked by a guard");
    }
    const auto role = layout::FindRole(field.role());
    const bool constant = field.constraint() == v1::CONSTRAINT_CONSTANT;
    if (!role.has_value() && !constant) {
      if (BitsOf(field) >= kAddressBits) {
        return Refuse(message, field,
                      "a number without a role may be an address, which a guard cannot check");
      }
      continue;
    }
    if (role.has_value() && IsBeyondAGuard(*role)) {
      return Refuse(message, field,
                    absl::StrCat("a guard cannot check what ", field.role(), " leads to"));
    }
    if (!constant && !dataplane::SpeaksIn(field.position(), first, last)) continue;
    if (absl::Status status = AddField(message, field, &mask); !status.ok()) return status;
  }
  return mask;
}

absl::StatusOr<DescriptorMask> DescriptorMask::OfCompletion(const QueueScope& scope,
                                                            uint32_t form) {
  DescriptorMask mask;
  const v1::Form& message = scope.Form(form);
  if (absl::Status status = CheckSize(message); !status.ok()) return status;
  for (const v1::Field& field : message.fields()) {
    if (!layout::Applies(field.features(), scope.choices) || field.parts().empty()) continue;
    if (absl::Status status = AddField(message, field, &mask); !status.ok()) return status;
  }
  return mask;
}

absl::StatusOr<DescriptorMask> DescriptorMask::OfRequests(const QueueScope& scope, uint32_t form) {
  DescriptorMask mask;
  const v1::Form& message = scope.Form(form);
  for (const v1::Field& field : message.fields()) {
    const auto role = layout::FindRole(field.role());
    if (!role.has_value() || !AsksForMore(*role) || field.parts().empty() ||
        !layout::Applies(field.features(), scope.choices)) {
      continue;
    }
    if (field.inverted() || field.has_enumeration() || BitsOf(field) != 1) {
      mask.words.fill(UINT64_MAX);
      return mask;
    }
    if (absl::Status status = AddField(message, field, &mask); !status.ok()) return status;
  }
  return mask;
}

absl::StatusOr<DescriptorPattern> DescriptorPattern::Of(const QueueScope& scope, uint32_t form) {
  DescriptorPattern pattern;
  const v1::Form& message = scope.Form(form);
  if (absl::Status status = CheckSize(message); !status.ok()) return status;
  absl::StatusOr<dataplane::Condition> selector =
      dataplane::Condition::Compile(*scope.layout, message.selector());
  if (!selector.ok()) return selector.status();
  pattern.selector = *std::move(selector);
  for (const v1::Field& field : message.fields()) {
    if (field.constraint() != v1::CONSTRAINT_CONSTANT ||
        !layout::Applies(field.features(), scope.choices)) {
      continue;
    }
    if (field.parts().empty()) {
      return Refuse(message, field, "bytes that are no number cannot be checked by a guard");
    }
    absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, message.size_bytes());
    if (!access.ok()) return access.status();
    AddBits(*access, access->MaxRaw(), &pattern.mask);
    AddBits(*access, field.constant(), &pattern.value);
  }
  // A selector that is bits of words like the constants is tested with them.
  WordTest fixed{pattern.mask, pattern.value};
  const std::optional<WordTest> selected = WordTest::Of(*scope.layout, message.selector());
  if (selected.has_value() && fixed.Join(*selected)) {
    pattern.mask = fixed.mask;
    pattern.value = fixed.value;
    pattern.selector = {};
  }
  return pattern;
}

absl::Status DescriptorPattern::DemandZero(const v1::Form& form, const v1::Field& field) {
  return AddField(form, field, &mask);
}

}  // namespace qsplit::guard
