#include <algorithm>
#include <cctype>

#include "daemon/config/sections.h"

namespace qsplit::config {
namespace {

constexpr uint32_t kMaxQueues = 1024;
constexpr uint32_t kMaxVfs = 256;
constexpr uint16_t kMaxVlan = 4094;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// "0000:01:00.0", or without the domain.
bool IsPciAddress(std::string_view text) {
  if (text.size() == 12) {
    if (!IsHex(text.substr(0, 4)) || text[4] != ':') return false;
    text.remove_prefix(5);
  }
  return text.size() == 7 && IsHex(text.substr(0, 2)) && text[2] == ':' &&
         IsHex(text.substr(3, 2)) && text[5] == '.' && text[6] >= '0' && text[6] <= '7';
}

// "bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3"
bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

void ReadVfio(TableReader& device, DeviceSection& out) {
  VfioSection& vfio = out.vfio;
  for (const std::string_view key :
       {"wire", "worker", "representor", "representor_netns", "rx_queues", "tx_queues"}) {
    if (device.Has(key)) device.Error(key, "only software NICs (backend = \"softnic\") have it");
    device.Node(key);
  }
  if (auto function = device.String("function")) {
    vfio.function = *function;
    if (!IsPciAddress(*function)) {
      device.Error("function", "no PCI address; allowed: such as \"0000:01:00.0\"");
    }
  }
  if (auto netdev = device.String("netdev")) {
    vfio.netdev = *netdev;
    if (!IsNetdevName(*netdev)) device.Error("netdev", kNetdevRule);
  }
  if (auto vf_of = device.String("vf_of")) {
    vfio.vf_of = *vf_of;
    if (!device.Has("vf")) device.Missing("vf", "allowed: the number of the VF, from 0");
  }
  const int named = device.Has("function") + device.Has("netdev") + device.Has("vf_of");
  if (named != 1) device.TableError("exactly one of 'function', 'netdev' and 'vf_of' is needed");
  if (auto vf = device.Integer("vf", 0, kMaxVfs - 1)) {
    vfio.vf = static_cast<uint32_t>(*vf);
    if (!device.Has("vf_of")) device.Error("vf", "there is no 'vf_of'");
  }
  if (auto active = device.Bool("allow_active")) vfio.allow_active = *active;
  if (auto mode = device.OneOf("mode", {"direct", "guarded"})) {
    vfio.mode = *mode == "direct" ? VfioMode::kDirect : VfioMode::kGuarded;
  }
  if (auto queues = device.Integer("queues", 1, kMaxQueues)) {
    vfio.queues = static_cast<uint32_t>(*queues);
  }
  if (auto steering = device.OneOf("steering", {"rss", "pools"})) {
    vfio.pools = *steering == "pools";
  }
  if (auto vfs = device.Integer("vfs", 0, kMaxVfs)) {
    vfio.vfs = static_cast<uint32_t>(*vfs);
    if (device.Has("vf_of")) device.Error("vfs", "a VF has no VFs");
  }
  if (auto vlan = device.Integer("vlan", 1, kMaxVlan)) {
    vfio.vlan = static_cast<uint16_t>(*vlan);
    if (!device.Has("vf_of")) device.Error("vlan", "only VFs of a device here (vf_of) have one");
  }
  if (auto token = device.String("vf_token")) {
    vfio.vf_token = *token;
    if (!IsUuid(*token)) {
      device.Error("vf_token", "no UUID; allowed: that which the PF's holder has set");
    }
    if (device.Has("vf_of")) device.Error("vf_token", "qsplitd knows the token of its own PFs");
  }
}

}  // namespace qsplit::config
