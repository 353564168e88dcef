// The XDP program's parser and search, compiled for this machine, against the daemon's own engine:
// a frame, and rules made of its key. The input's first bytes make the rules, the rest is the
// frame.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "daemon/backend/af_xdp/xdp_constants.h"
#include "daemon/backend/af_xdp/xdp_table.h"
#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/packet.h"
#include "tests/support/steering_on_host.h"

namespace {

using namespace qsplit;  // NOLINT: a program of one file

constexpr size_t kRules = 8;
constexpr size_t kRuleBytes = 4;

void Require(bool holds) {
  if (!holds) std::abort();
}

// Words and bytes of the key that are compared, and a bit of it that differs.
device::FlowRule RuleOf(const uint8_t* at, const device::FlowKey& key) {
  device::FlowRule rule;
  uint8_t mask[sizeof key] = {};
  for (size_t i = 0; i < sizeof mask; ++i) {
    if ((at[0] >> (i / 8) & 1) != 0) mask[i] = (at[1] >> (i % 8) & 1) != 0 ? 0xff : at[2];
  }
  uint8_t value[sizeof key];
  std::memcpy(value, &key, sizeof value);
  if (at[3] < 128) value[at[3] % sizeof value] ^= static_cast<uint8_t>(1 + at[3] / 64);
  std::memcpy(static_cast<void*>(&rule.match.mask), mask, sizeof mask);
  std::memcpy(static_cast<void*>(&rule.match.value), value, sizeof value);
  return rule;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kRules * kRuleBytes || size > 65535) return 0;
  // An allocation of its own, so that the sanitizer sees a read past the end.
  const std::vector<uint8_t> frame(data + kRules * kRuleBytes, data + size);
  softnic::Packet packet;
  const bool parsed = softnic::Parse(frame, &packet);
  const auto key = testing::KeyOnHost(frame);
  Require(parsed == key.has_value());
  if (!parsed) return 0;
  Require(*key == packet.key);
  const uint32_t known_bytes = testing::KnownBytesOnHost(frame);
  Require(known_bytes == 0 || known_bytes == frame.size());
  std::vector<device::FlowRule> rules;
  for (uint32_t i = 0; i < kRules; ++i) {
    rules.push_back(RuleOf(data + i * kRuleBytes, packet.key));
    rules.back().location = (i * 5 + 3) % 8;  // in another order
  }
  static const auto table = std::make_unique<SteeringTable>();
  Require(af_xdp::FillTable(rules, data[0], table.get()).ok());
  const softnic::FlowTable plain(rules);
  const auto* rule = plain.Lookup(packet.key);
  const uint32_t location = rule == nullptr ? STEERING_NONE : rule->location;
  Require(testing::SearchOnHost(*table, *key) == location);
  Require(testing::SearchFirstOnHost(*table, *key).value_or(location) == location);
  if (const auto packet_is_plain = testing::PlainOnHost(frame)) {
    Require(testing::KeyOnHost(*packet_is_plain) == *key);
    Require(packet_is_plain->bytes == frame.size());
    const auto constants = af_xdp::ConstantsOf(rules, 1);
    Require(constants.has_value());
    Require(testing::ConstantOnHost(*constants, *packet_is_plain) == location);
  }
  return 0;
}
