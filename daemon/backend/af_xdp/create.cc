// How a netdev becomes a device, and what is told of it.
#include <fcntl.h>
#include <net/if.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/af_xdp_device.h"
#include "daemon/backend/af_xdp/xdp_link.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/netns.h"
#include "daemon/linux/xdp_features.h"

namespace qsplit::af_xdp {
namespace {

constexpr char kLayout[] = "linux.af_xdp";
constexpr uint32_t kDefaultSlots = 2048;
// The kernel frees a queue some 30 ms after its socket's end.
constexpr uint32_t kPatienceMs = 200;

// Bits of the choices that the kernel can be set up with, for each feature of the layout.
device::AllowedChoices Allowed(const v1::Layout& layout, const linux_sys::XskKernel& kernel) {
  device::AllowedChoices allowed;
  for (const v1::Feature& feature : layout.features()) {
    const bool one = feature.name() == "Metadata" && !kernel.tx_metadata;
    allowed.push_back(one ? 1 : (uint64_t{1} << feature.choices_size()) - 1);
  }
  return allowed;
}

const layout::VerifiedLayout* LayoutIn(const AfXdpConfig& config) {
  for (const layout::VerifiedLayout& layout : config.layouts) {
    if (layout.name() == kLayout) return &layout;
  }
  return nullptr;
}

}  // namespace

AfXdpDevice::AfXdpDevice(AfXdpConfig config, journal::Journal& journal, OnTrouble on_trouble)
    : config_(std::move(config)),
      journal_(journal),
      on_trouble_(std::move(on_trouble)),
      mailer_([this] { return State(); }) {}

absl::StatusOr<std::unique_ptr<AfXdpDevice>> AfXdpDevice::Create(
    AfXdpConfig config, journal::Journal& journal, std::unique_ptr<linux_sys::EthtoolIoctl> ioctl,
    OnTrouble on_trouble) {
  if (absl::Status status = CheckUsable(config); !status.ok()) return status;
  std::unique_ptr<AfXdpDevice> device(
      new AfXdpDevice(std::move(config), journal, std::move(on_trouble)));
  if (absl::Status status = device->TakeNetdev(std::move(ioctl)); !status.ok()) return status;
  if (absl::Status status = device->ChooseSteering(); !status.ok()) return status;
  if (absl::Status status = device->AttachProgram(); !status.ok()) return status;
  device->ChooseZeroCopy();
  device->FillInfo();
  return device;
}

absl::Status AfXdpDevice::CheckLayouts(const AfXdpConfig& config) {
  if (LayoutIn(config) != nullptr) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(
      "layout ", kLayout,
      ", the only one for netdevs, is not loaded, or not among the device's 'layouts'"));
}

absl::Status AfXdpDevice::CheckUsable(const AfXdpConfig& config) {
  if (absl::Status status = CheckLayouts(config); !status.ok()) return status;
  const auto link = linux_sys::NetdevLink::Open(config.netns, config.netdev);
  if (!link.ok()) return link.status();
  const absl::StatusOr<linux_sys::NetdevFacts> facts = (*link)->GetFacts();
  if (!facts.ok()) return facts.status();
  return linux_sys::RunInNetns(config.netns, [&] {
    return CheckNoProgram(static_cast<uint32_t>(facts->index), config.netdev);
  });
}

absl::Status AfXdpDevice::TakeNetdev(std::unique_ptr<linux_sys::EthtoolIoctl> ioctl) {
  if (!config_.netns.empty()) {
    absl::Status opened = linux_sys::RunInNetns(config_.netns, [this] {
      netns_fd_ = linux_sys::OwnedFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      return netns_fd_.valid() ? absl::OkStatus()
                               : linux_sys::ErrnoStatus(errno, "open", "/proc/thread-self/ns/net");
    });
    if (!opened.ok()) return opened;
    netns_ = absl::StrCat("/proc/self/fd/", netns_fd_.get());
  }
  absl::StatusOr<std::unique_ptr<NetdevWatcher>> watch =
      NetdevWatcher::Open(netns_, config_.netdev, [this] { Look(); });
  if (!watch.ok()) return watch.status();
  absl::StatusOr<std::unique_ptr<linux_sys::EthtoolLink>> ethtool =
      linux_sys::EthtoolLink::Open(netns_, config_.netdev, std::move(ioctl), (*watch)->ifindex());
  if (!ethtool.ok()) return ethtool.status();
  ethtool_ = *std::move(ethtool);
  watch_ = *std::move(watch);
  watch_->Start();
  const absl::StatusOr<linux_sys::NetdevFacts> link = watch_->link().GetFacts();
  if (!link.ok()) return link.status();
  Look();
  // Where it is not to be had, names do.
  netns_cookie_ = linux_sys::NetnsCookie(netns_).value_or(0);
  absl::StatusOr<std::unique_ptr<NetdevChanges>> changes =
      NetdevChanges::Open({.netns = config_.netns,
                           .netdev = config_.netdev,
                           .ifindex = watch_->ifindex(),
                           .netns_cookie = netns_cookie_},
                          *ethtool_, journal_);
  if (!changes.ok()) return changes.status();
  changes_ = *std::move(changes);
  if (config_.channels) {
    if (absl::Status status = changes_->SetChannels(*config_.channels); !status.ok()) return status;
  }
  rx_queues_ = link->rx_queues;
  tx_queues_ = link->tx_queues;
  if (const auto channels = ethtool_->GetChannels(); channels.ok()) {
    rx_queues_ = channels->now.rx_queues();
    tx_queues_ = channels->now.tx_queues();
  }
  facts_.name = config_.netdev;
  facts_.netns = config_.netns;
  if (const auto driver = ethtool_->GetDriver(); driver.ok()) facts_.driver = driver->driver;
  const absl::StatusOr<linux_sys::XskKernel> kernel = linux_sys::ProbeXskKernel();
  if (!kernel.ok()) return kernel.status();
  kernel_ = *kernel;
  if (absl::Status status = CheckBusyPoll(config_.busy_poll_us, kernel_); !status.ok()) {
    return status;
  }
  return absl::OkStatus();
}

absl::Status AfXdpDevice::ChooseSteering() {
  facts_.steering = "xdp";
  if (config_.steering == WhoSteers::kXdp) {
    facts_.steering_reason = "the configuration says so: steering = \"xdp\"";
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<NicSteering>> nic =
      NicSteering::Take(rx_queues_, SteeringProgram::kCapacity, *changes_);
  absl::Status status = nic.status();
  // Who insists on the NIC may have rules that it takes.
  if (status.ok() && config_.steering == WhoSteers::kAuto) status = (*nic)->TryUdpRule();
  if (status.ok()) {
    nic_ = *std::move(nic);
    facts_.steering = "ntuple";
    facts_.steering_reason =
        absl::StrCat("the NIC has room for ", nic_->rule_capacity(),
                     " rules to queues; those that drop, pass or reflect are the XDP program's");
  } else {
    facts_.steering_reason = std::string(status.message());
  }
  return config_.steering == WhoSteers::kNtuple ? status : absl::OkStatus();
}

absl::Status AfXdpDevice::AttachProgram() {
  SteeringOptions options{.netdev = config_.netdev, .netns = netns_, .rx_queues = rx_queues_};
  if (config_.xdp_mode == XdpWish::kNative) options.mode = XdpMode::kNative;
  if (config_.xdp_mode == XdpWish::kGeneric) options.mode = XdpMode::kGeneric;
  absl::StatusOr<std::unique_ptr<SteeringProgram>> program = SteeringProgram::Load(options);
  if (!program.ok()) return program.status();
  program_ = *std::move(program);
  absl::StatusOr<std::unique_ptr<KeptSockets>> kept = KeptSockets::Open(rx_queues_ + tx_queues_);
  if (!kept.ok()) return kept.status();
  kept_ = *std::move(kept);
  const SteeringState state = program_->State();
  facts_.xdp_mode = std::string(NameOf(state.mode));
  facts_.xdp_mode_reason = config_.xdp_mode == XdpWish::kGeneric
                               ? "the configuration says so: xdp_mode = \"generic\""
                               : state.native_failure;
  return absl::OkStatus();
}

void AfXdpDevice::ChooseZeroCopy() {
  const auto can = linux_sys::ReadXdpFeatures(netns_, watch_->ifindex());
  // In copy mode the kernel does what the driver cannot.
  if (!can.ok() || !can->tx_checksum) {
    no_zero_copy_metadata_ = absl::StrCat("the driver ", facts_.driver,
                                          " fills in no checksums of packets that it does not copy "
                                          "(NETDEV_XSK_FLAGS_TX_CHECKSUM)");
  }
  if (!can.ok() || !can->tx_timestamp) {
    no_zero_copy_times_ = absl::StrCat("the driver ", facts_.driver,
                                       " notes no times of packets that it does not copy "
                                       "(NETDEV_XSK_FLAGS_TX_TIMESTAMP)");
  }
  zero_copy_multi_buffer_ = kernel_.multi_buffer && can.ok() && can->zero_copy_segments > 1;
  const uint32_t mtu = State().mtu_bytes;
  std::string& why = facts_.copy_reason;
  if (config_.zero_copy == ZeroCopyWish::kNever) {
    why = "the configuration says so: zero_copy = \"never\"";
  } else if (facts_.xdp_mode != "native") {
    why = "the XDP program does not run in the driver";
  } else if (can.ok() && !can->zero_copy) {
    why = absl::StrCat("the driver ", facts_.driver, " has no zero copy");
  } else if (!zero_copy_multi_buffer_ && !FrameFits(linux_sys::kMaxXskChunkBytes, mtu)) {
    why = absl::StrCat("the driver ", facts_.driver,
                       " takes no packets of several buffers, and MTU ", mtu, " wants them");
  } else if (config_.zero_copy == ZeroCopyWish::kAuto && nic_ == nullptr) {
    why =
        "the NIC does not steer, so that packets of others would pass through a lease's memory; "
        "zero_copy = \"always\" accepts that";
  }
  facts_.zero_copy = why.empty();
  if (!kernel_.tx_metadata) return;
  const bool always = facts_.zero_copy && config_.zero_copy == ZeroCopyWish::kAlways;
  const char* lacks = !no_zero_copy_metadata_.empty() ? "transmit metadata with zero copy"
                      : !no_zero_copy_times_.empty()  ? "transmit timestamps with zero copy"
                                                      : nullptr;
  if (facts_.zero_copy && lacks == nullptr) {
    facts_.transmit_times = "by the NIC, on its clock";
    return;
  }
  // net/xdp/xsk.c, xsk_destruct_skb.
  facts_.transmit_times = absl::StrCat("by the kernel when it is done with a packet, CLOCK_TAI",
                                       always ? "; only for leases that do not receive" : "");
  if (always) facts_.missing.emplace_back(lacks);
}

bool AfXdpDevice::TakesTagsOff() const {
  const auto features = ethtool_->GetFeatures();
  return features.ok() && features->contains(linux_sys::kTagsOffFeature) &&
         features->at(linux_sys::kTagsOffFeature).on;
}

void AfXdpDevice::FillInfo() {
  info_.name = config_.name;
  info_.backend = "af_xdp";
  const uint32_t most = config_.queues.value_or(UINT32_MAX);
  info_.rx_queues = std::min(rx_queues_, most);
  info_.tx_queues = std::min(tx_queues_, most);
  info_.queues_pair = true;
  info_.open_patience_ms = kPatienceMs;
  info_.pins_memory = true;
  info_.pins_ahead = true;
  info_.rule_capacity = SteeringProgram::kCapacity;
  info_.default_slots = config_.slots.value_or(kDefaultSlots);
  if (facts_.zero_copy && !zero_copy_multi_buffer_ &&
      !FrameFits(linux_sys::kMinXskChunkBytes, State().mtu_bytes)) {
    info_.rx_buffer_bytes = linux_sys::kMaxXskChunkBytes;
  }
  info_.protections = {device::Protection::kKernel};
  const layout::VerifiedLayout& layout = *LayoutIn(config_);
  info_.layouts = {layout};
  info_.allowed = {Allowed(layout.message(), kernel_)};
  // Addresses are offsets into the UMEM.
  info_.iova_first = 0;
  info_.regions_adjoin = true;
  info_.transmit_needs_grant = true;
  info_.source_check_trouble =
      "the kernel sends what an AF_XDP socket has to send past every place where it could be "
      "looked at";
  if (!kernel_.tx_metadata) facts_.missing.push_back("transmit metadata");
  if (facts_.transmit_times.empty()) facts_.missing.push_back("transmit timestamps");
  if (!kernel_.multi_buffer) facts_.missing.push_back("multi-buffer packets");
  if (!kernel_.busy_poll) facts_.missing.push_back("busy polling");
  if (TakesTagsOff()) {
    facts_.missing.push_back(
        absl::StrCat("VLAN tags that the NIC takes off before a rule sees them (`", "ethtool -K ",
                     config_.netdev, " rxvlan off` leaves them)"));
  }
  info_.netdev = facts_;
  sockets_ = {.netns = netns_,
              .netdev = config_.netdev,
              .ifindex = watch_->ifindex(),
              .copy_reason = facts_.copy_reason,
              .no_zero_copy_metadata = no_zero_copy_metadata_,
              .no_zero_copy_times = no_zero_copy_times_,
              .zero_copy_always = config_.zero_copy == ZeroCopyWish::kAlways,
              .multi_buffer = kernel_.multi_buffer,
              .zero_copy_multi_buffer = zero_copy_multi_buffer_,
              .busy_poll_us = config_.busy_poll_us,
              .default_slots = info_.default_slots};
  past_.rx.resize(info_.rx_queues);
  past_.tx.resize(info_.tx_queues);
  counters_ = past_;
}

bool AfXdpDevice::CheckDetached() {
  // Of which no news come either.
  if (!gone() && NetnsHasGone()) Look();
  if (!gone() && !program_->State().attached && !detached_.exchange(true)) Look();
  return detached_.load(std::memory_order_relaxed);
}

std::string AfXdpDevice::Detached() const {
  return absl::StrCat("somebody has detached the XDP program from netdev ", config_.netdev,
                      ", so that no lease receives; it is put back when no lease and no operator's "
                      "rule is left");
}

bool AfXdpDevice::NetnsHasGone() const {
  if (config_.netns.empty() || netns_cookie_ == 0) return false;
  const absl::StatusOr<uint64_t> now = linux_sys::NetnsCookie(config_.netns);
  return now.ok() ? *now != netns_cookie_ : absl::IsNotFound(now.status());
}

std::string AfXdpDevice::WhyGone(const absl::StatusOr<linux_sys::NetdevFacts>& link) const {
  if (NetnsHasGone()) {
    return absl::StrCat("network namespace ", config_.netns, " has been removed");
  }
  if (link.ok() ? static_cast<uint32_t>(link->index) == watch_->ifindex()
                : !absl::IsNotFound(link.status())) {
    return "";
  }
  char name[IF_NAMESIZE] = "";
  linux_sys::RunInNetns(netns_, [&] {
    (void)::if_indextoname(watch_->ifindex(), name);
    return absl::OkStatus();
  }).IgnoreError();
  if (name[0] == 0) return absl::StrCat("netdev ", config_.netdev, " has been removed");
  return absl::StrCat("netdev ", config_.netdev, " has been renamed to ", name,
                      ", and a device is known by its netdev's name: rename it back, or configure ",
                      name);
}

void AfXdpDevice::Look() {
  const std::lock_guard look(look_mutex_);
  const absl::StatusOr<linux_sys::NetdevFacts> link = watch_->link().GetFacts();
  device::DeviceState state = State();
  if (std::string why = WhyGone(link); !why.empty()) {
    gone_.store(true, std::memory_order_relaxed);
    state.link_up = false;
    state.link_mbps = 0;
    state.trouble = std::move(why);
  } else if (link.ok()) {
    state.link_up = link->carrier;
    state.mtu_bytes = link->mtu_bytes;
    state.mac = link->mac;
    state.promiscuous = link->promiscuous;
    state.all_multicast = link->all_multicast;
    state.link_mbps = link->carrier ? ethtool_->GetSpeed().value_or(0) : 0;
    state.trouble = detached_.load(std::memory_order_relaxed) ? Detached()
                    : link->up                                ? ""
                               : absl::StrCat("netdev ", config_.netdev, " is down; `ip link set ",
                                              config_.netdev, " up` brings it up");
  } else {
    return;  // the next change asks again
  }
  {
    const std::lock_guard lock(state_mutex_);
    if (state == state_) return;
    state_ = state;
  }
  mailer_.PostStateChange();
}

}  // namespace qsplit::af_xdp
