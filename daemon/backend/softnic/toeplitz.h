// The Toeplitz hash of receive side scaling, and what of a packet is hashed.
//
// Source: Microsoft, "RSS Hashing Functions" and "Verifying the RSS Hash Calculation" (Windows
// drivers documentation). Input is in network byte order: addresses, then ports.
// Immutable after construction; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_TOEPLITZ_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_TOEPLITZ_H_

#include <array>
#include <cstdint>
#include <span>

#include "daemon/backend/common/rss.h"
#include "daemon/backend/softnic/packet.h"
#include "daemon/device/device.h"
#include "dataplane/types.h"

namespace qsplit::softnic {

using backend::kDefaultRssKey;
using backend::RssKey;

class Toeplitz {
 public:
  static constexpr size_t kMaxInputBytes = 36;  // two IPv6 addresses and two ports

  explicit Toeplitz(const RssKey& key);

  // At most kMaxInputBytes of input, a multiple of 4.
  uint32_t Hash(std::span<const uint8_t> input) const {
#if defined(__x86_64__)
    if (multiplies_) return HashByProducts(input);
#endif
    return HashByTables(input);
  }

  // The two ways, for tests; all machines have the first.
  uint32_t HashByTables(std::span<const uint8_t> input) const {
    uint32_t hash = 0;
    for (size_t i = 0; i < input.size(); ++i) {
      hash ^= tables_[2 * i][input[i] >> 4] ^ tables_[2 * i + 1][input[i] & 0xf];
    }
    return hash;
  }
#if defined(__x86_64__)
  // By carry-less multiplication, four bytes at a time. Needs pclmul.
  uint32_t HashByProducts(std::span<const uint8_t> input) const;
  bool multiplies() const { return multiplies_; }
#endif

 private:
  // For each half byte of the input: what each of its values adds to the hash.
  std::array<std::array<uint32_t, 16>, 2 * kMaxInputBytes> tables_;
#if defined(__x86_64__)
  // For each word of the input: the 64 bits of the key that begin there, first bit lowest.
  std::array<uint64_t, kMaxInputBytes / 4> windows_;
  bool multiplies_ = false;
#endif
};

// What HashFlow hashes, as device::DeviceInfo::rss_types.
inline constexpr device::FlowTypes kHashedTypes = {
    device::FlowType::kIp4,   device::FlowType::kTcp4, device::FlowType::kUdp4,
    device::FlowType::kSctp4, device::FlowType::kIp6,  device::FlowType::kTcp6,
    device::FlowType::kUdp6,  device::FlowType::kSctp6};

struct FlowHash {
  uint32_t value = 0;
  dataplane::HashType type = dataplane::HashType::kNone;
};

// TCP, UDP and SCTP: addresses and ports. Other IP, and every fragment: addresses. Else 0, kNone.
FlowHash HashFlow(const Toeplitz& toeplitz, const device::FlowKey& key, bool fragment);
inline FlowHash HashFlow(const Toeplitz& toeplitz, const Packet& packet) {
  return HashFlow(toeplitz, packet.key, packet.fragment);
}

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_TOEPLITZ_H_
