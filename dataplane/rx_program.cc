#include "dataplane/rx_program.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

using layout::Role;

// Positions in the vocabularies of hash.type, packet.l3 and packet.l4, by name, at compile time of
// a layout; a table of both directions for each.
template <typename E, size_t N>
struct Vocabulary {
  std::array<E, 16> by_code{};
  std::array<uint8_t, N> by_value{};

  Vocabulary(Role role, std::initializer_list<std::pair<std::string_view, E>> names) {
    by_value.fill(CodeMap::kUnknown);
    for (const auto& [name, value] : names) {
      const auto code = layout::FindCode(role, name);
      if (!code.has_value() || *code >= by_code.size()) continue;
      by_code[*code] = value;
      uint8_t& back = by_value[static_cast<size_t>(value)];
      if (back == CodeMap::kUnknown) back = static_cast<uint8_t>(*code);
    }
  }
  E Value(uint8_t code, E unknown) const { return code < by_code.size() ? by_code[code] : unknown; }
  uint8_t Code(E value) const { return by_value[static_cast<size_t>(value)]; }
};

const Vocabulary<HashType, kHashTypes>& HashTypes() {
  static const Vocabulary<HashType, kHashTypes> table(Role::kHashType,
                                                      {{"none", HashType::kNone},
                                                       {"ip4", HashType::kIp4},
                                                       {"tcp4", HashType::kTcp4},
                                                       {"udp4", HashType::kUdp4},
                                                       {"sctp4", HashType::kSctp4},
                                                       {"ip6", HashType::kIp6},
                                                       {"tcp6", HashType::kTcp6},
                                                       {"udp6", HashType::kUdp6},
                                                       {"sctp6", HashType::kSctp6},
                                                       {"ip6ex", HashType::kIp6},
                                                       {"tcp6ex", HashType::kTcp6},
                                                       {"udp6ex", HashType::kUdp6},
                                                       {"other", HashType::kOther}});
  return table;
}
const Vocabulary<L3Kind, kL3Kinds>& L3Codes() {
  static const Vocabulary<L3Kind, kL3Kinds> table(
      Role::kPacketL3, {{"none", L3Kind::kOther}, {"ip4", L3Kind::kIp4}, {"ip6", L3Kind::kIp6}});
  return table;
}
const Vocabulary<L4Kind, kL4Kinds>& L4Codes() {
  static const Vocabulary<L4Kind, kL4Kinds> table(Role::kPacketL4, {{"none", L4Kind::kOther},
                                                                    {"tcp", L4Kind::kTcp},
                                                                    {"udp", L4Kind::kUdp},
                                                                    {"sctp", L4Kind::kSctp}});
  return table;
}

constexpr uint32_t Bit(auto kind) { return 1u << static_cast<uint32_t>(kind); }

}  // namespace

bool RxProgram::KindOf(Role role, Kind* kind, RxFields* field) {
  struct Row {
    Role role;
    Kind kind;
    RxField field;
  };
  static constexpr Row kRows[] = {
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
      {Role::kPacketL3, Kind::kL3Code, RxField::kL3Kind},
      {Role::kPacketL4, Kind::kL4Code, RxField::kL4Kind},
      {Role::kTimestamp, Kind::kTimestamp, RxField::kTimestamp},
      {Role::kErrorCode, Kind::kErrorCode, RxField::kError},
      {Role::kQueue, Kind::kQueue, RxField::kQueue},
      {Role::kFlowMark, Kind::kMark, RxField::kMark},
  };
  for (const Row& row : kRows) {
    if (row.role != role) continue;
    *kind = row.kind;
    *field = row.field;
    return true;
  }
  return false;
}

absl::StatusOr<RxProgram> RxProgram::Compile(const InPlaceShape& shape, uint32_t form,
                                             RxFields wanted) {
  RxProgram program;
  const v1::Form& message = shape.Form(form);
  absl::StatusOr<DescriptorBytes> constants = ConstantImage(shape, form);
  if (!constants.ok()) return constants.status();
  program.image_ = *constants;
  program.copy_bytes_ = (shape.ring->slot_bytes() + 7) / 8 * 8;

  std::vector<Op> all;
  for (const RoleField& from : RoleFields(shape, form)) {
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    absl::StatusOr<Condition> valid = Condition::Compile(*shape.layout, from.field->valid_when());
    if (!valid.ok()) return valid.status();
    switch (from.role) {
      case Role::kPacketLength: {
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
    if (!KindOf(from.role, &op.kind, &is) || !wanted.HasAll(is)) continue;
    op.position = from.field->position();
    op.has_valid = !valid->AlwaysTrue();
    if (auto stores = valid->StoresThatMakeItTrue(); stores.ok()) {
      op.validate = *std::move(stores);
    } else {
      op.can_validate = false;
    }
    op.field = *std::move(field);
    op.valid = *std::move(valid);
    if (layout::GetRoleInfo(from.role).kind == layout::RoleKind::kCoded) {
      op.codes = CodeMap(*shape.layout, *from.field, from.role);
      if (op.codes.Empty()) continue;
    }
    const bool only_marks = op.kind == Kind::kVlanStripped || op.kind == Kind::kVlanPresent ||
                            op.kind == Kind::kTimestampValid || op.kind == Kind::kUdpChecked;
    if (!only_marks) program.fields_ |= is;
    if (op.kind == Kind::kError) {
      op.repeats = program.has_error_flag_;
      program.has_error_flag_ = true;
    }
    program.has_hash_type_ = program.has_hash_type_ || op.kind == Kind::kHashType;
    (op.kind < Kind::kFlags ? program.flags_ : program.numbers_).push_back(std::move(op));
  }
  std::stable_sort(program.numbers_.begin(), program.numbers_.end(),
                   [](const Op& a, const Op& b) { return a.kind < b.kind; });
  program.FindContested();
  if (program.lengths_.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("form ", message.name(), ": no field says packet.length"));
  }
  absl::StatusOr<LastMark> last = LastMark::Compile(shape, form);
  if (!last.ok()) return last.status();
  program.last_ = *std::move(last);

  // Completions to start from: done, with no metadata.
  absl::StatusOr<std::vector<FieldStore>> done = shape.done.StoresThatMakeItTrue();
  if (!done.ok()) return done.status();
  for (const FieldStore& store : *done) store.field.StoreRaw(program.image_.bytes, store.raw);
  for (const Op& op : program.numbers_) {
    if (!op.has_valid || !op.valid.Holds(program.image_.bytes)) continue;
    auto stores = op.valid.StoresThatMakeItFalse(program.image_.bytes);
    if (!stores.ok()) continue;  // cannot be said; it will read as zero
    for (const FieldStore& store : *stores) store.field.StoreRaw(program.image_.bytes, store.raw);
  }
  program.last_image_ = program.image_;
  if (absl::Status status = program.last_.Set(program.last_image_.bytes, true); !status.ok()) {
    return status;
  }
  if (absl::Status status = program.last_.Set(program.image_.bytes, false); !status.ok()) {
    // One descriptor, one packet: there is no other image.
    program.image_ = program.last_image_;
  }
  return program;
}

void RxProgram::DecodeChecksums(uint32_t seen, uint32_t set, RxMetadata* meta) const {
  const auto state = [&](Kind checked, Kind ok, Kind bad, uint32_t also_checked) {
    if ((set & Bit(bad)) != 0) return ChecksumState::kBad;
    if ((set & Bit(ok)) != 0) return ChecksumState::kGood;
    // Without an ok bit: good is checked and not bad.
    if ((seen & Bit(ok)) == 0 && (set & (Bit(checked) | also_checked)) != 0) {
      return ChecksumState::kGood;
    }
    // Without a bad bit: bad is checked and not ok.
    if ((seen & Bit(ok)) != 0 && (seen & Bit(bad)) == 0 && (set & Bit(checked)) != 0) {
      return ChecksumState::kBad;
    }
    return ChecksumState::kUnknown;
  };
  if ((seen & (Bit(Kind::kL3Checked) | Bit(Kind::kL3Ok) | Bit(Kind::kL3Bad))) != 0) {
    meta->l3_checksum = state(Kind::kL3Checked, Kind::kL3Ok, Kind::kL3Bad, 0);
    meta->present |= RxField::kL3Checksum;
  }
  if ((seen & (Bit(Kind::kL4Checked) | Bit(Kind::kL4Ok) | Bit(Kind::kL4Bad))) != 0) {
    meta->l4_checksum = state(Kind::kL4Checked, Kind::kL4Ok, Kind::kL4Bad, Bit(Kind::kUdpChecked));
    meta->present |= RxField::kL4Checksum;
  }
}

void RxProgram::DecodeKinds(uint32_t seen, uint32_t set, RxMetadata* meta) const {
  if ((seen & (Bit(Kind::kIsIp4) | Bit(Kind::kIsIp6))) != 0) {
    meta->l3 = (set & Bit(Kind::kIsIp4)) != 0   ? L3Kind::kIp4
               : (set & Bit(Kind::kIsIp6)) != 0 ? L3Kind::kIp6
                                                : L3Kind::kOther;
    meta->present |= RxField::kL3Kind;
  }
  constexpr uint32_t kL4 =
      Bit(Kind::kIsTcp) | Bit(Kind::kIsUdp) | Bit(Kind::kIsSctp) | Bit(Kind::kIsFragment);
  if ((seen & kL4) != 0) {
    const L4Kind kind = (set & Bit(Kind::kIsFragment)) != 0 ? L4Kind::kFragment
                        : (set & Bit(Kind::kIsTcp)) != 0    ? L4Kind::kTcp
                        : (set & Bit(Kind::kIsUdp)) != 0    ? L4Kind::kUdp
                        : (set & Bit(Kind::kIsSctp)) != 0   ? L4Kind::kSctp
                                                            : L4Kind::kOther;
    // A code that says more stays.
    if (kind != L4Kind::kOther || !meta->present.Has(RxField::kL4Kind)) meta->l4 = kind;
    meta->present |= RxField::kL4Kind;
  }
}

void RxProgram::Decode(const std::byte* descriptor, bool first, bool last, RxMetadata* meta) const {
  uint32_t seen = 0;
  uint32_t set = 0;
  for (const Op& op : flags_) {
    if (!SpeaksIn(op.position, first, last)) continue;
    if (op.has_valid && !op.valid.Holds(descriptor)) {
      // No verdict on a checksum is known to be none; a kind of packet is just not told.
      if (op.kind <= Kind::kUdpChecked) seen |= Bit(op.kind);
      continue;
    }
    seen |= Bit(op.kind);
    if (op.field.Load(descriptor) != 0) set |= Bit(op.kind);
  }
  for (const Op& op : numbers_) {
    if (!SpeaksIn(op.position, first, last)) continue;
    if (op.has_valid && !op.valid.Holds(descriptor)) continue;
    const uint64_t value = op.field.Load(descriptor);
    switch (op.kind) {
      case Kind::kHash:
        meta->hash = static_cast<uint32_t>(value);
        meta->present |= RxField::kHash;
        break;
      case Kind::kHashType:
        meta->hash_type = HashTypes().Value(op.codes.Code(value), HashType::kOther);
        meta->present |= RxField::kHashType;
        break;
      case Kind::kVlanTci:
        if ((seen & Bit(Kind::kVlanStripped)) != 0 && (set & Bit(Kind::kVlanStripped)) == 0) break;
        meta->vlan_tci = static_cast<uint16_t>(value);
        meta->present |= RxField::kVlanTci;
        break;
      case Kind::kL3Code:
        meta->l3 = L3Codes().Value(op.codes.Code(value), L3Kind::kUnknown);
        if (meta->l3 != L3Kind::kUnknown) meta->present |= RxField::kL3Kind;
        break;
      case Kind::kL4Code:
        meta->l4 = L4Codes().Value(op.codes.Code(value), L4Kind::kUnknown);
        if (meta->l4 != L4Kind::kUnknown) meta->present |= RxField::kL4Kind;
        break;
      case Kind::kTimestamp:
        if ((seen & Bit(Kind::kTimestampValid)) != 0 && (set & Bit(Kind::kTimestampValid)) == 0) {
          break;
        }
        meta->timestamp = value;
        meta->present |= RxField::kTimestamp;
        break;
      case Kind::kErrorCode:
        meta->error = meta->error || value != 0;
        meta->present |= RxField::kError;
        break;
      case Kind::kQueue:
        meta->queue = static_cast<uint16_t>(value);
        meta->present |= RxField::kQueue;
        break;
      case Kind::kMark:
        meta->mark = static_cast<uint32_t>(value);
        meta->present |= RxField::kMark;
        break;
      default:
        break;
    }
  }
  if (seen == 0) return;
  DecodeChecksums(seen, set, meta);
  DecodeKinds(seen, set, meta);
  if ((seen & Bit(Kind::kError)) != 0) {
    meta->error = meta->error || (set & Bit(Kind::kError)) != 0;
    meta->present |= RxField::kError;
  }
}

uint32_t RxProgram::FlagsOf(const RxMetadata& meta) {
  uint32_t flags = 0;
  const RxFields has = meta.present;
  const auto add = [&](Kind kind, bool on) { flags |= on ? Bit(kind) : 0; };
  if (has.Has(RxField::kL3Checksum)) {
    add(Kind::kL3Checked, meta.l3_checksum != ChecksumState::kUnknown);
    add(Kind::kL3Ok, meta.l3_checksum == ChecksumState::kGood);
    add(Kind::kL3Bad, meta.l3_checksum == ChecksumState::kBad);
  }
  if (has.Has(RxField::kL4Checksum)) {
    const bool checked = meta.l4_checksum != ChecksumState::kUnknown;
    add(Kind::kL4Checked, checked);
    add(Kind::kUdpChecked, checked && meta.l4 == L4Kind::kUdp);
    add(Kind::kL4Ok, meta.l4_checksum == ChecksumState::kGood);
    add(Kind::kL4Bad, meta.l4_checksum == ChecksumState::kBad);
  }
  if (has.Has(RxField::kL3Kind)) {
    add(Kind::kIsIp4, meta.l3 == L3Kind::kIp4);
    add(Kind::kIsIp6, meta.l3 == L3Kind::kIp6);
  }
  if (has.Has(RxField::kL4Kind)) {
    add(Kind::kIsTcp, meta.l4 == L4Kind::kTcp);
    add(Kind::kIsUdp, meta.l4 == L4Kind::kUdp);
    add(Kind::kIsSctp, meta.l4 == L4Kind::kSctp);
    add(Kind::kIsFragment, meta.l4 == L4Kind::kFragment);
  }
  add(Kind::kVlanStripped, has.Has(RxField::kVlanTci));
  add(Kind::kVlanPresent, has.Has(RxField::kVlanTci));
  add(Kind::kTimestampValid, has.Has(RxField::kTimestamp));
  add(Kind::kError, has.Has(RxField::kError) && meta.error);
  return flags;
}

bool RxProgram::NumberOf(const Op& op, const RxMetadata& meta, uint64_t* value) const {
  const RxFields has = meta.present;
  switch (op.kind) {
    case Kind::kHash:
      *value = meta.hash;
      return has.Has(RxField::kHash);
    case Kind::kHashType: {
      if (!has.Has(RxField::kHash) && !has.Has(RxField::kHashType)) return false;
      const HashType type = has.Has(RxField::kHashType) ? meta.hash_type : HashType::kOther;
      return op.codes.Raw(HashTypes().Code(type), value) ||
             op.codes.Raw(HashTypes().Code(HashType::kOther), value);
    }
    case Kind::kVlanTci:
      *value = meta.vlan_tci;
      return has.Has(RxField::kVlanTci);
    case Kind::kL3Code:
      return has.Has(RxField::kL3Kind) && (op.codes.Raw(L3Codes().Code(meta.l3), value) ||
                                           op.codes.Raw(L3Codes().Code(L3Kind::kOther), value));
    case Kind::kL4Code:
      return has.Has(RxField::kL4Kind) && (op.codes.Raw(L4Codes().Code(meta.l4), value) ||
                                           op.codes.Raw(L4Codes().Code(L4Kind::kOther), value));
    case Kind::kTimestamp:
      *value = meta.timestamp;
      return has.Has(RxField::kTimestamp);
    case Kind::kErrorCode:
      *value = 1;
      return has.Has(RxField::kError) && meta.error;
    case Kind::kQueue:
      *value = meta.queue;
      return has.Has(RxField::kQueue);
    case Kind::kMark:
      *value = meta.mark;
      return has.Has(RxField::kMark);
    default:
      return false;
  }
}

bool RxProgram::Encode(uint64_t length, uint64_t offset, bool first, bool last,
                       const RxMetadata& meta, std::byte* descriptor) const {
  CopyDescriptor(descriptor, last ? last_image_.bytes : image_.bytes, copy_bytes_);
  if (!lengths_.front().field.Store(descriptor, length)) return false;
  for (const FieldStore& store : validate_length_) store.field.StoreRaw(descriptor, store.raw);
  if (has_offset_) offset_.Store(descriptor, offset);
  if (has_first_) first_.Store(descriptor, first ? 1 : 0);

  const uint32_t flags = FlagsOf(meta);
  for (const Op& op : flags_) {
    if (!SpeaksIn(op.position, first, last)) continue;
    const bool on = (flags & Bit(op.kind)) != 0 && !op.repeats;
    op.field.Store(descriptor, on ? 1 : 0);
    if (!on || !op.has_valid || op.valid.Holds(descriptor) || !op.can_validate) continue;
    for (const FieldStore& store : op.validate) store.field.StoreRaw(descriptor, store.raw);
  }
  EncodeNumbers(meta, first, last, descriptor);
  return true;
}

void RxProgram::WriteNumber(const Op& op, uint64_t value, std::byte* descriptor) {
  uint64_t raw = value;
  // Values too wide for the field lose their upper bits, as a device's counter would.
  if (op.codes.Empty() && !op.field.Encode(value, &raw)) raw = value & op.field.MaxRaw();
  op.field.StoreRaw(descriptor, raw);
  if (!op.has_valid || op.valid.Holds(descriptor)) return;
  for (const FieldStore& store : op.validate) store.field.StoreRaw(descriptor, store.raw);
}

void RxProgram::EncodeNumbers(const RxMetadata& meta, bool first, bool last,
                              std::byte* descriptor) const {
  // A hash of a type that the form cannot name would be read as another one.
  bool hash_named = !has_hash_type_;
  for (size_t i = 0; i < numbers_.size(); ++i) {
    const Op& op = numbers_[i];
    uint64_t value = 0;
    if (!SpeaksIn(op.position, first, last) || !NumberOf(op, meta, &value)) continue;
    if (op.kind == Kind::kHashType) hash_named = true;
    if (op.kind == Kind::kHash && !hash_named) continue;
    // One statement of an error is enough.
    if (op.kind == Kind::kErrorCode && has_error_flag_) continue;
    if (op.has_valid && !op.can_validate && !op.valid.Holds(descriptor)) continue;
    if (!op.contested) {
      WriteNumber(op, value, descriptor);
      continue;
    }
    // Not at the cost of one that stands there already.
    DescriptorBytes trial;
    CopyDescriptor(trial.bytes, descriptor, copy_bytes_);
    WriteNumber(op, value, trial.bytes);
    bool fits = op.valid.Holds(trial.bytes);
    for (size_t k = 0; k < i && fits; ++k) {
      const Op& other = numbers_[k];
      uint64_t unused;
      if (!other.contested || !SpeaksIn(other.position, first, last) ||
          !NumberOf(other, meta, &unused) || !other.valid.Holds(descriptor)) {
        continue;
      }
      fits = other.valid.Holds(trial.bytes) &&
             other.field.LoadRaw(trial.bytes) == other.field.LoadRaw(descriptor);
    }
    if (fits) CopyDescriptor(descriptor, trial.bytes, copy_bytes_);
  }
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
  for (size_t a = 0; a < numbers_.size(); ++a) {
    for (size_t b = 0; b < numbers_.size(); ++b) {
      for (uint32_t i = 0; a != b && i < copy_bytes_; ++i) {
        if ((bits[a].bytes[i] & bits[b].bytes[i]) != std::byte{0}) numbers_[a].contested = true;
      }
    }
  }
}

}  // namespace qsplit::dataplane
