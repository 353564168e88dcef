#include <algorithm>
#include <set>
#include <span>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/config/sections.h"

namespace qsplit::config {
namespace {

constexpr uint32_t kMaxQueues = 64;
constexpr uint32_t kMaxMtu = 9216;
constexpr uint32_t kMaxSlots = 32768;
constexpr uint32_t kMaxThreads = 16;
constexpr uint32_t kMaxCpu = 1023;

void ReadWire(TableReader& device, Diagnostics& diagnostics, Wire& out) {
  const toml::table* table = device.Table("wire");
  if (table == nullptr) return;
  TableReader reader(*table, "device.wire", diagnostics);
  const auto tap = reader.String("tap");
  const auto peer = reader.String("peer");
  const auto netns = reader.String("netns");
  if (reader.Has("tap") == reader.Has("peer")) {
    reader.TableError("exactly one of 'tap' and 'peer' is needed");
  } else if (tap) {
    if (!IsNetdevName(*tap)) reader.Error("tap", kNetdevRule);
    out.kind = WireKind::kTap;
    out.tap = *tap;
    if (netns) out.netns = *netns;
  } else if (peer) {
    if (netns) reader.Error("netns", "only a tap stands in a network namespace");
    out.kind = WireKind::kPeer;
    out.peer = *peer;
  }
  reader.Finish();
}

}  // namespace

bool IsNetdevName(std::string_view text) {
  // IFNAMSIZ is 16.
  return !text.empty() && text.size() <= 15 && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '/' && c != ':' && c != '%';
         });
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::optional<std::array<uint8_t, 6>> ParseMac(std::string_view text) {
  std::array<uint8_t, 6> mac{};
  if (text.size() != 17) return {};
  for (size_t i = 0; i < mac.size(); ++i) {
    uint32_t byte = 0;
    if ((i > 0 && text[3 * i - 1] != ':') ||
        !absl::SimpleHexAtoi(absl::string_view(text.data() + 3 * i, 2), &byte)) {
      return {};
    }
    mac[i] = static_cast<uint8_t>(byte);
  }
  return mac;
}

namespace {

// What only a software NIC has.
void ReadSoftnic(TableReader& reader, Diagnostics& diagnostics, DeviceSection& out) {
  if (auto queues = reader.Integer("queues", 1, kMaxQueues)) {
    out.rx_queues = out.tx_queues = static_cast<uint32_t>(*queues);
    for (const std::string_view key : {"rx_queues", "tx_queues"}) {
      if (reader.Has(key)) reader.Error(key, "'queues' sets both already; give one or the other");
    }
  }
  if (auto queues = reader.Integer("rx_queues", 1, kMaxQueues)) {
    out.rx_queues = static_cast<uint32_t>(*queues);
  }
  if (auto queues = reader.Integer("tx_queues", 1, kMaxQueues)) {
    out.tx_queues = static_cast<uint32_t>(*queues);
  }
  if (auto threads = reader.Integer("threads", 1, kMaxThreads)) {
    out.threads = static_cast<uint32_t>(*threads);
  }
  if (auto cpus = reader.Integers("cpus", kMaxCpu)) {
    out.cpus = *cpus;
    if (out.cpus.size() != out.threads) {
      reader.Error("cpus", absl::StrCat(out.cpus.size(), " CPUs for ", out.threads,
                                        " threads; give one for each"));
    }
    if (reader.Has("cpu")) reader.Error("cpus", "'cpu' is the one of one thread; drop either");
  } else if (out.threads > 1 && reader.Has("cpu")) {
    reader.Error("cpu", "several threads; `cpus` names one CPU for each");
  }
  if (auto threads = reader.Integers("queue_threads", kMaxThreads - 1)) {
    out.queue_threads = *threads;
    const uint32_t queues = std::max(out.rx_queues, out.tx_queues);
    if (threads->size() != queues) {
      reader.Error("queue_threads",
                   absl::StrCat("those of ", threads->size(), " queues; give one for each of ",
                                queues, ", by number"));
    } else if (*std::max_element(threads->begin(), threads->end()) >= out.threads) {
      reader.Error("queue_threads",
                   absl::StrCat("there are ", out.threads, " threads (`threads`), the first is 0"));
    }
  }
  if (auto worker = reader.String("worker")) {
    if (!IsName(*worker)) reader.Error("worker", absl::StrCat("no name; ", kNameRule.data()));
    out.worker = *worker;
  }
  if (auto representor = reader.String("representor")) {
    if (!IsNetdevName(*representor)) reader.Error("representor", kNetdevRule);
    out.representor = *representor;
  }
  if (auto netns = reader.String("representor_netns")) {
    if (!reader.Has("representor")) reader.Error("representor_netns", "there is no 'representor'");
    out.representor_netns = *netns;
  }
  ReadWire(reader, diagnostics, out.wire);
}

// Keys of one back end.
constexpr std::string_view kSoftnicOnly[] = {"rx_queues", "tx_queues",   "worker",
                                             "threads",   "cpus",        "queue_threads",
                                             "wire",      "representor", "representor_netns"};
constexpr std::string_view kVfioOnly[] = {"function",     "vf_of", "vf",       "mode",
                                          "allow_active", "vfs",   "vf_token", "vlan"};
constexpr std::string_view kAfXdpOnly[] = {"netns", "channels", "xdp_mode", "zero_copy",
                                           "busy_poll"};
constexpr std::string_view kNetdevKeys[] = {"netdev", "steering"};
constexpr std::string_view kOfTheKernel[] = {"mac", "mtu", "cpu"};

// Keys of other back ends than the device's.
void Refuse(TableReader& reader, std::span<const std::string_view> keys, std::string_view problem) {
  for (const std::string_view key : keys) {
    if (reader.Node(key) != nullptr) reader.Error(key, problem);
  }
}

}  // namespace

void ReadDevice(const toml::table& table, Diagnostics& diagnostics, DeviceSection& out) {
  TableReader reader(table, "device", diagnostics);
  if (auto name = reader.String("name")) {
    if (!IsName(*name)) reader.Error("name", absl::StrCat("no name; ", kNameRule.data()));
    out.name = *name;
  } else if (!reader.Has("name")) {
    reader.Missing("name", kNameRule);
  }
  if (auto backend = reader.OneOf("backend", {"softnic", "vfio", "af_xdp"})) out.backend = *backend;
  if (auto layouts = reader.Strings("layouts")) out.layouts = *layouts;
  if (auto layout = reader.String("layout")) {
    out.layouts = {*layout};
    if (reader.Has("layouts")) reader.Error("layouts", "'layout' names the only one; drop either");
  }
  if (auto text = reader.String("mac")) {
    out.mac = ParseMac(*text);
    if (!out.mac) {
      reader.Error("mac", "no MAC address; allowed: six bytes such as \"02:00:00:00:00:01\"");
    } else if (((*out.mac)[0] & 1) != 0) {
      reader.Error("mac", "a multicast address; allowed: one whose first byte is even");
    }
  }
  if (auto mtu = reader.Integer("mtu", 68, kMaxMtu)) out.mtu_bytes = static_cast<uint32_t>(*mtu);
  if (auto slots = reader.Integer("slots", 8, kMaxSlots)) {
    out.slots = static_cast<uint32_t>(*slots);
    if ((*slots & (*slots - 1)) != 0) {
      reader.Error("slots", "not a power of two; allowed: 8, 16, … 32768");
    }
  }
  if (auto cpu = reader.Integer("cpu", 0, kMaxCpu)) out.cpu = static_cast<uint32_t>(*cpu);
  if (out.backend == "vfio") {
    ReadVfio(reader, out.vfio.emplace());
  } else if (out.backend == "af_xdp") {
    ReadAfXdp(reader, out.af_xdp.emplace());
  } else {
    ReadSoftnic(reader, diagnostics, out);
    Refuse(reader, kNetdevKeys,
           "only a device with backend = \"vfio\" or \"af_xdp\" has this; drop it, or name that "
           "back end");
  }
  if (out.vfio || out.af_xdp) {
    Refuse(reader, kSoftnicOnly, "only a device with backend = \"softnic\" has this; drop it");
  }
  if (!out.vfio) {
    Refuse(reader, kVfioOnly,
           "only a device with backend = \"vfio\" has this; drop it, or name that back end");
  }
  if (!out.af_xdp) {
    Refuse(reader, kAfXdpOnly,
           "only a device with backend = \"af_xdp\" has this; drop it, or name that back end");
  } else {
    Refuse(reader, kOfTheKernel,
           "the netdev is the kernel's, and so is this; `ip link set` changes it");
  }
  reader.Finish();
}

}  // namespace qsplit::config
