// A steering rule in the form in which a device compares it: a key of fixed bytes and a mask.
//
// Built by steering/ out of checked requests, read by back ends. Plain values: no owner, no lock;
// any thread may copy them. It never holds a pointer and never speaks of leases.
#ifndef QSPLIT_DAEMON_DEVICE_FLOW_RULE_H_
#define QSPLIT_DAEMON_DEVICE_FLOW_RULE_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

namespace qsplit::device {

// ethtool's flow types.
enum class FlowType : uint8_t {
  kEther,
  kIp4,
  kIp6,
  kTcp4,
  kUdp4,
  kSctp4,
  kTcp6,
  kUdp6,
  kSctp6,
  kAh4,
  kEsp4,
  kAh6,
  kEsp6,
};

// A set of flow types.
class FlowTypes {
 public:
  constexpr FlowTypes() = default;
  constexpr FlowTypes(std::initializer_list<FlowType> types) {
    for (const FlowType type : types) Add(type);
  }
  constexpr void Add(FlowType type) { bits_ |= 1u << static_cast<unsigned>(type); }
  constexpr bool Has(FlowType type) const {
    return (bits_ >> static_cast<unsigned>(type) & 1) != 0;
  }
  bool operator==(const FlowTypes&) const = default;

 private:
  uint32_t bits_ = 0;
};

// What of a packet rules can see. Numbers are in the host's byte order, addresses in the
// network's. In a mask, a bit that is 1 is compared.
struct FlowKey {
  std::array<uint8_t, 6> dst_mac{};
  std::array<uint8_t, 6> src_mac{};
  uint16_t ether_type = 0;       // behind VLAN tags
  uint16_t vlan_tci = 0;         // outer tag
  uint16_t vlan_ether_type = 0;  // outer tag's own type; 0: no tag
  uint8_t tos = 0;
  uint8_t l4_protocol = 0;
  std::array<uint8_t, 16> src_ip{};  // IPv4: the first 4 bytes, the rest 0
  std::array<uint8_t, 16> dst_ip{};
  // Where has_spi is 1, the upper and the lower half of the security parameters index (SpiOf).
  uint16_t src_port = 0;
  uint16_t dst_port = 0;
  uint32_t l4_bytes = 0;   // first 4 bytes behind the IP header
  uint8_t ip_version = 0;  // 4, 6 or 0
  uint8_t has_vlan = 0;    // 0 or 1
  uint8_t has_ports = 0;   // 0 or 1: ports are there (not a later fragment, header whole)
  uint8_t has_spi = 0;     // 0 or 1: likewise the index of AH or ESP

  bool operator==(const FlowKey&) const = default;
};
static_assert(sizeof(FlowKey) == 64, "compared as eight 64-bit words");
static_assert(std::has_unique_object_representations_v<FlowKey>);

// AH's and ESP's security parameters index in a key or a mask.
inline uint32_t SpiOf(const FlowKey& key) { return uint32_t{key.src_port} << 16 | key.dst_port; }
inline void SetSpi(uint32_t spi, FlowKey& key) {
  key.src_port = static_cast<uint16_t>(spi >> 16);
  key.dst_port = static_cast<uint16_t>(spi);
}

// A packet matches when (packet & mask) == value. The flow type's own demands (ip_version,
// l4_protocol, has_vlan, has_ports, has_spi) are written into value and mask like any other field.
struct FlowMatch {
  FlowType type = FlowType::kEther;
  FlowKey value;
  FlowKey mask;

  bool operator==(const FlowMatch&) const = default;
};

// Where a matching packet goes.
struct FlowAction {
  static constexpr uint32_t kDrop = 0xffffffff;
  static constexpr uint32_t kPass = 0xfffffffe;     // to the kernel, whatever RSS would do with it
  static constexpr uint32_t kReflect = 0xfffffffd;  // back to the wire, its MAC addresses swapped
  uint32_t queue = kDrop;                           // receive queue of the device, or one of those

  bool drops() const { return queue == kDrop; }
  bool passes() const { return queue == kPass; }
  bool reflects() const { return queue == kReflect; }
  bool to_queue() const { return queue < kReflect; }
  bool operator==(const FlowAction&) const = default;
};

// A rule in its place. The lowest location that matches wins.
struct FlowRule {
  uint32_t location = 0;
  FlowMatch match;
  FlowAction action;

  bool operator==(const FlowRule&) const = default;
};

}  // namespace qsplit::device

#endif  // QSPLIT_DAEMON_DEVICE_FLOW_RULE_H_
