// Frames from a wire, and everything that the software NIC computes from their bytes alone: parser,
// checksums, hash, rules; and the offloads, whose request is the input's first bytes.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/packet.h"
#include "daemon/backend/softnic/toeplitz.h"
#include "daemon/backend/softnic/tx_offload.h"

namespace {

using namespace qsplit::softnic;  // NOLINT: a program of one file

constexpr size_t kRequestBytes = 24;

void Require(bool holds) {
  if (!holds) std::abort();
}

void Look(std::span<const uint8_t> bytes) {
  // An allocation of its own, so that the sanitizer sees a read past the end.
  const std::vector<uint8_t> frame(bytes.begin(), bytes.end());
  Packet packet;
  if (!Parse(frame, &packet)) {
    Require(frame.size() < kEthernetHeaderBytes);
    return;
  }
  Require(packet.l3_end <= frame.size() && packet.l3_offset <= packet.l3_end);
  Require(packet.l4_offset == 0 ||
          (packet.l4_offset > packet.l3_offset && packet.l4_offset <= packet.l3_end));
  Require(packet.key.has_spi <= 1 - packet.key.has_ports);
  Require(LinkHeaderBytes(frame) <= frame.size());
  (void)Verify(packet);
  static const Toeplitz toeplitz(kDefaultRssKey);
  (void)HashFlow(toeplitz, packet);
  // A rule of the packet's own key takes it.
  qsplit::device::FlowRule rule;
  rule.match.value = packet.key;
  std::memset(static_cast<void*>(&rule.match.mask), 0xff, sizeof rule.match.mask);
  const FlowTable table(std::span(&rule, 1));
  Require(table.Lookup(packet.key) != nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Look(std::span(data, size));
  if (size <= kRequestBytes || size - kRequestBytes > 65536) return 0;
  const auto at = [data](size_t i) { return LoadBe16(data + 2 * i); };
  qsplit::dataplane::TxRequest request;
  request.wants = qsplit::dataplane::TxFeatures(at(0) & 0x3f);
  request.l3 = static_cast<qsplit::dataplane::L3Kind>(data[2] % qsplit::dataplane::kL3Kinds);
  request.l4 = static_cast<qsplit::dataplane::L4Kind>(data[3] % qsplit::dataplane::kL4Kinds);
  request.l2_header_bytes = at(2);
  request.l3_header_bytes = at(3);
  request.l4_header_bytes = at(4);
  request.vlan_tci = at(5);
  request.segment_bytes = at(6);
  request.l3_checksum_start = at(7);
  request.l3_checksum_at = at(8);
  request.l4_checksum_start = at(9);
  request.l4_checksum_at = at(10);
  static TxOffload offload;
  const size_t bytes = size - kRequestBytes;
  std::memcpy(offload.packet().data(), data + kRequestBytes, bytes);
  size_t frames = 0;
  const bool sent = offload.Send(static_cast<uint32_t>(bytes), request, 1500,
                                 [&frames](std::span<uint8_t> frame) {
                                   ++frames;
                                   Require(frame.size() >= kMinFrameBytes);
                                   Look(frame);
                                 });
  Require(sent == (frames != 0));
  return 0;
}
