// What a transmit request's kinds are called in the vocabularies of roles: positions in them,
// looked up once. Constants; any thread.
#ifndef QSPLIT_DATAPLANE_TX_CODES_H_
#define QSPLIT_DATAPLANE_TX_CODES_H_

#include <cstdint>

#include "dataplane/queue_shape.h"
#include "dataplane/types.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {

// Bytes from a header's start to its checksum; 0 for kinds that have none.
inline constexpr uint16_t kL3ChecksumInHeader = 10;
constexpr uint16_t ChecksumInHeader(L4Kind kind) {
  return kind == L4Kind::kTcp ? 16 : kind == L4Kind::kUdp ? 6 : kind == L4Kind::kSctp ? 8 : 0;
}
constexpr bool HasChecksum(L4Kind kind) { return ChecksumInHeader(kind) != 0; }

// CodeMap::kUnknown where the vocabulary has no such word.
struct TxCodes {
  uint8_t l3[kL3Kinds];                            // packet.l3
  uint8_t l4[kL4Kinds];                            // packet.l4
  uint8_t offload_l3[kL3Kinds];                    // offload.l3 without the header checksum
  uint8_t offload_l3_checksum;                     // offload.l3, IPv4 with the header checksum
  uint8_t offload_l4[kL4Kinds];                    // offload.l4
  uint8_t mode_none, mode_checksum, mode_segment;  // offload.mode
  uint8_t segment_none;                            // segment.type
  uint8_t segment[kL3Kinds][kL4Kinds];             // segment.type

  static const TxCodes& Get();

 private:
  TxCodes();
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_CODES_H_
