// Random frames and random rules that take some of them: what is in a frame comes out of small
// pools, so that rules made of other frames hit it. Many frames are cut off or contradict
// themselves. The same seed gives the same ones. One thread.
#ifndef QSPLIT_TESTS_SUPPORT_RANDOM_STEERING_H_
#define QSPLIT_TESTS_SUPPORT_RANDOM_STEERING_H_

#include <cstdint>
#include <random>
#include <vector>

#include "daemon/device/flow_rule.h"

namespace qsplit::testing {

class RandomSteering {
 public:
  explicit RandomSteering(uint64_t seed) : random_(seed) {}

  // 14 bytes at least, 9,000 at most; few are longer than 1,600.
  std::vector<uint8_t> Frame();
  // TCP or UDP over IPv4 with nothing unusual about it, or with one thing: another protocol, a byte
  // of a header, the length, a trailer, an end that is cut off.
  std::vector<uint8_t> PlainFrame();
  // `count` rules at locations below 1,024, whose queues are below `queues`. With `own_masks` each
  // has a mask that no other has; without, some are by the index of AH or ESP alone.
  std::vector<device::FlowRule> Rules(uint32_t count, uint32_t queues, bool own_masks);
  // Likewise, made of requests such as clients send, by what the daemon makes rules of them with
  // (steering::ToMatch): of every flow type, and with no mask that cannot be asked for.
  std::vector<device::FlowRule> AskedRules(uint32_t count, uint32_t queues);

  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  using Bytes = std::vector<uint8_t>;

  void PutMac(Bytes& to);
  void PutIp4(Bytes& to);
  void PutIp6(Bytes& to);
  // IPv6's extension headers. Returns the type of the first, `protocol` being what follows the
  // last.
  uint8_t PutExtensions(Bytes& to, uint8_t protocol, bool* later);
  void PutL4(Bytes& to);
  uint8_t Protocol();
  device::FlowKey Mask(bool bits);
  // As a rule by the index of AH or ESP has it.
  device::FlowKey SpiMask();
  std::vector<uint32_t> Locations();  // all of them, in any order
  device::FlowAction Action(uint32_t queues);
  device::FlowType TypeFor(const device::FlowKey& key);

  std::mt19937_64 random_;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_RANDOM_STEERING_H_
