// RxProgram, the device's direction: metadata to bytes.
#include <algorithm>

#include "dataplane/rx_codes.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

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
  // One bit for both is set when none was left unchecked, but for those that the packet is known to
  // lack.
  const bool l3_checked =
      has.Has(RxField::kL3Checksum) && meta.l3_checksum != ChecksumState::kUnknown;
  const bool l4_checked =
      has.Has(RxField::kL4Checksum) && meta.l4_checksum != ChecksumState::kUnknown;
  const bool no_l3 = has.Has(RxField::kL3Kind) && meta.l3 != L3Kind::kIp4;
  const bool no_l4 = has.Has(RxField::kL4Kind) && !CarriesChecksum(meta.l4);
  add(Kind::kAllChecked,
      (l3_checked || l4_checked) && (l3_checked || no_l3) && (l4_checked || no_l4));
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
    case Kind::kKindCode: {
      if (!has.Has(RxField::kL3Kind)) return false;
      const L4Kind l4 = has.Has(RxField::kL4Kind) ? meta.l4 : L4Kind::kOther;
      const auto codes = KindCodes().Codes(meta.l3, l4);
      return std::any_of(codes.begin(), codes.end(), [&](uint8_t code) {
        return code != CodeMap::kUnknown && op.codes.Raw(code, value);
      });
    }
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
    case Kind::kChecksumValue:
      *value = meta.checksum;
      return has.Has(RxField::kChecksumValue);
    case Kind::kSegmentType:
      return has.Has(RxField::kSegment) && op.codes.Raw(SegmentCodes().Code(meta.segment), value);
    case Kind::kSegmentSize:
      *value = meta.segment_bytes;
      return has.Has(RxField::kSegment);
    default:
      return false;
  }
}

bool RxProgram::Encode(uint64_t length, uint64_t offset, bool first, bool last,
                       const RxMetadata& meta, std::byte* descriptor) const {
  CopyDescriptor(descriptor, last ? last_image_.bytes : image_.bytes, copy_bytes_);
  bool said = true;
  if (!lengths_.empty()) [[likely]] {
    said = lengths_.front().field.Store(descriptor, length);
    for (const FieldStore& store : validate_length_) store.field.StoreRaw(descriptor, store.raw);
    for (const FieldAccess& wire : wire_lengths_) wire.Store(descriptor, length);
  }
  if (has_offset_) offset_.Store(descriptor, offset);
  if (has_first_) first_.Store(descriptor, first ? 1 : 0);

  const uint32_t flags = FlagsToSay(meta);
  EncodeFlags(flags, meta, first, last, descriptor);
  EncodeNumbers(meta, first, last, descriptor);
  MendFlags(flags, first, last, descriptor);
  return said;
}

bool RxProgram::SameFlags(const RxMetadata& meta, bool first, bool last, const std::byte* a,
                          const std::byte* b, const Op* but) const {
  // No verdict is one as well: none must look like a bad one.
  const RxFields said = meta.present | RxField::kL3Checksum | RxField::kL4Checksum;
  return std::all_of(flags_.begin(), flags_.end(), [&](const Op& op) {
    return &op == but || (said & op.is) == RxFields::None() ||
           !SpeaksIn(op.position, first, last) ||
           (op.valid.Holds(a) && op.field.Load(a) != 0) ==
               (op.valid.Holds(b) && op.field.Load(b) != 0);
  });
}

uint32_t RxProgram::FlagsToSay(const RxMetadata& meta) const {
  uint32_t flags = FlagsOf(meta);
  // A verdict on one of them would be read as one on both: better none.
  if (has_all_checked_ && (flags & Bit(Kind::kAllChecked)) == 0) {
    flags &= ~(Bit(Kind::kL3Bad) | Bit(Kind::kL4Bad));
  }
  return flags;
}

void RxProgram::EncodeFlags(uint32_t flags, const RxMetadata& meta, bool first, bool last,
                            std::byte* descriptor) const {
  // Two may share a bit: the one that is on wins.
  for (const bool on : {false, true}) {
    for (const Op& op : flags_) {
      if (!SpeaksIn(op.position, first, last) || IsOn(op, flags) != on) continue;
      op.field.Store(descriptor, on ? 1 : 0);
    }
  }
  for (const Op& op : flags_) {
    if (!IsOn(op, flags) || !op.has_valid || !op.can_validate ||
        !SpeaksIn(op.position, first, last) || op.valid.Holds(descriptor)) {
      continue;
    }
    // Not at the cost of what another flag says.
    DescriptorBytes trial;
    CopyDescriptor(trial.bytes, descriptor, copy_bytes_);
    for (const FieldStore& store : op.validate) store.field.StoreRaw(trial.bytes, store.raw);
    if (SameFlags(meta, first, last, trial.bytes, descriptor, &op)) {
      CopyDescriptor(descriptor, trial.bytes, copy_bytes_);
    }
  }
}

// What a number that was written since makes of the verdicts: none may say what was not meant.
void RxProgram::MendFlags(uint32_t flags, bool first, bool last, std::byte* descriptor) const {
  constexpr uint32_t kVerdicts =
      Bit(Kind::kL3Ok) | Bit(Kind::kL3Bad) | Bit(Kind::kL4Ok) | Bit(Kind::kL4Bad);
  for (const Op& op : flags_) {
    if (op.has_valid && (Bit(op.kind) & kVerdicts) != 0 && !IsOn(op, flags) &&
        SpeaksIn(op.position, first, last) && op.valid.Holds(descriptor) &&
        op.field.Load(descriptor) != 0) {
      op.field.Store(descriptor, 0);
    }
  }
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
    if (!op.contested && (!op.needs_flags || op.valid.Holds(descriptor))) {
      WriteNumber(op, value, descriptor);
      continue;
    }
    // Not at the cost of one that stands there already.
    DescriptorBytes trial;
    CopyDescriptor(trial.bytes, descriptor, copy_bytes_);
    WriteNumber(op, value, trial.bytes);
    bool fits = op.valid.Holds(trial.bytes) &&
                SameFlags(meta, first, last, trial.bytes, descriptor, nullptr);
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

}  // namespace qsplit::dataplane
