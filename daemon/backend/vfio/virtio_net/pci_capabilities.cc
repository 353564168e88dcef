#include "daemon/backend/vfio/virtio_net/pci_capabilities.h"

#include <bit>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/virtio_net/registers.h"

namespace qsplit::vfio::virtio_net {
namespace {

// PCI Local Bus 3.0, 6.2 and 6.7.
constexpr uint32_t kPciStatus = 0x06;
constexpr uint32_t kPciStatusCapabilities = 1u << 4;
constexpr uint32_t kPciCapabilities = 0x34;
constexpr uint32_t kFirstCapability = 0x40;
constexpr uint32_t kCapabilityMsix = 0x11;
constexpr uint32_t kCapabilityVendor = 0x09;
constexpr uint32_t kMostCapabilities = (kConfigSpaceBytes - kFirstCapability) / 4;

class ConfigSpace {
 public:
  explicit ConfigSpace(std::span<const std::byte, kConfigSpaceBytes> bytes) : bytes_(bytes) {}
  // Ones behind the end, as PCI has it.
  uint32_t Read(uint32_t offset, uint32_t bytes) const {
    uint32_t value = 0;
    for (uint32_t i = 0; i < bytes; ++i) {
      const auto byte = offset + i < bytes_.size() ? bytes_[offset + i] : std::byte{0xff};
      value |= std::to_integer<uint32_t>(byte) << (8 * i);
    }
    return value;
  }

 private:
  std::span<const std::byte, kConfigSpaceBytes> bytes_;
};

// A kind of structure (4.1.4: cfg_type) and what it must be like.
struct Kind {
  const char* name;
  uint32_t type;
  uint32_t least_bytes;
  uint32_t alignment;
};
constexpr std::array<Kind, 3> kKinds{{
    {"common configuration", kCapabilityCommon, kCommonBytes, 4},
    {"notification", kCapabilityNotify, 2, 2},
    {"device configuration", kCapabilityDevice, kNetConfigLeastBytes, 4},
}};

struct Found {
  std::optional<Structure> usable;
  uint32_t multiplier = 0;
  std::string trouble;  // of the last one that is not
};

// struct virtio_pci_cap at `at`; what is wrong with it, or nothing.
std::string Take(const ConfigSpace& config, uint32_t at, const Kind& kind,
                 const std::array<uint64_t, kBars>& bar_bytes, Found* found) {
  const uint32_t capability_bytes = config.Read(at + 2, 1);
  const uint32_t needed = kind.type == kCapabilityNotify ? 20 : 16;
  if (capability_bytes < needed || at + capability_bytes > kConfigSpaceBytes) {
    return absl::StrCat("is ", capability_bytes, " bytes long where ", needed, " are needed");
  }
  const Structure place{config.Read(at + 4, 1), config.Read(at + 8, 4), config.Read(at + 12, 4)};
  if (place.bar >= kBars) return absl::StrCat("names BAR ", place.bar, " of ", kBars);
  if (bar_bytes[place.bar] == 0) {
    return absl::StrCat("names BAR ", place.bar, ", which is not there or not of memory");
  }
  if (place.offset + place.bytes > bar_bytes[place.bar]) {
    return absl::StrCat("has ", place.bytes, " bytes at ", place.offset, " of BAR ", place.bar,
                        ", which ends at ", bar_bytes[place.bar]);
  }
  if (place.bytes < kind.least_bytes) {
    return absl::StrCat("has ", place.bytes, " bytes where ", kind.least_bytes, " are needed");
  }
  if (place.offset % kind.alignment != 0) {
    return absl::StrCat("begins at ", place.offset, ", no multiple of ", kind.alignment);
  }
  if (kind.type == kCapabilityNotify) {
    found->multiplier = config.Read(at + 16, 4);
    if (found->multiplier == 1 ||
        (found->multiplier != 0 && !std::has_single_bit(found->multiplier))) {
      return absl::StrCat("multiplies by ", found->multiplier, ", neither 0 nor a power of two");
    }
  }
  found->usable = place;
  return {};
}

}  // namespace

absl::StatusOr<Capabilities> FindCapabilities(std::span<const std::byte, kConfigSpaceBytes> bytes,
                                              const std::array<uint64_t, kBars>& bar_bytes) {
  const ConfigSpace config(bytes);
  if ((config.Read(kPciStatus, 2) & kPciStatusCapabilities) == 0) {
    return absl::InvalidArgumentError("the function has no PCI capabilities; is it a modern one?");
  }
  Capabilities out;
  std::array<Found, kKinds.size()> all;
  uint32_t followed = 0;
  for (uint32_t at = config.Read(kPciCapabilities, 1) & ~3u; at != 0;
       at = config.Read(at + 1, 1) & ~3u) {
    if (at < kFirstCapability) {
      return absl::InvalidArgumentError(
          absl::StrCat("the list of PCI capabilities leads to ", at, ", inside of the header"));
    }
    if (++followed > kMostCapabilities) {
      return absl::InvalidArgumentError("the list of PCI capabilities never ends");
    }
    const uint32_t id = config.Read(at, 1);
    if (id == kCapabilityMsix) out.vectors = (config.Read(at + 2, 2) & 0x7ff) + 1;
    if (id != kCapabilityVendor) continue;
    for (size_t i = 0; i < kKinds.size(); ++i) {
      if (config.Read(at + 3, 1) != kKinds[i].type || all[i].usable.has_value()) continue;
      all[i].trouble = Take(config, at, kKinds[i], bar_bytes, &all[i]);
    }
  }
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (all[i].usable.has_value()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the function's ", kKinds[i].name, " capability ",
                     all[i].trouble.empty() ? "is missing; is it a modern one?" : all[i].trouble));
  }
  out.common = *all[0].usable;
  out.notify = *all[1].usable;
  out.device = *all[2].usable;
  out.notify_multiplier = all[1].multiplier;
  return out;
}

}  // namespace qsplit::vfio::virtio_net
