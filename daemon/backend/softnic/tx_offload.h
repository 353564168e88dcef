// What a client asked the NIC to do to a packet that it sends: checksums, a VLAN tag, segments.
//
// The request comes from descriptors that a hostile client wrote: every length in it is checked
// against the packet before a byte is touched. The packet is the worker's private copy. Nothing is
// allocated after construction. One thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_TX_OFFLOAD_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_TX_OFFLOAD_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "dataplane/metadata.h"

namespace qsplit::softnic {

class TxOffload {
 public:
  // Longest packet that can be taken, before it is cut.
  static constexpr uint32_t kMaxPacketBytes = 256 * 1024;
  // Smaller segments are refused: one descriptor must not make a million frames.
  static constexpr uint32_t kMinSegmentBytes = 64;

  TxOffload();

  // Where to gather a packet: kMaxPacketBytes bytes.
  std::span<uint8_t> packet() { return {packet_.data() + kHeadroomBytes, kMaxPacketBytes}; }

  // Does to the first `bytes` bytes of packet() what `request` says and hands each frame to `send`,
  // padded to the wire's least; the frame may be changed there. False, and nothing sent: lengths
  // that contradict each other, or a frame longer than `mtu_bytes` and its headers.
  bool Send(uint32_t bytes, const dataplane::TxRequest& request, uint32_t mtu_bytes,
            absl::FunctionRef<void(std::span<uint8_t>)> send);

 private:
  static constexpr uint32_t kHeadroomBytes = 64;

  bool Segment(uint32_t bytes, const dataplane::TxRequest& request, uint32_t mtu_bytes,
               absl::FunctionRef<void(std::span<uint8_t>)> send);
  void Finish(uint8_t* frame, uint32_t bytes, const dataplane::TxRequest& request,
              absl::FunctionRef<void(std::span<uint8_t>)> send);

  std::vector<uint8_t> packet_;
  std::vector<uint8_t> segment_;
};

// Bytes of Ethernet header and VLAN tags in front of `frame`'s payload; frame.size() >= 14.
uint32_t LinkHeaderBytes(std::span<const uint8_t> frame);

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_TX_OFFLOAD_H_
