// One form that a device completes receive descriptors with, compiled in both directions: bytes to
// RxMetadata for the driver, RxMetadata to bytes for the device.
//
// Works on private bytes only. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_RX_PROGRAM_H_
#define QSPLIT_DATAPLANE_RX_PROGRAM_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/burst/record_plan.h"
#include "dataplane/field_access.h"
#include "dataplane/metadata.h"
#include "dataplane/queue_shape.h"

namespace qsplit::dataplane {

// How a form is used.
struct RxFormUse {
  // Everything else is left out.
  RxFields wanted = RxFields::All();
  // Bytes of a slot, or of the form where it stands in none; at most kMaxDescriptorBytes.
  uint32_t bytes = 0;
  // What holds of every completion of this form, beside its selector.
  std::vector<const Condition*> holds;
  // False: packet.length may stand elsewhere.
  bool needs_length = true;
  // False: nothing has to say which one is its packet's last.
  bool needs_last = true;
};

// Where completions of one kind of packets differ: fields that decide nothing.
struct RxHoles {
  const FieldAccess* length = nullptr;  // null: not said
  std::span<const FieldAccess> wire_lengths;
  const FieldAccess* hash = nullptr;       // null: not said
  const FieldAccess* timestamp = nullptr;  // null: not said
};

class RxProgram {
 public:
  // UNIMPLEMENTED: a form without packet.length, …
  static absl::StatusOr<RxProgram> Compile(const QueueScope& scope, uint32_t form,
                                           const RxFormUse& use);
  static absl::StatusOr<RxProgram> Compile(const InPlaceShape& shape, uint32_t form,
                                           RxFields wanted) {
    return Compile(shape, form, {wanted, shape.ring->slot_bytes(), {&shape.done}, true, true});
  }

  // Metadata that the form can carry, of those wanted.
  RxFields Fields() const { return fields_; }
  bool HasLength() const { return !lengths_.empty(); }

  // packet.length as it stands there, after scale.
  uint64_t Length(const std::byte* descriptor) const {
    // Where a form has several, exactly one is valid.
    for (const Valued& length : lengths_) {
      if (length.valid.Holds(descriptor)) return length.field.Load(descriptor);
    }
    return 0;
  }
  bool IsLast(const std::byte* descriptor) const { return last_.IsLast(descriptor); }
  // Whether Encode can say of a completion that it is its packet's last, and that it is not.
  bool CanBeLast() const { return can_be_last_; }
  bool CanGoOn() const { return can_go_on_; }
  // Where the packet begins in its buffer; 0 if the form does not say.
  uint64_t Offset(const std::byte* descriptor) const {
    return has_offset_ ? offset_.Load(descriptor) : 0;
  }
  // Adds what this descriptor says to *meta.
  void Decode(const std::byte* descriptor, bool first, bool last, RxMetadata* meta) const;

  // What it says of completions that are a packet of their own and have these bits besides, as
  // plain constants. nullopt: the form says something that plans cannot.
  std::optional<burst::RecordPlan> Plan(DescriptorBytes mask, DescriptorBytes value) const;

  // Writes a whole completion, with what the use says that holds. False if the form cannot say the
  // length; the rest is written.
  bool Encode(uint64_t length, uint64_t offset, bool first, bool last, const RxMetadata& meta,
              std::byte* descriptor) const;
  // Bytes that Encode writes.
  uint32_t EncodedBytes() const { return copy_bytes_; }
  // In what Encode's result depends on length, hash and time, for packets of one descriptor with
  // metadata that is this but for those. nullopt: in more than a field for each.
  std::optional<RxHoles> FindHoles(const RxMetadata& meta) const;

 private:
  // What a field means here. Flags first: their enumerator is their bit in a set of flags.
  enum class Kind : uint8_t {
    kL3Checked,
    kL3Ok,
    kL3Bad,
    kL4Checked,
    kL4Ok,
    kL4Bad,
    kAllChecked,
    kUdpChecked,
    kIsIp4,
    kIsIp6,
    kIsTcp,
    kIsUdp,
    kIsSctp,
    kIsFragment,
    kVlanStripped,
    kVlanPresent,
    kTimestampValid,
    kError,
    kFlags,  // as many
    // Numbers, in the order in which they are written: where two exclude each other, the first
    // wins.
    kHashType = kFlags,
    kHash,
    kVlanTci,
    kKindCode,
    kL3Code,
    kL4Code,
    kTimestamp,
    kErrorCode,
    kQueue,
    kMark,
    kChecksumValue,
    kSegmentType,
    kSegmentSize,
  };
  struct Valued {
    FieldAccess field;
    Condition valid;
  };
  struct Op {
    Kind kind{};
    v1::PacketPosition position = v1::PACKET_POSITION_EACH;
    bool has_valid = false;
    bool repeats = false;  // an error flag after the first: read, never written
    FieldAccess field;
    Condition valid;
    CodeMap codes;
    RxFields is;  // the members that it speaks of
    // Make `valid` true; for Encode. Absent if that is not known.
    bool can_validate = true;
    std::vector<FieldStore> validate;
    // Shares bits, its own or those of its condition, with another number (a flag): they may
    // exclude each other.
    bool contested = false;
    bool needs_flags = false;
  };
  static bool KindOf(layout::Role role, Kind* kind, RxFields* field);
  static uint32_t FlagsOf(const RxMetadata& meta);
  void DecodeChecksums(uint32_t seen, uint32_t set, RxMetadata* meta) const;
  void DecodeNumber(const Op& op, uint64_t value, RxMetadata* meta) const;
  void DecodeKinds(uint32_t seen, uint32_t set, RxMetadata* meta) const;
  // The raw value of a number's field for this metadata; false if it has none.
  bool NumberOf(const Op& op, const RxMetadata& meta, uint64_t* value) const;
  // For Plan: the members that a field of this kind has a say in; a number that is moved as it is,
  // false if it cannot be; the members `out` that these bits decide.
  RxFields Decides(Kind kind) const;
  static bool AddNumber(const Op& op, burst::RecordPlan* plan);
  using MetaWords = std::array<uint64_t, burst::kMetaWords>;
  bool AddTable(const std::vector<burst::Table::Gather>& gathers, const MetaWords& out,
                burst::RecordPlan* plan) const;
  // One row of such a table: of each of these lanes what passes, then the words of `out`. False: it
  // is more than moving and looking up.
  bool FillRow(const burst::RecordPlan& plan, const std::vector<burst::Table::Gather>& gathers,
               uint64_t index, const MetaWords& out, const std::vector<uint8_t>& lanes,
               std::vector<uint64_t>* row) const;
  void FindContested();
  // Sets the bits that decide what else is written, or that something else than a hole is written
  // to.
  void MarkDeciding(const RxMetadata& meta, DescriptorBytes* bits) const;
  // The field in which two results differ; null: in none. nullopt: in other bits, or in some that
  // are taken.
  std::optional<const FieldAccess*> FindHole(Kind kind, const RxMetadata& zero,
                                             const RxMetadata& ones, DescriptorBytes* taken) const;
  static bool IsOn(const Op& op, uint32_t flags) {
    return (flags & (1u << static_cast<uint32_t>(op.kind))) != 0 && !op.repeats;
  }
  uint32_t FlagsToSay(const RxMetadata& meta) const;
  // Whether two descriptors have the same flags but one, as far as the metadata says them.
  bool SameFlags(const RxMetadata& meta, bool first, bool last, const std::byte* a,
                 const std::byte* b, const Op* but) const;
  void EncodeFlags(uint32_t flags, const RxMetadata& meta, bool first, bool last,
                   std::byte* descriptor) const;
  void MendFlags(uint32_t flags, bool first, bool last, std::byte* descriptor) const;
  // Writes the number of one op and makes it valid.
  static void WriteNumber(const Op& op, uint64_t value, std::byte* descriptor);
  void EncodeNumbers(const RxMetadata& meta, bool first, bool last, std::byte* descriptor) const;

  RxFields fields_;
  uint32_t copy_bytes_ = 0;
  std::vector<Op> flags_;
  std::vector<Op> numbers_;
  std::vector<Valued> lengths_;
  std::vector<FieldAccess> wire_lengths_;  // packet.length beside a packet.snap_length
  bool has_hash_type_ = false;
  bool has_error_flag_ = false;
  bool has_all_checked_ = false;  // one bit says that both checksums were checked
  bool has_offset_ = false;
  bool has_first_ = false;
  FieldAccess offset_;
  FieldAccess first_;
  LastMark last_;
  bool can_be_last_ = true;
  bool can_go_on_ = true;
  // Constants, done condition and not-last; metadata that is not there marked so.
  DescriptorBytes image_{};
  DescriptorBytes last_image_{};
  std::vector<FieldStore> validate_length_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_PROGRAM_H_
