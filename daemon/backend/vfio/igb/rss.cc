#include "daemon/backend/vfio/igb/rss.h"

namespace qsplit::vfio::igb {
namespace {

uint32_t Word(const uint8_t* bytes) {
  return uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 |
         uint32_t{bytes[3]} << 24;
}

}  // namespace

void WriteReta(RegisterWindow& registers, const RetaQueues& queues) {
  for (uint32_t i = 0; i < kRetaEntries; i += 4) {
    registers.Write32(Reta(i / 4), Word(queues.data() + i));
  }
}

void WriteRssKey(RegisterWindow& registers, std::span<const uint8_t, device::kRssKeyBytes> key) {
  // RSSRK: the key's first byte in the first register's low byte.
  for (uint32_t i = 0; i < device::kRssKeyBytes; i += 4) {
    registers.Write32(Rssrk(i / 4), Word(key.data() + i));
  }
}

}  // namespace qsplit::vfio::igb
