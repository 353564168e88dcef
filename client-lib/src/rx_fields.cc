#include "client-lib/src/rx_fields.h"

#include <algorithm>

#include "descriptor-lang/layout/roles.h"

namespace qsplit::internal {
namespace {

using dataplane::RxField;
using dataplane::RxFields;

constexpr bool Same(PacketField a, RxField b) {
  return static_cast<uint32_t>(a) == static_cast<uint32_t>(b);
}
static_assert(Same(PacketField::kHash, RxField::kHash) &&
              Same(PacketField::kHashType, RxField::kHashType) &&
              Same(PacketField::kVlan, RxField::kVlanTci) &&
              Same(PacketField::kChecksumL3, RxField::kL3Checksum) &&
              Same(PacketField::kChecksumL4, RxField::kL4Checksum) &&
              Same(PacketField::kTimestamp, RxField::kTimestamp) &&
              Same(PacketField::kError, RxField::kError) &&
              Same(PacketField::kQueue, RxField::kQueue) &&
              Same(PacketField::kMark, RxField::kMark));

// One bit says that all checksums were verified: of which, what the packet is says.
bool HasOneBitForAllChecksums(const v1::Layout& layout) {
  return std::any_of(layout.forms().begin(), layout.forms().end(), [](const v1::Form& form) {
    return std::any_of(form.fields().begin(), form.fields().end(), [](const v1::Field& field) {
      return layout::FindRole(field.role()) == layout::Role::kChecksumChecked;
    });
  });
}

}  // namespace

RxFields FieldsToRead(const v1::Layout& layout, PacketFields fields, const SoftwareWork& work) {
  RxFields read(fields.bits & PacketFields::All().bits);
  const RxFields sums = RxField::kL3Checksum | RxField::kL4Checksum;
  if ((read & sums).bits != 0 && HasOneBitForAllChecksums(layout)) {
    read |= RxField::kL3Kind | RxField::kL4Kind;
  }
  // What a hash is over, software tells by the hash.
  if (work.hash) read |= RxField::kHash;
  return read;
}

}  // namespace qsplit::internal
