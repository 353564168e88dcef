// What the library computes about received packets where the program asked for it and the layout
// lacks it; each such value is marked as computed. The thread that owns the packet.
#ifndef QSPLIT_CLIENT_LIB_SRC_SOFTWARE_H_
#define QSPLIT_CLIENT_LIB_SRC_SOFTWARE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "qsplit/packet.h"

namespace qsplit::internal {

inline constexpr size_t kHashKeyBytes = 40;

struct SoftwareWork {
  bool checksums = false;
  bool vlan = false;
  bool hash = false;  // its value, or what it is over
  // Of the Toeplitz hash: the device's own.
  std::array<uint8_t, kHashKeyBytes> hash_key{};
  // What the program reads; nothing is done for others.
  PacketFields fields = PacketFields::All();

  bool any() const { return checksums || vlan || hash; }
  // From now on the program reads these.
  void Read(PacketFields read) {
    fields = read;
    checksums =
        checksums && (fields.Has(PacketField::kChecksumL3) || fields.Has(PacketField::kChecksumL4));
    vlan = vlan && fields.Has(PacketField::kVlan);
    hash = hash && (fields.Has(PacketField::kHash) || fields.Has(PacketField::kHashType));
  }
};

// Adds what has to be done for a role that the layout's receive queue lacks. False: the library
// does not compute it.
bool AddWork(std::string_view role, SoftwareWork* work);

// Does what `work` says and the device has not done.
void ComputeMissing(const SoftwareWork& work, Packet& packet);

// The Toeplitz hash of at most 36 bytes.
uint32_t ToeplitzHash(const std::array<uint8_t, kHashKeyBytes>& key,
                      std::span<const uint8_t> input);

// Takes an 802.1Q tag out of the packet and into its metadata, if there is one.
void StripVlan(Packet& packet);
// Hashes addresses, and ports of unfragmented TCP and UDP, as RSS does. Where the device gave a
// hash and did not say over what, finds out; kOther: over none of these, or with another key. Of
// the two only what is read stays.
void HashPacket(const std::array<uint8_t, kHashKeyBytes>& key, Packet& packet,
                PacketFields read = PacketFields::All());

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_SOFTWARE_H_
