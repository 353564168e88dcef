// The XDP program's parser and search, compiled for this machine: for tests that need no privilege,
// and for the fuzzer. What is read past a frame's end is the sanitizer's to see. Any thread.
#ifndef QSPLIT_TESTS_SUPPORT_STEERING_ON_HOST_H_
#define QSPLIT_TESTS_SUPPORT_STEERING_ON_HOST_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "daemon/backend/af_xdp/bpf/steering_constants.h"
#include "daemon/backend/af_xdp/bpf/steering_key.h"
#include "daemon/backend/af_xdp/bpf/steering_plain.h"
#include "daemon/backend/af_xdp/bpf/steering_search.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::testing {

// Empty: shorter than an Ethernet header.
inline std::optional<device::FlowKey> KeyOnHost(std::span<const uint8_t> frame) {
  const SteeringFrame of{frame.data(), static_cast<__u32>(frame.size())};
  SteeringKey key = {};
  static_assert(sizeof key == sizeof(device::FlowKey));
  if (KeyOfFrame(&of, FrameBytes(&of), &key.fields) == 0) return std::nullopt;
  device::FlowKey out;
  std::memcpy(static_cast<void*>(&out), &key, sizeof out);
  return out;
}

// The frame's length, where it is known without a call; else 0.
inline uint32_t KnownBytesOnHost(std::span<const uint8_t> frame) {
  const SteeringFrame of{frame.data(), static_cast<__u32>(frame.size())};
  return KnownBytes(&of);
}

// By the way of plain packets. Empty: not one, for that way.
inline std::optional<SteeringPlain> PlainOnHost(std::span<const uint8_t> frame) {
  const SteeringFrame of{frame.data(), static_cast<__u32>(frame.size())};
  SteeringPlain plain;
  if (ReadPlain(&of, &plain) == 0) return std::nullopt;
  return plain;
}

inline device::FlowKey KeyOnHost(const SteeringPlain& plain) {
  std::array<__u64, kSteeringKeyWords> words;
  KeyOfPlain(&plain, words.data());
  return std::bit_cast<device::FlowKey>(words);
}

// The location of the rule among constants that takes the packet; STEERING_NONE: none does.
inline uint32_t ConstantOnHost(const SteeringConstants& constants, const SteeringPlain& plain) {
  const auto location = [](const SteeringConstantRule& rule) {
    return static_cast<uint32_t>((rule.counter - offsetof(SteeringCounts, rules)) /
                                 sizeof(SteeringCount));
  };
  if (constants.catch_all != 0) return location(constants.rules[0]);
#define QSPLIT_TRY(rule)                                           \
  if (STEERING_IS_NO_RULE(&constants, rule)) return STEERING_NONE; \
  if (STEERING_TAKES(&constants, &plain, rule)) return location(constants.rules[rule]);
  STEERING_EACH_CONSTANT_RULE(QSPLIT_TRY)
#undef QSPLIT_TRY
  return STEERING_NONE;
}

// The location of the rule that takes the key; STEERING_NONE: none does.
inline uint32_t SearchOnHost(const SteeringTable& table, const device::FlowKey& key) {
  SteeringSearch search = {};
  std::memcpy(search.key, &key, sizeof search.key);
  SearchTable(&table, &search);
  return search.location;
}

// By the first group alone. Empty: it does not decide.
inline std::optional<uint32_t> SearchFirstOnHost(const SteeringTable& table,
                                                 const device::FlowKey& key) {
  std::array<__u64, kSteeringKeyWords> words;
  std::memcpy(words.data(), &key, sizeof words);
  __u32 location = 0;
  __u32 action = 0;
  if (SearchFirstGroup(&table, words.data(), &location, &action) == 0) return std::nullopt;
  return location;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_STEERING_ON_HOST_H_
