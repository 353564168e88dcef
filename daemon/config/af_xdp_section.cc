// The keys of [[device]] that only backend = "af_xdp" has.
#include "daemon/config/sections.h"

namespace qsplit::config {
namespace {

constexpr uint32_t kMaxQueues = 4096;
constexpr uint32_t kMaxBusyPollUs = 100000;

}  // namespace

void ReadAfXdp(TableReader& reader, AfXdpSection& out) {
  if (auto netdev = reader.String("netdev")) {
    if (!IsNetdevName(*netdev)) reader.Error("netdev", kNetdevRule);
    out.netdev = *netdev;
  } else if (!reader.Has("netdev")) {
    reader.Missing("netdev", "the name of a network device, such as \"eth0\"");
  }
  if (auto netns = reader.String("netns")) out.netns = *netns;
  if (auto queues = reader.Integer("queues", 1, kMaxQueues)) {
    out.queues = static_cast<uint32_t>(*queues);
  }
  if (auto channels = reader.Integer("channels", 1, kMaxQueues)) {
    out.channels = static_cast<uint32_t>(*channels);
  }
  if (out.queues && out.channels && *out.queues > *out.channels) {
    reader.Error("queues", "more than 'channels' gives the netdev; lease fewer, or give it more");
  }
  if (auto steering = reader.OneOf("steering", {"auto", "ntuple", "xdp"})) {
    out.steering = *steering == "ntuple" ? AfXdpSteering::kNtuple
                   : *steering == "xdp"  ? AfXdpSteering::kXdp
                                         : AfXdpSteering::kAuto;
  }
  if (auto mode = reader.OneOf("xdp_mode", {"auto", "native", "generic"})) {
    out.xdp_mode = *mode == "native"    ? XdpMode::kNative
                   : *mode == "generic" ? XdpMode::kGeneric
                                        : XdpMode::kAuto;
  }
  if (auto zero_copy = reader.OneOf("zero_copy", {"auto", "never", "always"})) {
    out.zero_copy = *zero_copy == "never"    ? ZeroCopy::kNever
                    : *zero_copy == "always" ? ZeroCopy::kAlways
                                             : ZeroCopy::kAuto;
  }
  if (auto microseconds = reader.Integer("busy_poll", 0, kMaxBusyPollUs)) {
    out.busy_poll_us = static_cast<uint32_t>(*microseconds);
  }
}

}  // namespace qsplit::config
