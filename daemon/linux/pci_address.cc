#include "daemon/linux/pci_address.h"

#include <charconv>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace qsplit::linux_sys {
namespace {

// `text` is `least` to `most` hexadecimal digits and no more than `limit`.
std::optional<uint32_t> Hex(std::string_view text, size_t least, size_t most, uint32_t limit) {
  uint32_t value = 0;
  if (text.size() < least || text.size() > most) return std::nullopt;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end || value > limit) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<PciAddress> PciAddress::Parse(std::string_view text) {
  std::string_view rest = text;
  std::optional<uint32_t> domain = 0;
  if (const size_t first = rest.find(':'); first != rest.rfind(':')) {
    domain = Hex(rest.substr(0, first), 4, 8, UINT32_MAX);
    rest.remove_prefix(first + 1);
  }
  if (rest.size() == 7 && rest[2] == ':' && rest[5] == '.') {
    const auto bus = Hex(rest.substr(0, 2), 2, 2, 255);
    const auto device = Hex(rest.substr(3, 2), 2, 2, 31);
    const auto function = Hex(rest.substr(6, 1), 1, 1, 7);
    if (domain && bus && device && function) {
      return PciAddress{*domain, static_cast<uint8_t>(*bus), static_cast<uint8_t>(*device),
                        static_cast<uint8_t>(*function)};
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", std::string(text),
      "' is no PCI address; write domain:bus:device.function in hexadecimal, as 0000:01:00.0"));
}

std::string PciAddress::ToString() const {
  return absl::StrFormat("%04x:%02x:%02x.%u", domain, bus, device, unsigned{function});
}

}  // namespace qsplit::linux_sys
