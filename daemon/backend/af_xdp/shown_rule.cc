#include "daemon/backend/af_xdp/shown_rule.h"

#include <array>
#include <bit>

#include "daemon/backend/af_xdp/ntuple.h"
#include "daemon/linux/netdev_steering.h"

namespace qsplit::af_xdp {
namespace {

using device::FlowKey;
using Words = std::array<uint64_t, sizeof(FlowKey) / sizeof(uint64_t)>;

// What a flow type demands by itself.
FlowKey Demands(const FlowKey& key) {
  return {.l4_protocol = key.l4_protocol,
          .ip_version = key.ip_version,
          .has_vlan = key.has_vlan,
          .has_ports = key.has_ports};
}

FlowKey Fields(FlowKey key) {
  key.l4_protocol = key.ip_version = key.has_vlan = key.has_ports = 0;
  return key;
}

// Bits that `asked` compares are compared by `shown`, with the same value.
bool Covers(const FlowKey& asked, const FlowKey& asked_mask, const FlowKey& shown,
            const FlowKey& shown_mask) {
  const auto a = std::bit_cast<Words>(asked), am = std::bit_cast<Words>(asked_mask);
  const auto s = std::bit_cast<Words>(shown), sm = std::bit_cast<Words>(shown_mask);
  for (size_t i = 0; i < a.size(); ++i) {
    if ((am[i] & ~sm[i]) != 0 || ((a[i] ^ s[i]) & am[i]) != 0) return false;
  }
  return true;
}

bool Says(const device::FlowMatch& shown, const device::FlowMatch& asked) {
  return Fields(shown.mask) == Fields(asked.mask) && Fields(shown.value) == Fields(asked.value) &&
         Covers(Demands(asked.value), Demands(asked.mask), Demands(shown.value),
                Demands(shown.mask));
}

}  // namespace

bool MayShow(const linux_sys::NtupleRule& shown, const linux_sys::NtupleRule& asked) {
  if (linux_sys::SameRule(shown, asked)) return true;
  if (shown.location != asked.location || shown.ring_cookie != asked.ring_cookie) return false;
  const absl::StatusOr<device::FlowRule> now = FromNtuple(shown);
  const absl::StatusOr<device::FlowRule> wish = FromNtuple(asked);
  return now.ok() && wish.ok() && Says(now->match, wish->match);
}

}  // namespace qsplit::af_xdp
