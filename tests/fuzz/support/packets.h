// What is said of packets, out of a fuzzer's input.
#ifndef QSPLIT_TESTS_FUZZ_SUPPORT_PACKETS_H_
#define QSPLIT_TESTS_FUZZ_SUPPORT_PACKETS_H_

#include <cstdint>

#include "dataplane/metadata.h"
#include "tests/fuzz/support/input.h"

namespace qsplit::fuzz {

inline dataplane::RxMetadata TakeMetadata(Input& in) {
  using namespace dataplane;  // NOLINT
  RxMetadata meta;
  meta.present = RxFields(static_cast<uint32_t>(in.Number(2)));
  meta.hash = static_cast<uint32_t>(in.Value());
  meta.hash_type = HashType(in.Byte() % kHashTypes);
  meta.l3 = L3Kind(in.Byte() % kL3Kinds);
  meta.l4 = L4Kind(in.Byte() % kL4Kinds);
  const uint8_t states = in.Byte();
  meta.l3_checksum = ChecksumState(states % 3);
  meta.l4_checksum = ChecksumState(states / 3 % 3);
  meta.error = states >= 0x80;
  meta.vlan_tci = static_cast<uint16_t>(in.Value());
  meta.queue = in.Byte();
  meta.mark = static_cast<uint32_t>(in.Value());
  meta.checksum = in.Byte();
  meta.segment_bytes = static_cast<uint16_t>(in.Value());
  meta.segment = SegmentKind(in.Byte() % kSegmentKinds);
  meta.timestamp = in.Value();
  return meta;
}

inline dataplane::TxRequest TakeRequest(Input& in) {
  using namespace dataplane;  // NOLINT
  TxRequest request;
  request.wants = TxFeatures(in.Byte() & 0x3fu);
  request.l3 = L3Kind(in.Byte() % kL3Kinds);
  request.l4 = L4Kind(in.Byte() % kL4Kinds);
  request.l2_header_bytes = in.Byte();
  request.l3_header_bytes = in.Byte();
  request.l4_header_bytes = in.Byte();
  request.vlan_tci = static_cast<uint16_t>(in.Value());
  request.segment_bytes = static_cast<uint16_t>(in.Value());
  return request;
}

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_SUPPORT_PACKETS_H_
