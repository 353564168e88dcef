// Whether a frame that a lease sends bears source addresses that policy gives its holder.
//
// The frame is the worker's private copy as it goes onto the wire, after all offloads: what a
// client wrote into it may be anything. Every read is checked against the frame's end. Looking at a
// frame is loads and arithmetic; nothing is allocated. Immutable; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_SOURCE_CHECK_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_SOURCE_CHECK_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/device/device.h"

namespace qsplit::softnic {

class SourceCheck {
 public:
  // Restricts nothing.
  SourceCheck() = default;
  explicit SourceCheck(const device::SourceFilter& filter);

  // False: every frame passes.
  bool any() const { return any_; }
  // As device::SourceFilter says, behind any VLAN tags. IP and ARP of which the source cannot be
  // told, for they are cut off or malformed, do not pass where it would be compared; neither does a
  // frame of more than kMaxTags tags.
  bool Passes(std::span<const uint8_t> frame) const;

  static constexpr uint32_t kMaxTags = 8;

 private:
  // An address of 128 bits, in the order of its bytes; IPv4 in the upper 32 of `high`.
  struct Address {
    uint64_t high = 0, low = 0;
  };
  struct Prefix {
    Address value, mask;
  };

  static Address Ip4(const uint8_t* at);
  static Address Ip6(const uint8_t* at);
  static bool InOneOf(const std::vector<Prefix>& prefixes, Address address);
  bool IsMac(const uint8_t* at) const;

  bool any_ = false;
  bool by_ip_ = false;
  std::vector<uint64_t> macs_;
  std::vector<Prefix> ip4_, ip6_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_SOURCE_CHECK_H_
