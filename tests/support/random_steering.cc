#include "tests/support/random_steering.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <set>

#include "daemon/backend/softnic/packet.h"

namespace qsplit::testing {
namespace {

using device::FlowKey;
using KeyBytes = std::array<uint8_t, sizeof(FlowKey)>;

// [first, end) of each field of a key.
constexpr std::array<std::array<size_t, 2>, 14> kFields = {{{0, 6},
                                                            {6, 12},
                                                            {12, 14},
                                                            {14, 16},
                                                            {16, 18},
                                                            {18, 19},
                                                            {19, 20},
                                                            {20, 36},
                                                            {36, 52},
                                                            {52, 54},
                                                            {54, 56},
                                                            {56, 60},
                                                            {60, 61},
                                                            {61, 64}}};

void Put16(std::vector<uint8_t>& to, uint32_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}

}  // namespace

void RandomSteering::PutMac(Bytes& to) {
  to.insert(to.end(), {0x02, 0, 0, 0, 0, static_cast<uint8_t>(Below(4))});
}

uint8_t RandomSteering::Protocol() {
  constexpr std::array<uint8_t, 14> kSome = {6, 17, 17, 17, 132, 1, 58, 50, 50, 51, 59, 41, 255, 6};
  return kSome[Below(kSome.size())];
}

void RandomSteering::PutL4(Bytes& to) {
  const size_t begin = to.size();
  // What AH begins with, and then likewise its index; else ports, or the index of ESP.
  if (OneIn(4)) to.insert(to.end(), {17, 4, 0, static_cast<uint8_t>(Below(2))});
  Put16(to, 1000 + Below(8));
  Put16(to, 2000 + Below(8));
  to.resize(to.size() + Below(40), 0x5a);
  if (OneIn(8)) to.resize(std::max<size_t>(begin - 16, to.size() - Below(30)));  // into IP's header
}

void RandomSteering::PutIp4(Bytes& to) {
  const size_t begin = to.size();
  const uint32_t words = OneIn(3) ? 5 + Below(11) : 5;
  to.push_back(
      static_cast<uint8_t>((OneIn(40) ? Below(16) : 4) << 4 | (OneIn(30) ? Below(16) : words)));
  to.push_back(static_cast<uint8_t>(Below(4) << 2));
  Put16(to, 0);  // length, below
  Put16(to, Below(65536));
  constexpr std::array<uint32_t, 8> kFragments = {0, 0, 0x4000, 0, 0x2000, 0x2005, 0x0007, 0x8000};
  Put16(to, kFragments[Below(kFragments.size())]);
  to.push_back(64);
  to.push_back(Protocol());
  Put16(to, 0);
  for (int i = 0; i < 2; ++i) to.insert(to.end(), {10, 0, 0, static_cast<uint8_t>(Below(4))});
  to.resize(begin + words * 4, 1);
  PutL4(to);
  const uint32_t total =
      static_cast<uint32_t>(to.size() - begin) + (OneIn(10) ? Below(60) - 30 : 0);
  to[begin + 2] = static_cast<uint8_t>(total >> 8);
  to[begin + 3] = static_cast<uint8_t>(total);
}

uint8_t RandomSteering::PutExtensions(Bytes& to, uint8_t protocol, bool* later) {
  constexpr std::array<uint8_t, 6> kTypes = {0, 43, 44, 51, 60, 135};  // 51, AH, ends the walk
  const uint32_t headers = OneIn(2) ? 0 : OneIn(6) ? Below(20) : 1 + Below(3);
  const bool long_ones = OneIn(60);
  uint8_t first = protocol;
  size_t names_next = 0;  // where the type of the next header is to be written; 0: it is the first
  for (uint32_t i = 0; i < headers; ++i) {
    const uint8_t type = kTypes[Below(kTypes.size())];
    (names_next == 0 ? first : to[names_next]) = type;
    names_next = to.size();
    const uint32_t units = type == 44 ? 0 : long_ones ? Below(256) : Below(3);
    to.push_back(0);
    to.push_back(static_cast<uint8_t>(units));
    constexpr std::array<uint32_t, 6> kFragments = {0, 1, 0x0018, 0x0019, 0x0006, 0};
    const uint32_t fragment = kFragments[Below(kFragments.size())];
    Put16(to, fragment);
    if (type == 44) *later |= (fragment & 0xfff8) != 0;
    const uint32_t length = type == 44 ? 8 : type == 51 ? (units + 2) * 4 : (units + 1) * 8;
    to.resize(to.size() + length - 4, 0x11);
  }
  if (names_next != 0) to[names_next] = protocol;
  return first;
}

void RandomSteering::PutIp6(Bytes& to) {
  const size_t begin = to.size();
  Put16(to, (OneIn(40) ? Below(16) : 6u) << 12 | Below(4) << 6);
  Put16(to, 0);
  Put16(to, 0);  // length, below
  to.push_back(0);
  to.push_back(64);
  for (int i = 0; i < 2; ++i) {
    to.insert(to.end(), {0xfd, 0});
    to.resize(to.size() + 13);
    to.push_back(static_cast<uint8_t>(Below(4)));
  }
  bool later = false;
  to[begin + 6] = PutExtensions(to, Protocol(), &later);
  PutL4(to);
  const uint32_t payload =
      static_cast<uint32_t>(to.size() - begin - 40) + (OneIn(10) ? Below(60) - 30 : 0);
  to[begin + 4] = static_cast<uint8_t>(payload >> 8);
  to[begin + 5] = static_cast<uint8_t>(payload);
}

std::vector<uint8_t> RandomSteering::Frame() {
  if (OneIn(4)) return PlainFrame();
  Bytes frame;
  frame.reserve(256);
  PutMac(frame);
  PutMac(frame);
  const uint32_t tags = OneIn(2) ? 0 : Below(4);
  for (uint32_t i = 0; i < tags; ++i) {
    Put16(frame, OneIn(3) ? 0x88a8 : 0x8100);
    Put16(frame, Below(3) << 13 | Below(3));
  }
  const uint32_t kind = Below(20);
  if (kind < 9) {
    Put16(frame, OneIn(50) ? 0x86dd : 0x0800);
    PutIp4(frame);
  } else if (kind < 18) {
    Put16(frame, OneIn(50) ? 0x0800 : 0x86dd);
    PutIp6(frame);
  } else {
    Put16(frame, kind == 18 ? 0x0806 : Below(65536));
    frame.resize(frame.size() + Below(60), 7);
  }
  if (OneIn(6)) frame.resize(frame.size() + Below(20));  // padding
  if (OneIn(300)) frame.resize(frame.size() + Below(2000));
  if (OneIn(7)) frame.resize(Below(static_cast<uint32_t>(frame.size())) + 1);  // cut off
  if (OneIn(12)) {
    for (uint32_t i = Below(4); i < 4; ++i) {
      frame[Below(static_cast<uint32_t>(frame.size()))] = static_cast<uint8_t>(random_());
    }
  }
  if (OneIn(50)) {
    for (uint8_t& byte : frame) byte = static_cast<uint8_t>(random_());
  }
  frame.resize(std::clamp<size_t>(frame.size(), 14, 9000));
  return frame;
}

std::vector<uint8_t> RandomSteering::PlainFrame() {
  Bytes frame;
  PutMac(frame);
  PutMac(frame);
  Put16(frame, 0x0800);
  const uint32_t total = 20 + (OneIn(8) ? Below(30) : 8 + Below(OneIn(10) ? 1400 : 60));
  Put16(frame, 0x4500 | Below(4) << 2);
  Put16(frame, total);
  Put16(frame, Below(65536));
  constexpr std::array<uint32_t, 8> kFragments = {0,      0x4000, 0x4000, 0,
                                                  0x2000, 0x4000, 0x0001, 0x3fff};
  Put16(frame, kFragments[Below(OneIn(4) ? kFragments.size() : 4)]);
  frame.push_back(64);
  constexpr std::array<uint8_t, 5> kProtocols = {17, 6, 50, 51, 132};
  frame.push_back(kProtocols[Below(OneIn(4) ? kProtocols.size() : 2)]);
  Put16(frame, Below(65536));
  for (int i = 0; i < 2; ++i) frame.insert(frame.end(), {10, 0, 0, static_cast<uint8_t>(Below(4))});
  Put16(frame, 1000 + Below(8));
  Put16(frame, 2000 + Below(8));
  frame.resize(14 + std::max<size_t>(total, 24), 0x5a);
  frame.resize(14 + total);
  if (frame.size() < 60 && !OneIn(4)) frame.resize(60);
  if (OneIn(10)) frame.resize(frame.size() + Below(9));
  const uint32_t headers = std::min(26u, static_cast<uint32_t>(frame.size()) - 12);
  if (OneIn(6)) frame[12 + Below(headers)] ^= static_cast<uint8_t>(1 << Below(8));
  if (OneIn(10)) frame.resize(14 + Below(static_cast<uint32_t>(frame.size()) - 13));
  return frame;
}

FlowKey RandomSteering::Mask(bool bits) {
  KeyBytes mask{};
  for (const auto& [first, end] : kFields) {
    if (!OneIn(4)) continue;
    const uint32_t kind = Below(3);
    for (size_t i = first; i < end; ++i) {
      if (kind == 0 || !bits) {
        mask[i] = 0xff;
      } else if (kind == 1) {
        mask[i] = static_cast<uint8_t>(i == first ? 0xff00 >> Below(9) : 0);
      } else {
        mask[i] = static_cast<uint8_t>(random_());
      }
    }
  }
  return std::bit_cast<FlowKey>(mask);
}

FlowKey RandomSteering::SpiMask() {
  FlowKey mask;
  mask.ip_version = mask.l4_protocol = 0xff;
  mask.has_spi = 1;
  SetSpi(OneIn(2) ? 0xffffffff : static_cast<uint32_t>(random_()) | 1u, mask);
  return mask;
}

std::vector<uint32_t> RandomSteering::Locations() {
  std::vector<uint32_t> locations(1024);
  std::iota(locations.begin(), locations.end(), 0u);
  std::shuffle(locations.begin(), locations.end(), random_);
  return locations;
}

device::FlowAction RandomSteering::Action(uint32_t queues) {
  constexpr std::array<uint32_t, 3> kOthers = {device::FlowAction::kDrop, device::FlowAction::kPass,
                                               device::FlowAction::kReflect};
  return {OneIn(2) ? Below(queues) : kOthers[Below(kOthers.size())]};
}

std::vector<device::FlowRule> RandomSteering::Rules(uint32_t count, uint32_t queues,
                                                    bool own_masks) {
  const std::vector<uint32_t> locations = Locations();
  std::vector<FlowKey> masks;  // few, so that groups get large
  for (uint32_t i = 0; i < 1 + Below(40); ++i) masks.push_back(Mask(OneIn(2)));
  std::set<KeyBytes> taken;
  std::vector<device::FlowRule> rules;
  while (rules.size() < count) {
    device::FlowRule rule;
    rule.location = locations[rules.size()];
    rule.match.mask = own_masks || OneIn(20) ? Mask(true) : masks[Below(masks.size() & 0xff)];
    if (own_masks && !taken.insert(std::bit_cast<KeyBytes>(rule.match.mask)).second) continue;
    softnic::Packet packet;
    const Bytes frame = Frame();
    softnic::Parse(frame, &packet);
    rule.match.value = packet.key;  // with bits outside of the mask, which count for nothing
    if (!own_masks && packet.key.has_spi != 0 && OneIn(2)) rule.match.mask = SpiMask();
    rule.action = Action(queues);
    rules.push_back(rule);
  }
  return rules;
}

}  // namespace qsplit::testing
