#include "dataplane/rx_program.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

using layout::Role;

bool RxProgram::KindOf(Role role, Kind* kind, RxFields* field) {
  struct Row {
    Role role;
    Kind kind;
    RxField field;
  };
  static constexpr Row kRows[] = {
      {Role::kChecksumChecked, Kind::kAllChecked, RxField::kL4Checksum},
      {Role::kChecksumL3Checked, Kind::kL3Checked, RxField::kL3Checksum},
      {Role::kChecksumL3Ok, Kind::kL3Ok, RxField::kL3Checksum},
      {Role::kChecksumL3Bad, Kind::kL3Bad, RxField::kL3Checksum},
      {Role::kChecksumL4Checked, Kind::kL4Checked, RxField::kL4Checksum},
      {Role::kChecksumL4Ok, Kind::kL4Ok, RxField::kL4Checksum},
      {Role::kChecksumL4Bad, Kind::kL4Bad, RxField::kL4Checksum},
      {Role::kChecksumUdpChecked, Kind::kUdpChecked, RxField::kL4Checksum},
      {Role::kPacketIsIp4, Kind::kIsIp4, RxField::kL3Kind},
      {Role::kPacketIsIp6, Kind::kIsIp6, RxField::kL3Kind},
      {Role::kPacketIsTcp, Kind::kIsTcp, RxField::kL4Kind},
      {Role::kPacketIsUdp, Kind::kIsUdp, RxField::kL4Kind},
      {Role::kPacketIsSctp, Kind::kIsSctp, RxField::kL4Kind},
      {Role::kPacketIsFragment, Kind::kIsFragment, RxField::kL4Kind},
      {Role::kVlanStripped, Kind::kVlanStripped, RxField::kVlanTci},
      {Role::kVlanPresent, Kind::kVlanPresent, RxField::kVlanTci},
      {Role::kTimestampValid, Kind::kTimestampValid, RxField::kTimestamp},
      {Role::kError, Kind::kError, RxField::kError},
      {Role::kHashValue, Kind::kHash, RxField::kHash},
      {Role::kHashType, Kind::kHashType, RxField::kHashType},
      {Role::kVlanTci, Kind::kVlanTci, RxField::kVlanTci},
      {Role::kPacketKind, Kind::kKindCode, RxField::kL3Kind},
      {Role::kPacketL3, Kind::kL3Code, RxField::kL3Kind},
      {Role::kPacketL4, Kind::kL4Code, RxField::kL4Kind},
      {Role::kTimestamp, Kind::kTimestamp, RxField::kTimestamp},
      {Role::kErrorCode, Kind::kErrorCode, RxField::kError},
      {Role::kQueue, Kind::kQueue, RxField::kQueue},
      {Role::kFlowMark, Kind::kMark, RxField::kMark},
      {Role::kChecksumValue, Kind::kChecksumValue, RxField::kChecksumValue},
      {Role::kSegmentType, Kind::kSegmentType, RxField::kSegment},
      {Role::kSegmentSize, Kind::kSegmentSize, RxField::kSegment},
  };
  for (const Row& row : kRows) {
    if (row.role != role) continue;
    *kind = row.kind;
    *field = row.field;
    return true;
  }
  return false;
}

absl::StatusOr<RxProgram> RxProgram::Compile(const QueueScope& scope, uint32_t form,
                                             const RxFormUse& use) {
  RxProgram program;
  const v1::Form& message = scope.Form(form);
  if (message.size_bytes() > kMaxDescriptorBytes || use.bytes > kMaxDescriptorBytes) {
    return absl::UnimplementedError(absl::StrCat("form ", message.name(), ": ",
                                                 message.size_bytes(), " bytes; at most ",
                                                 kMaxDescriptorBytes));
  }
  absl::StatusOr<DescriptorBytes> constants = ConstantImage(scope, form);
  if (!constants.ok()) return constants.status();
  program.image_ = *constants;
  program.copy_bytes_ = (std::max(use.bytes, 8u) + 7) / 8 * 8;
  const std::vector<RoleField> fields = RoleFields(scope, form);
  const bool snaps = std::any_of(fields.begin(), fields.end(), [](const RoleField& field) {
    return field.role == Role::kPacketSnapLength;
  });

  for (const RoleField& from : fields) {
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    absl::StatusOr<Condition> valid = Condition::Compile(*scope.layout, from.field->valid_when());
    if (!valid.ok()) return valid.status();
    switch (from.role) {
      case Role::kPacketLength:
      case Role::kPacketSnapLength: {
        if (snaps && from.role == Role::kPacketLength) {
          program.wire_lengths_.push_back(*std::move(field));
          continue;
        }
        if (auto stores = valid->StoresThatMakeItTrue(); stores.ok() && program.lengths_.empty()) {
          program.validate_length_ = *stores;
        }
        program.lengths_.push_back({*std::move(field), *std::move(valid)});
        continue;
      }
      case Role::kPacketOffset:
        program.has_offset_ = true;
        program.offset_ = *std::move(field);
        continue;
      case Role::kPacketFirst:
        program.has_first_ = true;
        program.first_ = *std::move(field);
        continue;
      default:
        break;
    }
    Op op;
    RxFields is;
    if (!KindOf(from.role, &op.kind, &is)) continue;
    // It speaks of both checksums.
    const bool wanted = use.wanted.HasAll(is) ||
                        (op.kind == Kind::kAllChecked && use.wanted.Has(RxField::kL3Checksum));
    if (!wanted) continue;
    op.position = from.field->position();
    op.is = is;
    if (op.kind == Kind::kAllChecked) op.is |= RxField::kL3Checksum;
    op.has_valid = !valid->AlwaysTrue();
    if (auto stores = valid->StoresThatMakeItTrue(); stores.ok()) {
      op.validate = *std::move(stores);
    } else {
      op.can_validate = false;
    }
    op.field = *std::move(field);
    op.valid = *std::move(valid);
    if (layout::GetRoleInfo(from.role).kind == layout::RoleKind::kCoded) {
      op.codes = CodeMap(*scope.layout, *from.field, from.role);
      if (op.codes.Empty()) continue;
    }
    const bool only_marks = op.kind == Kind::kSegmentSize || op.kind == Kind::kVlanStripped ||
                            op.kind == Kind::kVlanPresent || op.kind == Kind::kTimestampValid ||
                            op.kind == Kind::kUdpChecked || op.kind == Kind::kAllChecked;
    if (!only_marks) program.fields_ |= is;
    if (op.kind == Kind::kKindCode && use.wanted.Has(RxField::kL4Kind)) {
      program.fields_ |= RxField::kL4Kind;
    }
    if (op.kind == Kind::kError) {
      op.repeats = program.has_error_flag_;
      program.has_error_flag_ = true;
    }
    program.has_all_checked_ = program.has_all_checked_ || op.kind == Kind::kAllChecked;
    program.has_hash_type_ = program.has_hash_type_ || op.kind == Kind::kHashType;
    (op.kind < Kind::kFlags ? program.flags_ : program.numbers_).push_back(std::move(op));
  }
  std::stable_sort(program.numbers_.begin(), program.numbers_.end(),
                   [](const Op& a, const Op& b) { return a.kind < b.kind; });
  program.FindContested();
  if (use.needs_length && program.lengths_.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("form ", message.name(), ": no field says packet.length"));
  }

  // Completions to start from: what holds of all of them, with no metadata.
  absl::StatusOr<Condition> selector = Condition::Compile(*scope.layout, message.selector());
  if (!selector.ok()) return selector.status();
  std::vector<const Condition*> holds = {&*selector};
  holds.insert(holds.end(), use.holds.begin(), use.holds.end());
  for (const Condition* condition : holds) {
    if (condition->AlwaysTrue()) continue;
    absl::StatusOr<std::vector<FieldStore>> stores = condition->StoresThatMakeItTrue();
    if (!stores.ok()) return stores.status();
    for (const FieldStore& store : *stores) store.field.StoreRaw(program.image_.bytes, store.raw);
  }
  for (const Op& op : program.numbers_) {
    if (!op.has_valid || !op.valid.Holds(program.image_.bytes)) continue;
    auto stores = op.valid.StoresThatMakeItFalse(program.image_.bytes);
    if (!stores.ok()) continue;  // cannot be said; it will read as zero
    for (const FieldStore& store : *stores) store.field.StoreRaw(program.image_.bytes, store.raw);
  }
  program.last_image_ = program.image_;
  if (!use.needs_last) return program;
  absl::StatusOr<LastMark> last = LastMark::Compile(scope, form);
  if (!last.ok()) return last.status();
  program.last_ = *std::move(last);
  const absl::Status can_be_last = program.last_.Set(program.last_image_.bytes, true);
  program.can_be_last_ = can_be_last.ok();
  program.can_go_on_ = program.last_.Set(program.image_.bytes, false).ok();
  // One descriptor, one packet: there is no other image.
  if (!program.can_go_on_) program.image_ = program.last_image_;
  if (!program.can_be_last_ && !program.can_go_on_) return can_be_last;
  return program;
}

void RxProgram::FindContested() {
  std::vector<DescriptorBytes> bits(numbers_.size());
  for (size_t i = 0; i < numbers_.size(); ++i) {
    const Op& op = numbers_[i];
    op.field.StoreRaw(bits[i].bytes, op.field.MaxRaw());
    for (const FieldStore& store : op.validate) {
      store.field.StoreRaw(bits[i].bytes, store.field.MaxRaw());
    }
  }
  DescriptorBytes flags{};
  for (const Op& op : flags_) op.field.StoreRaw(flags.bytes, op.field.MaxRaw());
  for (size_t a = 0; a < numbers_.size(); ++a) {
    for (uint32_t i = 0; i < copy_bytes_; ++i) {
      if ((bits[a].bytes[i] & flags.bytes[i]) != std::byte{0}) numbers_[a].needs_flags = true;
    }
    for (size_t b = 0; b < numbers_.size(); ++b) {
      for (uint32_t i = 0; a != b && i < copy_bytes_; ++i) {
        if ((bits[a].bytes[i] & bits[b].bytes[i]) != std::byte{0}) numbers_[a].contested = true;
      }
    }
  }
}

}  // namespace qsplit::dataplane
