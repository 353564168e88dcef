// The XDP program's parser and search, compiled for this machine: for tests that need no privilege,
// and for the fuzzer. What is read past a frame's end is the sanitizer's to see. Any thread.
#ifndef QSPLIT_TESTS_SUPPORT_STEERING_ON_HOST_H_
#define QSPLIT_TESTS_SUPPORT_STEERING_ON_HOST_H_

#include <linux/types.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "daemon/device/flow_rule.h"

struct SteeringFrame {
  std::span<const uint8_t> bytes;
};
struct SteeringExtensions;

static inline int ReadFrame(SteeringFrame* frame, __u32 at, __u32* to, const __u32 words) {
  if (at > frame->bytes.size() || frame->bytes.size() - at < size_t{words} * 4) return 0;
  std::memcpy(to, frame->bytes.data() + at, size_t{words} * 4);
  return 1;
}
static inline int ReadFarFrame(SteeringFrame* frame, __u32 at, __u32* to, const __u32 words) {
  return ReadFrame(frame, at, to, words);
}
static inline void SkipExtensions(__u32 most, SteeringExtensions* walk);

#include "daemon/backend/af_xdp/bpf/steering_key.h"
#include "daemon/backend/af_xdp/bpf/steering_search.h"

static inline void SkipExtensions(__u32 most, SteeringExtensions* walk) {
  for (__u32 i = 0; i < most && SkipExtension(walk) == 0; ++i) {
  }
}

namespace qsplit::testing {

// Empty: shorter than an Ethernet header.
inline std::optional<device::FlowKey> KeyOnHost(std::span<const uint8_t> frame) {
  SteeringFrame of{frame};
  SteeringKey key = {};
  static_assert(sizeof key == sizeof(device::FlowKey));
  if (KeyOfFrame(&of, static_cast<__u32>(frame.size()), &key.fields) == 0) return std::nullopt;
  device::FlowKey out;
  std::memcpy(static_cast<void*>(&out), &key, sizeof out);
  return out;
}

// The location of the rule that takes the key; STEERING_NONE: none does.
inline uint32_t SearchOnHost(const SteeringTable& table, const device::FlowKey& key) {
  SteeringSearch search = {};
  std::memcpy(search.key, &key, sizeof search.key);
  search.location = STEERING_NONE;
  for (uint32_t i = 0; i < table.groups_used && SearchGroup(&table, i, &search) == 0; ++i) {
  }
  return search.location;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_STEERING_ON_HOST_H_
