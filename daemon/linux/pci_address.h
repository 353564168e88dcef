// Where a PCI function is: domain, bus, device, function.
//
// A plain value; any thread.
#ifndef QSPLIT_DAEMON_LINUX_PCI_ADDRESS_H_
#define QSPLIT_DAEMON_LINUX_PCI_ADDRESS_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

struct PciAddress {
  uint32_t domain = 0;
  uint8_t bus = 0;
  uint8_t device = 0;    // 0..31
  uint8_t function = 0;  // 0..7

  // "0000:01:00.0", or "01:00.0" in domain 0. INVALID_ARGUMENT: anything else.
  static absl::StatusOr<PciAddress> Parse(std::string_view text);

  // As the kernel writes it: "0000:01:00.0".
  std::string ToString() const;

  auto operator<=>(const PciAddress&) const = default;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PCI_ADDRESS_H_
