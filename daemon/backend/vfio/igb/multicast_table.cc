#include "daemon/backend/vfio/igb/multicast_table.h"

namespace qsplit::vfio::igb {

uint16_t MulticastHash(const device::MacAddress& mac) {
  return static_cast<uint16_t>((mac[4] >> 4 | mac[5] << 4) & 0xfff);
}

void MulticastTable::Start(RegisterWindow& registers) {
  owners_ = {};
  written_.fill(~0u);  // each word is to be written
  Write(registers);
}

void MulticastTable::Set(RegisterWindow& registers, uint32_t owner,
                         std::span<const uint16_t> hashes) {
  Words& words = owners_[owner];
  words = {};
  for (const uint16_t hash : hashes) words[hash >> 5 & 0x7f] |= 1u << (hash & 0x1f);
  Write(registers);
}

void MulticastTable::SetAll(RegisterWindow& registers, uint32_t owner) {
  owners_[owner].fill(~0u);
  Write(registers);
}

void MulticastTable::Write(RegisterWindow& registers) {
  for (uint32_t i = 0; i < kMtaWords; ++i) {
    uint32_t word = 0;
    for (const Words& words : owners_) word |= words[i];
    if (word == written_[i]) continue;
    written_[i] = word;
    registers.Write32(Mta(i), word);
  }
}

}  // namespace qsplit::vfio::igb
