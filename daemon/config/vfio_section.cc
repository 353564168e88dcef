// The keys of [[device]] that only backend = "vfio" has.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/config/sections.h"

namespace qsplit::config {
namespace {

constexpr uint32_t kMaxQueues = 256;
// A device has at most 256 functions of one bus number, and its PF is one of them.
constexpr uint32_t kMaxVfs = 255;
// 0 and 4095 have a meaning of their own (IEEE 802.1Q, table 9-2).
constexpr uint16_t kMaxVlan = 4094;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

// "0000:01:00.0": domain, bus, device (5 bits) and function (3 bits).
bool IsPciAddress(std::string_view text) {
  return text.size() == 12 && text[4] == ':' && text[7] == ':' && text[10] == '.' &&
         IsHex(text.substr(0, 4)) && IsHex(text.substr(5, 2)) && IsHex(text.substr(8, 2)) &&
         (text[8] == '0' || text[8] == '1') && text[11] >= '0' && text[11] <= '7';
}

// "12345678-1234-1234-1234-123456789abc", as VFIO takes it (RFC 9562, section 4).
bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !IsHex(text.substr(i, 1))) return false;
  }
  return true;
}

// Which function is meant: exactly one of three keys says so.
void ReadWhich(TableReader& reader, VfioSection& out) {
  if (auto text = reader.String("function")) {
    if (!IsPciAddress(*text)) {
      reader.Error("function", "no PCI address; allowed: such as \"0000:01:00.0\"");
    }
    out.function = absl::AsciiStrToLower(*text);
  }
  if (auto netdev = reader.String("netdev")) {
    if (!IsNetdevName(*netdev)) reader.Error("netdev", kNetdevRule);
    out.netdev = *netdev;
  }
  if (auto name = reader.String("vf_of")) {
    if (!IsName(*name)) reader.Error("vf_of", absl::StrCat("no name; ", kNameRule.data()));
    out.vf_of = *name;
  }
  if (auto index = reader.Integer("vf", 0, kMaxVfs - 1)) out.vf = static_cast<uint32_t>(*index);
  const int given = int{reader.Has("function")} + reader.Has("netdev") + reader.Has("vf_of");
  if (given != 1) {
    reader.TableError("exactly one of 'function', 'netdev' and 'vf_of' says which function it is");
  }
  if (reader.Has("vf_of") && !reader.Has("vf")) {
    reader.Missing("vf", "the number of the virtual function, from 0 on");
  }
  if (reader.Has("vf") && !reader.Has("vf_of")) {
    reader.Error("vf", "there is no 'vf_of' that says of which device");
  }
}

}  // namespace

void ReadVfio(TableReader& reader, VfioSection& out) {
  ReadWhich(reader, out);
  if (auto mode = reader.OneOf("mode", {"direct", "guarded"})) {
    out.mode = *mode == "direct" ? VfioMode::kDirect : VfioMode::kGuarded;
  }
  if (auto allow = reader.Bool("allow_active")) out.allow_active = *allow;
  if (auto queues = reader.Integer("queues", 1, kMaxQueues)) {
    out.queues = static_cast<uint32_t>(*queues);
  }
  if (auto steering = reader.OneOf("steering", {"rss", "pools"})) {
    out.steering = *steering == "pools" ? VfioSteering::kPools : VfioSteering::kRss;
  }
  if (auto vfs = reader.Integer("vfs", 0, kMaxVfs)) out.vfs = static_cast<uint32_t>(*vfs);
  if (auto token = reader.String("vf_token")) {
    if (!IsUuid(*token)) {
      reader.Error("vf_token",
                   "no UUID; allowed: such as \"14d63f20-8445-11ea-8900-1f9ce7d5650d\"");
    }
    out.vf_token = absl::AsciiStrToLower(*token);
  }
  if (auto vlan = reader.Integer("vlan", 1, kMaxVlan)) {
    out.vlan = static_cast<uint16_t>(*vlan);
    if (!reader.Has("vf_of")) {
      reader.Error("vlan", "only the virtual functions of a device here (vf_of) have one");
    }
  }
  if (!reader.Has("vf_of")) return;
  if (reader.Has("vfs")) reader.Error("vfs", "a virtual function has no virtual functions");
  if (reader.Has("vf_token")) {
    reader.Error("vf_token", "the daemon owns the device of 'vf_of' and chose its token itself");
  }
}

}  // namespace qsplit::config
