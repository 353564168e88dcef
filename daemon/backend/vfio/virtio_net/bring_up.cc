// From reset to DRIVER_OK (3.1.1), and what the device says about itself on the way.
#include <algorithm>
#include <array>
#include <bit>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/virtio_net/driver.h"
#include "daemon/backend/vfio/virtio_net/registers.h"

namespace qsplit::vfio::virtio_net {
namespace {

constexpr uint32_t kMostPairs = 16;
constexpr uint32_t kMostRssEntries = 128;
constexpr uint32_t kLeastMtu = 68;  // 5.1.4.1
constexpr uint32_t kMostMtu = 65535;

// What is taken where it is offered. Not VIRTIO_NET_F_GUEST_CSUM and VIRTIO_NET_F_GUEST_TSO*: they
// let the device hand out packets with half a checksum, or longer than the MTU, and clients are not
// told; so no device says of a received packet that its checksum holds. VIRTIO_F_EVENT_IDX and
// VIRTIO_F_INDIRECT_DESC are choices of the layouts that are not made.
constexpr uint64_t kWanted = kVersion1 | kAccessPlatform | kOrderPlatform | kRingReset | kNetCsum |
                             kNetMtu | kNetMac | kNetHostTso4 | kNetHostTso6 | kNetMergeBuffers |
                             kNetStatus | kNetControlQueue | kNetControlRx | kNetMultiqueue |
                             kNetControlMac | kNetRss | kNetSpeed;

// Where the layouts leave the place of a cell open: flags of the used ring (2.7.8); flags of the
// event suppression structures (2.8.14), that of the device behind the ring, that of the driver a
// cache line further.
constexpr std::array<backend::FixedCell, 1> kSplitCells{
    {{.ring = "available", .cell = "no_notify", .of_ring = "used", .offset_bytes = -4}}};
constexpr std::array<backend::FixedCell, 2> kPackedCells{{
    {.ring = "descriptors",
     .cell = "no_notify",
     .of_ring = "descriptors",
     .offset_bytes = 2,
     .behind_slots = true},
    {.ring = "descriptors",
     .cell = "no_interrupt",
     .of_ring = "descriptors",
     .offset_bytes = 66,
     .behind_slots = true},
}};

device::FlowTypes HashedTypes(uint32_t hash_types) {
  using device::FlowType;
  constexpr FlowType kByBit[] = {FlowType::kIp4, FlowType::kTcp4, FlowType::kUdp4,
                                 FlowType::kIp6, FlowType::kTcp6, FlowType::kUdp6};
  device::FlowTypes types;
  for (size_t bit = 0; bit < std::size(kByBit); ++bit) {
    if ((hash_types >> bit & 1) != 0) types.Add(kByBit[bit]);
  }
  return types;
}

bool IsUnicast(const device::MacAddress& mac) {
  return (mac[0] & 1) == 0 && mac != device::MacAddress{};
}

}  // namespace

absl::Status Driver::Start(const DriverSettings& settings) {
  StartClock(absl::Seconds(2));
  up_ = false;
  features_ = 0;
  rss_.reset();
  mode_ = {};
  virtqueues_.clear();
  control_.reset();
  if (!settings.vfs.empty()) {
    return absl::InvalidArgumentError("VFs of a virtio device cannot be set up");
  }
  if (settings.steering == Steering::kPools) {
    return absl::InvalidArgumentError(
        "a virtio network device has no pools of queues; set its steering to RSS");
  }
  absl::StatusOr<Transport> transport = Transport::Find(function_);
  if (!transport.ok()) return transport.status();
  transport_ = *std::move(transport);
  absl::Status status = Handshake(/*packed=*/true);
  if (status.ok()) status = Learn(settings);
  if (status.ok() && Has(kNetControlQueue)) {
    // Anew each time: such memory lives until the function is closed, which it may have been.
    absl::StatusOr<DmaMemory> memory = function_.AllocateDma(ControlQueue::kMemoryBytes);
    status = memory.status();
    if (status.ok()) control_.emplace(*memory);
  }
  if (status.ok()) status = GoLive();
  if (!status.ok()) {
    transport_->AddStatus(kFailed);
    function_.SetBusMaster(false);
  }
  return status;
}

absl::Status Driver::BringUp(bool packed) {
  absl::Status status = Handshake(packed);
  if (status.ok()) status = GoLive();
  if (!status.ok()) transport_->AddStatus(kFailed);
  return status;
}

// 2.2, 5.1.3.1: features, and those that they need.
absl::StatusOr<uint64_t> Driver::ChooseFeatures(uint64_t offered, bool packed) const {
  if ((offered & kVersion1) == 0) {
    return absl::FailedPreconditionError(
        "the device does not offer VIRTIO_F_VERSION_1: it is a legacy one");
  }
  if ((offered & kAccessPlatform) == 0) {
    return absl::FailedPreconditionError(
        "the device does not offer VIRTIO_F_ACCESS_PLATFORM: it would reach all memory past the "
        "IOMMU; let its host set iommu_platform=on");
  }
  uint64_t chosen = offered & (kWanted | (packed ? kRingPacked : 0));
  const auto drop_without = [&](uint64_t needed, uint64_t features) {
    if ((chosen & needed) == 0) chosen &= ~features;
  };
  if (!transport_->has_queue_reset()) chosen &= ~kRingReset;
  // A field of the configuration that the device does not have is as good as a feature without it.
  const uint64_t bytes = transport_->config_bytes();
  if (bytes < kNetConfigPairs + 2) chosen &= ~(kNetMultiqueue | kNetRss);
  if (bytes < kNetConfigMtu + 2 || transport_->ReadConfig(kNetConfigMtu, 2) < kLeastMtu) {
    chosen &= ~kNetMtu;
  }
  if (bytes < kNetConfigSpeed + 4) chosen &= ~kNetSpeed;
  if (bytes < kNetConfigRssEnd ||
      transport_->ReadConfig(kNetConfigRssKeyBytes, 1) < device::kRssKeyBytes ||
      transport_->ReadConfig(kNetConfigRssTable, 2) == 0) {
    chosen &= ~kNetRss;
  }
  drop_without(kNetControlQueue, kNetControlRx | kNetControlMac | kNetMultiqueue | kNetRss);
  drop_without(kNetCsum, kNetHostTso4 | kNetHostTso6);
  return chosen;
}

// 3.1.1, steps 1 to 6.
absl::Status Driver::Handshake(bool packed) {
  up_ = false;
  if (transport_->Status() == kGone) {
    return absl::UnavailableError("the device's status reads 0xff: it is gone or asleep");
  }
  if (absl::Status status = transport_->Reset(Left()); !status.ok()) return status;
  transport_->AddStatus(kAcknowledge);
  transport_->AddStatus(kDriver);
  absl::StatusOr<uint64_t> chosen = ChooseFeatures(transport_->DeviceFeatures(), packed);
  if (!chosen.ok()) return chosen.status();
  if (features_ != 0 && ((*chosen ^ features_) & ~kRingPacked) != 0) {
    return absl::UnavailableError(absl::StrCat("the device offers other features than before: 0x",
                                               absl::Hex(*chosen), " instead of 0x",
                                               absl::Hex(features_)));
  }
  transport_->WriteDriverFeatures(*chosen);
  transport_->AddStatus(kFeaturesOk);
  if ((transport_->Status() & kFeaturesOk) == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the device refused the features 0x", absl::Hex(*chosen), ", all of which it offers"));
  }
  features_ = *chosen;
  packed_ = Has(kRingPacked);
  return absl::OkStatus();
}

absl::Status Driver::Learn(const DriverSettings& settings) {
  packed_offered_ = packed_;
  const bool many = Has(kNetMultiqueue) || Has(kNetRss);
  max_pairs_ = many ? transport_->ReadConfig(kNetConfigPairs, 2) : 1;
  const uint32_t needed = 2 * max_pairs_ + (Has(kNetControlQueue) ? 1 : 0);  // 5.1.2
  if (max_pairs_ == 0 || transport_->QueueCount() < needed) {
    return absl::FailedPreconditionError(absl::StrCat("the device has ", transport_->QueueCount(),
                                                      " virtqueues for ", max_pairs_,
                                                      " pairs of queues"));
  }
  virtqueues_.resize(size_t{2} * std::min(max_pairs_, kMostPairs));
  for (uint32_t i = 0; i < virtqueues_.size(); ++i) {
    virtqueues_[i].max_slots = transport_->MaxSlots(i);
    if (virtqueues_[i].max_slots == 0) {
      return absl::FailedPreconditionError(absl::StrCat("the device has no virtqueue ", i));
    }
  }
  rss_entries_ = 0;
  if (Has(kNetRss) && max_pairs_ > 1) {
    rss_entries_ =
        std::bit_floor(std::min(transport_->ReadConfig(kNetConfigRssTable, 2), kMostRssEntries));
    hash_types_ = transport_->ReadConfig(kNetConfigHashTypes, 4) & kHashTypes;
  }
  LearnVectors();

  for (uint32_t i = 0; i < mac_.size(); ++i) {
    mac_[i] = static_cast<uint8_t>(transport_->ReadConfig(kNetConfigMac + i, 1));
  }
  if (!Has(kNetMac)) mac_ = {};
  mac_is_set_ = settings.mac.has_value() && *settings.mac != mac_;
  if (mac_is_set_ && !Has(kNetControlMac)) {
    return absl::UnimplementedError(
        "the device has no VIRTIO_NET_F_CTRL_MAC_ADDR: its MAC address cannot be set");
  }
  if (mac_is_set_) mac_ = *settings.mac;
  if (!IsUnicast(mac_)) {
    return absl::InvalidArgumentError("the device's MAC address is no unicast address; set one");
  }
  facts_ = Facts();
  if (settings.mtu_bytes > facts_.max_mtu_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the MTU of ", settings.mtu_bytes,
                                                   " bytes is more than the device's ",
                                                   facts_.max_mtu_bytes));
  }
  return absl::OkStatus();
}

// Vector 0 for changes of configuration, then one for each virtqueue, or one for all, or vector 0.
void Driver::LearnVectors() {
  const auto queues = static_cast<uint32_t>(virtqueues_.size());
  own_vectors_ = transport_->vectors() >= 1 + queues;
  facts_.vectors = own_vectors_ ? 1 + queues : std::min(transport_->vectors(), 2u);
}

DriverFacts Driver::Facts() const {
  using device::Offload;
  DriverFacts facts;
  facts.family = "virtio-net";
  facts.rx_queues = static_cast<uint32_t>(virtqueues_.size() / 2);
  facts.tx_queues = facts.rx_queues;
  facts.vectors = facts_.vectors;
  facts.rss_table_size = rss_entries_;
  facts.rss_types = HashedTypes(hash_types_);
  facts.default_slots = std::bit_floor(std::min(virtqueues_[0].max_slots, facts.default_slots));
  // Without RSS the device alone knows which queue a packet comes to, and it is not another lease's
  // business.
  facts.leases_may_share = Has(kRingReset) && (facts.rx_queues == 1 || rss_entries_ != 0);
  facts.max_mtu_bytes = Has(kNetMtu) ? transport_->ReadConfig(kNetConfigMtu, 2) : kMostMtu;
  facts.offloads = {Offload::kTxGather};
  if (rss_entries_ != 0) facts.offloads.push_back(Offload::kRss);
  if (Has(kNetMergeBuffers)) facts.offloads.push_back(Offload::kRxScatter);
  if (Has(kNetCsum)) facts.offloads.push_back(Offload::kTxChecksum);
  const bool cuts = Has(kNetHostTso4) && Has(kNetHostTso6);
  if (cuts) facts.offloads.push_back(Offload::kTso);
  const std::vector<std::pair<std::string, std::string>> choices{
      {"EventIndex", "off"},
      {"Indirect", "off"},
      {"TxChecksum", Has(kNetCsum) ? "on" : "off"},
      {"Segmentation", cuts ? "on" : "off"},
      {"RxChecksum", "off"}};
  if (packed_offered_) facts.layouts.push_back({"virtio.packed", choices, kPackedCells});
  facts.layouts.push_back({"virtio.split", choices, kSplitCells});
  facts.steering = rss_entries_ != 0 ? "none: packets find their queue by RSS alone"
                                     : "none: the device chooses a packet's queue";
  return facts;
}

// 3.1.1, steps 7 and 8, and what the control queue is for.
absl::Status Driver::GoLive() {
  function_.SetBusMaster(true);  // a device may look at a virtqueue's memory as soon as it has it
  if (facts_.vectors != 0) {
    if (absl::Status status = transport_->SetConfigVector(0); !status.ok()) return status;
  }
  const uint32_t control = 2 * max_pairs_;
  if (control_.has_value()) {
    if (transport_->MaxSlots(control) < ControlQueue::kSlots) {
      return absl::FailedPreconditionError(
          absl::StrCat("the control queue, virtqueue ", control, ", has too few slots"));
    }
    control_->Clear(packed_);
    absl::StatusOr<RegisterPlace> doorbell =
        transport_->EnableQueue(control, ControlQueue::kSlots, kNoVector, control_->addresses());
    if (!doorbell.ok()) return doorbell.status();
    control_doorbell_ = *doorbell;
  }
  for (uint32_t i = 0; i < virtqueues_.size(); ++i) {
    if (!virtqueues_[i].running) continue;
    if (absl::Status status = Enable(i); !status.ok()) return status;
  }
  transport_->AddStatus(kDriverOk);
  up_ = true;

  absl::Status status;
  if (mac_is_set_) status = Command(kMacAddressSet, std::as_bytes(std::span(mac_)));
  if (status.ok()) status = ApplyReceiveMode();
  if (status.ok()) status = ApplyPairs();
  if (status.ok() && rss_.has_value()) status = ApplyRss(*rss_);
  up_ = status.ok();
  return status;
}

}  // namespace qsplit::vfio::virtio_net
