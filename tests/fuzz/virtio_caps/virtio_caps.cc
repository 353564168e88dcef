// Bytes into the search for a virtio function's capabilities.
//
// Input: six bytes, the logarithm of each BAR's size (0: none), then up to 256 bytes of
// configuration space; the rest is zero.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "daemon/backend/vfio/virtio_net/pci_capabilities.h"

namespace virtio_net = qsplit::vfio::virtio_net;

namespace {

using Bars = std::array<uint64_t, virtio_net::kBars>;

void Require(bool holds) {
  if (!holds) abort();
}

void RequireInside(const virtio_net::Structure& place, const Bars& bars, uint64_t least,
                   uint64_t alignment) {
  Require(place.bar < bars.size());
  Require(place.bytes >= least && place.bytes <= bars[place.bar]);
  Require(place.offset <= bars[place.bar] - place.bytes);
  Require(place.offset % alignment == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bars bars{};
  if (size < bars.size()) return 0;
  for (size_t i = 0; i < bars.size(); ++i) bars[i] = data[i] % 40 == 0 ? 0 : 1ull << data[i] % 40;
  std::array<std::byte, virtio_net::kConfigSpaceBytes> config{};
  std::memcpy(config.data(), data + bars.size(), std::min(size - bars.size(), config.size()));
  const auto found = virtio_net::FindCapabilities(config, bars);
  if (!found.ok()) {
    Require(!found.status().message().empty());
    return 0;
  }
  RequireInside(found->common, bars, 56, 4);
  RequireInside(found->device, bars, 8, 4);
  RequireInside(found->notify, bars, 2, 2);
  const uint32_t multiplier = found->notify_multiplier;
  Require(multiplier != 1 && (multiplier & (multiplier - 1)) == 0);
  Require(found->vectors <= 2048);
  return 0;
}
