#include "daemon/steering/flow_sets.h"

#include <array>
#include <bit>
#include <cstddef>

namespace qsplit::steering {
namespace {

using device::FlowKey;
using device::FlowMatch;
using Words = std::array<uint64_t, 8>;

constexpr uint16_t kEtherIp4 = 0x0800;
constexpr uint16_t kEtherIp6 = 0x86dd;
constexpr uint8_t kEsp = 50;

Words WordsOf(const FlowKey& key) { return std::bit_cast<Words>(key); }

// Adds bits that are known; those that the match compares already stay as they are.
template <typename Number>
void Imply(Number implied, Number implied_mask, Number& value, Number& mask) {
  const Number fresh = static_cast<Number>(implied_mask & ~mask);
  value = static_cast<Number>(value | (implied & fresh));
  mask = static_cast<Number>(mask | fresh);
}

}  // namespace

bool Matches(const FlowMatch& match, const FlowKey& packet) {
  const Words value = WordsOf(match.value);
  const Words mask = WordsOf(match.mask);
  const Words key = WordsOf(packet);
  for (size_t i = 0; i < key.size(); ++i) {
    if ((key[i] & mask[i]) != value[i]) return false;
  }
  return true;
}

FlowMatch WithConsequences(const FlowMatch& match) {
  FlowMatch full = match;
  FlowKey& v = full.value;
  FlowKey& m = full.mask;
  constexpr uint16_t kAll = 0xffff;
  if (m.ip_version == 0xff && v.ip_version == 4) Imply(kEtherIp4, kAll, v.ether_type, m.ether_type);
  if (m.ip_version == 0xff && v.ip_version == 6) Imply(kEtherIp6, kAll, v.ether_type, m.ether_type);
  // Neither IPv4 nor IPv6. The reverse does not hold: a packet of type 0x0800 may hold no IP
  // header.
  if (m.ether_type == kAll && v.ether_type != kEtherIp4 && v.ether_type != kEtherIp6) {
    Imply(uint8_t{0}, uint8_t{0xff}, v.ip_version, m.ip_version);
  }
  // Where there are ports, they are the first bytes behind the IP header.
  if (m.has_ports == 1 && v.has_ports == 1) {
    const uint32_t value = (uint32_t{v.src_port} << 16) | v.dst_port;
    const uint32_t mask = (uint32_t{m.src_port} << 16) | m.dst_port;
    Imply(value, mask, v.l4_bytes, m.l4_bytes);
  }
  // ESP begins with its index; AH does not.
  if (m.has_spi == 1 && v.has_spi == 1 && m.l4_protocol == 0xff && v.l4_protocol == kEsp) {
    Imply(SpiOf(v), SpiOf(m), v.l4_bytes, m.l4_bytes);
  }
  return full;
}

bool Covers(const FlowMatch& scope, const FlowMatch& rule) {
  const FlowMatch full = WithConsequences(rule);
  const Words scope_value = WordsOf(scope.value);
  const Words scope_mask = WordsOf(scope.mask);
  const Words value = WordsOf(full.value);
  const Words mask = WordsOf(full.mask);
  for (size_t i = 0; i < value.size(); ++i) {
    if ((scope_mask[i] & ~mask[i]) != 0) return false;
    if ((value[i] & scope_mask[i]) != scope_value[i]) return false;
  }
  return true;
}

bool Intersects(const FlowMatch& a, const FlowMatch& b) {
  const FlowMatch full_a = WithConsequences(a);
  const FlowMatch full_b = WithConsequences(b);
  const Words value_a = WordsOf(full_a.value);
  const Words mask_a = WordsOf(full_a.mask);
  const Words value_b = WordsOf(full_b.value);
  const Words mask_b = WordsOf(full_b.mask);
  for (size_t i = 0; i < value_a.size(); ++i) {
    if (((value_a[i] ^ value_b[i]) & mask_a[i] & mask_b[i]) != 0) return false;
  }
  return true;
}

}  // namespace qsplit::steering
