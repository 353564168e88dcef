// What the library computes about received packets where the program asked for it and the layout
// lacks it; each such value is marked as computed. The thread that owns the packet.
#ifndef QSPLIT_CLIENT_LIB_SRC_SOFTWARE_H_
#define QSPLIT_CLIENT_LIB_SRC_SOFTWARE_H_

#include <array>
#include <cstdint>
#include <span>

#include "qsplit/packet.h"

namespace qsplit::internal {

inline constexpr size_t kHashKeyBytes = 40;

struct SoftwareWork {
  bool checksums = false;
  bool vlan = false;
  bool hash = false;
  // Of the Toeplitz hash: the device's own.
  std::array<uint8_t, kHashKeyBytes> hash_key{};
};

// Does what `work` says and the device has not done.
void ComputeMissing(const SoftwareWork& work, Packet& packet);

// The Toeplitz hash of at most 36 bytes.
uint32_t ToeplitzHash(const std::array<uint8_t, kHashKeyBytes>& key,
                      std::span<const uint8_t> input);

// Takes an 802.1Q tag out of the packet and into its metadata, if there is one.
void StripVlan(Packet& packet);
// Hashes addresses, and ports of unfragmented TCP and UDP, as RSS does.
void HashPacket(const std::array<uint8_t, kHashKeyBytes>& key, Packet& packet);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_SOFTWARE_H_
