// RxProgram, the driver's direction: bytes to metadata.
#include "dataplane/rx_codes.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

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
  // One bit for both: it speaks of those that the packet is not known to lack.
  const bool has_l3 = !meta->present.Has(RxField::kL3Kind) || meta->l3 == L3Kind::kIp4;
  const bool has_l4 = !meta->present.Has(RxField::kL4Kind) || CarriesChecksum(meta->l4);
  const uint32_t all_l3 = has_l3 ? Bit(Kind::kAllChecked) : 0;
  const uint32_t all_l4 = has_l4 ? Bit(Kind::kAllChecked) : 0;
  if ((seen & (Bit(Kind::kL3Checked) | Bit(Kind::kL3Ok) | Bit(Kind::kL3Bad))) != 0) {
    meta->l3_checksum = state(Kind::kL3Checked, Kind::kL3Ok, Kind::kL3Bad, all_l3);
    meta->present |= RxField::kL3Checksum;
  }
  if ((seen & (Bit(Kind::kL4Checked) | Bit(Kind::kL4Ok) | Bit(Kind::kL4Bad))) != 0) {
    meta->l4_checksum =
        state(Kind::kL4Checked, Kind::kL4Ok, Kind::kL4Bad, Bit(Kind::kUdpChecked) | all_l4);
    meta->present |= RxField::kL4Checksum;
  }
}

void RxProgram::DecodeKinds(uint32_t seen, uint32_t set, RxMetadata* meta) const {
  // Neither of them is known only where both have a flag.
  constexpr uint32_t kL3 = Bit(Kind::kIsIp4) | Bit(Kind::kIsIp6);
  if ((set & kL3) != 0 || (seen & kL3) == kL3) {
    meta->l3 = (set & Bit(Kind::kIsIp4)) != 0   ? L3Kind::kIp4
               : (set & Bit(Kind::kIsIp6)) != 0 ? L3Kind::kIp6
                                                : L3Kind::kOther;
    meta->present |= RxField::kL3Kind;
  }
  constexpr uint32_t kL4 =
      Bit(Kind::kIsTcp) | Bit(Kind::kIsUdp) | Bit(Kind::kIsSctp) | Bit(Kind::kIsFragment);
  constexpr uint32_t kMostL4 = Bit(Kind::kIsTcp) | Bit(Kind::kIsUdp);
  if ((set & kL4) != 0 || (seen & kMostL4) == kMostL4) {
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

inline void RxProgram::DecodeNumber(const Op& op, uint64_t value, RxMetadata* meta) const {
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
      meta->vlan_tci = static_cast<uint16_t>(value);
      meta->present |= RxField::kVlanTci;
      break;
    case Kind::kKindCode:
      if (!KindCodes().Value(op.codes.Code(value), &meta->l3, &meta->l4)) break;
      if (meta->l3 != L3Kind::kUnknown) meta->present |= RxField::kL3Kind;
      if (meta->l4 != L4Kind::kUnknown) meta->present |= RxField::kL4Kind;
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
    case Kind::kChecksumValue:
      meta->checksum = static_cast<uint16_t>(value);
      meta->present |= RxField::kChecksumValue;
      break;
    case Kind::kSegmentType:
      meta->segment = SegmentCodes().Value(op.codes.Code(value), SegmentKind::kNone);
      if (meta->segment != SegmentKind::kNone) meta->present |= RxField::kSegment;
      break;
    case Kind::kSegmentSize:
      if (meta->present.Has(RxField::kSegment)) meta->segment_bytes = static_cast<uint16_t>(value);
      break;
    default:
      break;
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
  // The form has a flag for it, and the flag says no.
  const auto without = [&](Kind flag) { return (seen & Bit(flag)) != 0 && (set & Bit(flag)) == 0; };
  for (const Op& op : numbers_) {
    if (!SpeaksIn(op.position, first, last)) continue;
    if (op.has_valid && !op.valid.Holds(descriptor)) continue;
    if (op.kind == Kind::kVlanTci && without(Kind::kVlanStripped)) continue;
    if (op.kind == Kind::kTimestamp && without(Kind::kTimestampValid)) continue;
    DecodeNumber(op, op.field.Load(descriptor), meta);
  }
  if (seen == 0) return;
  DecodeKinds(seen, set, meta);
  DecodeChecksums(seen, set, meta);
  if ((seen & Bit(Kind::kError)) != 0) {
    meta->error = meta->error || (set & Bit(Kind::kError)) != 0;
    meta->present |= RxField::kError;
  }
}

}  // namespace qsplit::dataplane
