#include "daemon/linux/pci_function.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kBaseClassShift = 16;
constexpr uint32_t kBridgeBaseClass = 0x06;  // PCI_BASE_CLASS_BRIDGE, linux/pci_ids.h

// First line of an attribute, without its end; empty: none.
std::string Attribute(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return std::string(absl::StripAsciiWhitespace(line));
}

// "0x8086", or "12": what does not read as a number is 0.
uint32_t Number(std::string_view text, uint32_t otherwise = 0) {
  const bool hex = text.substr(0, 2) == "0x";
  if (hex) text.remove_prefix(2);
  uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
  return error == std::errc() && stop == end ? value : otherwise;
}

// The last part of what a link leads to; empty: no link.
std::string LinkName(const fs::path& link) {
  std::error_code error;
  const fs::path to = fs::read_symlink(link, error);
  return error ? std::string() : to.filename().string();
}

std::vector<std::string> Entries(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The function that a netdev hangs from: a part of its real path. Some buses lie between the two.
std::optional<PciAddress> FunctionOfNetdev(const fs::path& netdev) {
  std::error_code error;
  std::optional<PciAddress> nearest;
  for (const fs::path& part : fs::canonical(netdev, error)) {
    if (auto address = PciAddress::Parse(part.string()); address.ok()) nearest = *address;
  }
  return nearest;
}

PciIommuGroup ReadGroup(uint32_t number, const std::string& sysfs) {
  const fs::path folder = fs::path(sysfs) / "kernel" / "iommu_groups" / absl::StrCat(number);
  // The name that VFIO's group without an IOMMU has: drivers/vfio, vfio_noiommu_group_alloc.
  PciIommuGroup group{.number = number, .is_noiommu = Attribute(folder / "name") == "vfio-noiommu"};
  for (const std::string& name : Entries(folder / "devices")) {
    const auto address = PciAddress::Parse(name);
    if (!address.ok()) continue;
    const fs::path member = PciFolder(*address, sysfs);
    group.members.push_back(
        {.address = *address,
         .driver = LinkName(member / "driver"),
         .is_bridge = Number(Attribute(member / "class")) >> kBaseClassShift == kBridgeBaseClass});
  }
  return group;
}

}  // namespace

std::string PciFolder(const PciAddress& address, const std::string& sysfs) {
  return absl::StrCat(sysfs, "/bus/pci/devices/", address.ToString());
}

std::string DriverOf(const PciAddress& address, const std::string& sysfs) {
  return LinkName(PciFolder(address, sysfs) + "/driver");
}

absl::StatusOr<PciFacts> ReadPciFacts(const PciAddress& address, const std::string& sysfs) {
  const fs::path folder = PciFolder(address, sysfs);
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat("there is no PCI function ", address.ToString(),
                                            "; lspci -D lists those that there are"));
  }
  PciFacts facts{.address = address,
                 .vendor_id = static_cast<uint16_t>(Number(Attribute(folder / "vendor"))),
                 .device_id = static_cast<uint16_t>(Number(Attribute(folder / "device"))),
                 .class_code = Number(Attribute(folder / "class")),
                 .driver = DriverOf(address, sysfs),
                 .driver_override = Attribute(folder / "driver_override")};
  if (facts.driver_override == "(null)") facts.driver_override.clear();
  if (const std::string group = LinkName(folder / "iommu_group"); !group.empty()) {
    facts.iommu_group = ReadGroup(Number(group), sysfs);
  }
  // -1: the firmware says none.
  if (const uint32_t node = Number(Attribute(folder / "numa_node"), UINT32_MAX);
      node != UINT32_MAX) {
    facts.numa_node = node;
  }
  const fs::path netdevs = fs::path(sysfs) / "class" / "net";
  for (const std::string& name : Entries(netdevs)) {
    if (FunctionOfNetdev(netdevs / name) == address) facts.netdevs.push_back(name);
  }
  if (const auto physical = PciAddress::Parse(LinkName(folder / "physfn")); physical.ok()) {
    facts.physical_function = *physical;
  }
  facts.vfs_probed = Attribute(folder / "sriov_drivers_autoprobe") != "0";
  facts.total_vfs = Number(Attribute(folder / "sriov_totalvfs"));
  for (uint32_t i = 0; i < facts.total_vfs; ++i) {
    const auto vf = PciAddress::Parse(LinkName(folder / absl::StrCat("virtfn", i)));
    if (vf.ok()) facts.vfs.push_back(*vf);
  }
  return facts;
}

absl::StatusOr<PciAddress> PciAddressOfNetdev(const std::string& netdev, const std::string& sysfs) {
  const fs::path link = fs::path(sysfs) / "class" / "net" / netdev;
  std::error_code error;
  if (netdev.empty() || netdev.find('/') != std::string::npos || !fs::exists(link, error)) {
    return absl::NotFoundError(absl::StrCat(
        "there is no netdev '", netdev,
        "'; ip link lists those that there are, and a PCI address names a function without one"));
  }
  if (const auto address = FunctionOfNetdev(link)) return *address;
  return absl::NotFoundError(
      absl::StrCat("netdev ", netdev, " is not that of a PCI function; only those can be taken"));
}

}  // namespace qsplit::linux_sys
