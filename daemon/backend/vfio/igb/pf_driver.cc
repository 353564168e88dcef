#include "daemon/backend/vfio/igb/pf_driver.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/bring_up.h"
#include "daemon/backend/vfio/igb/frame_size.h"
#include "daemon/backend/vfio/igb/interrupts.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "daemon/backend/vfio/igb/rss.h"

namespace qsplit::vfio::igb {
namespace {

// The highest register is a pool's counter.
constexpr uint64_t kMinBarBytes = 0x10800;

}  // namespace

PfDriver::PfDriver(const Model& model, FunctionAccess& function)
    : model_(model),
      function_(function),
      queues_(model, kPfBank, function),
      filters_(model.chip),
      pools_(model.chip, addresses_, vlans_),
      vfs_(model.chip, addresses_, vlans_, multicast_) {}

absl::Status PfDriver::CheckSettings(const DriverSettings& settings) const {
  if (absl::Status status = CheckMtu(settings.mtu_bytes); !status.ok()) return status;
  if (settings.mac.has_value() && !IsUnicast(*settings.mac)) {
    return absl::InvalidArgumentError("MAC: must be a unicast address and not all zero");
  }
  if (settings.vfs.size() > kMaxVfs) {
    return absl::InvalidArgumentError(absl::StrCat(settings.vfs.size(), " VFs: at most ", kMaxVfs,
                                                   ", for the PF needs a pool of its own"));
  }
  for (size_t i = 0; i < settings.vfs.size(); ++i) {
    const VfSetting& vf = settings.vfs[i];
    if (!IsUnicast(vf.mac)) {
      return absl::InvalidArgumentError(
          absl::StrCat("VF ", i, ": needs a MAC that is unicast and not all zero"));
    }
    if (vf.vlan > 4094) {
      return absl::InvalidArgumentError(
          absl::StrCat("VF ", i, ": VLAN ", vf.vlan, ": at most 4094"));
    }
    const bool twice = std::ranges::count(settings.vfs, vf.mac, &VfSetting::mac) > 1;
    if (twice || settings.mac == vf.mac) {
      return absl::InvalidArgumentError(absl::StrCat("VF ", i, ": its MAC is another's too"));
    }
  }
  return absl::OkStatus();
}

absl::Status PfDriver::Start(const DriverSettings& settings) {
  if (absl::Status status = CheckSettings(settings); !status.ok()) return status;
  registers_ = function_.Bar(0);
  if (registers_ == nullptr || registers_->size_bytes() < kMinBarBytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        "BAR 0: ", registers_ == nullptr ? 0 : registers_->size_bytes(), " bytes, at least 0x",
        absl::Hex(kMinBarBytes), " are needed; is this a ", model_.family, "?"));
  }
  if (absl::Status status = ResetPf(function_, *registers_); !status.ok()) return status;
  // RXDCTL, TXDCTL: queue 0 of each direction is enabled by the reset.
  queues_.StopAll(*registers_, model_.queues);
  absl::StatusOr<device::MacAddress> own = ReadOwnMac(*registers_);
  if (!settings.mac.has_value() && !own.ok()) return own.status();
  mac_ = settings.mac.value_or(own.ok() ? *own : device::MacAddress{});
  for (const VfSetting& vf : settings.vfs) {
    if (vf.mac == mac_) return absl::InvalidArgumentError("a VF has the PF's own MAC");
  }

  const auto vf_count = static_cast<uint32_t>(settings.vfs.size());
  map_ = {.pooled = settings.steering == Steering::kPools || vf_count > 0,
          .queues = model_.queues,
          .first_pool = vf_count,
          .queues_per_pool = model_.queues_per_pool};
  mtu_bytes_ = settings.mtu_bytes;
  promiscuous_ = false;
  hashes_.clear();
  all_multicast_ = false;
  FillFacts(settings);
  // CTRL_EXT.DRV_LOAD: firmware leaves the port to a driver.
  registers_->Write32(kCtrlExt, registers_->Read32(kCtrlExt) | kCtrlExtDriverLoaded);

  // 4.5: link, statistics, receive, transmit, then interrupts.
  if (absl::Status status = StartLink(function_, *registers_); !status.ok()) return status;
  statistics_.Start(*registers_, map_, model_.chip == Chip::kI350);
  StartReceive();
  StartTransmit();
  if (absl::Status status = vfs_.Start(*registers_, settings.vfs); !status.ok()) return status;
  function_.SetBusMaster(true);
  StartInterrupts(*registers_, model_.chip, map_, facts_.vectors);
  started_ = true;
  return absl::OkStatus();
}

void PfDriver::FillFacts(const DriverSettings& settings) {
  facts_ = {};
  facts_.family = model_.family;
  facts_.rx_queues = map_.rx_count();
  facts_.tx_queues = map_.count();
  facts_.vectors = PfVectors(map_.first_pool);
  facts_.rss_table_size = kRetaEntries;
  facts_.rss_types = TypesOf(kHashedFields);
  facts_.max_mtu_bytes = kMaxMtuBytes;
  facts_.layouts = {LayoutOf(model_)};
  facts_.offloads = DescriptorOffloads();
  facts_.offloads.push_back(device::Offload::kRss);
  facts_.offloads.push_back(device::Offload::kNtuple);
  if (pooled()) {
    facts_.rule_capacity = model_.address_entries - 1 - static_cast<uint32_t>(settings.vfs.size());
    facts_.steering =
        absl::StrCat("pools: destination MAC, in one VLAN or untagged, to queues 0 to ",
                     map_.pools() - 1, "; the rest to the queue of the RSS table, or dropped");
  } else {
    facts_.rule_capacity = kFlowFilterCapacity;
    facts_.steering = absl::StrCat(
        model_.chip == Chip::k82576 ? "8 IPv4 5-tuples" : "8 protocols and destination ports",
        ", 8 EtherTypes, then RSS; what has no hash to queue 0; receive queue ", map_.drop_queue(),
        " is kept for drops");
  }
}

void PfDriver::StartReceive() {
  RegisterWindow& registers = *registers_;
  addresses_.Start(registers, model_.address_entries, mac_, pooled());
  multicast_.Start(registers);
  for (uint32_t i = 0; i < kUtaWords; ++i) registers.Write32(Uta(i), 0);
  vlans_.Start(registers);
  // Erratum (DPDK e1000_rx_fifo_flush_base): extension headers of IPv6 are not parsed.
  registers.Write32(kRfctl, registers.Read32(kRfctl) | kRfctlNoIpv6Extensions);
  // 7.1, RXCSUM: checksums of IP, TCP, UDP and SCTP are checked; the hash stands in the
  // descriptor.
  registers.Write32(kRxcsum, kRxcsumIp | kRxcsumL4 | kRxcsumSctp | kRxcsumHash);
  // 7.1, QDE and SRRCTL.Drop_En: a queue without buffers drops, and holds up no other; so does one
  // that is not enabled.
  registers.Write32(kQde, (1u << model_.queues) - 1);
  for (uint32_t i = 0; i < model_.queues; ++i) {
    registers.Write32(kPfBank.Rx(i) + kSrrctl, kSrrctlAdvancedOneBuffer | kSrrctlDropEnable);
  }
  registers.Write32(kCtrl, registers.Read32(kCtrl) | kCtrlVlanMode);
  // Queues of VFs that are no more are the PF's again (Linux igb_disable_sriov).
  if (map_.first_pool == 0) registers.Write32(kIovctl, kIovctlReuseVfQueues);
  if (model_.chip == Chip::kI350) {
    // What VMOLR says in the 82576, for each queue; of VFs too.
    for (uint32_t i = 0; i < model_.queues; ++i) {
      registers.Write32(Dvmolr(i), kDvmolrStripVlan | kDvmolrStripCrc);
    }
  }
  if (pooled()) {
    registers.Write32(kRlpml, kMaxFrameBytes);  // each pool has a length of its own
    registers.Write32(kVfre, map_.pool_mask());
    registers.Write32(kVfte, map_.pool_mask());
    pools_.Start(registers, map_, mac_, FrameBytes(mtu_bytes_));
    WriteReta(registers, {});
  } else {
    registers.Write32(kRlpml, FrameBytes(mtu_bytes_));
    filters_.Start(map_.drop_queue());
    RetaQueues nowhere;
    nowhere.fill(static_cast<uint8_t>(map_.drop_queue()));
    WriteReta(registers, nowhere);
    registers.Write32(kMrqc, kMrqcRss | kHashedFields);
  }
  // 4.5 (receive initialization): last.
  WriteRctl();
}

void PfDriver::StartTransmit() {
  // 4.5 (transmit initialization): thresholds and rings come with each queue.
  registers_->Write32(
      kTctl, registers_->Read32(kTctl) | kTctlEnable | kTctlPadShort | kTctlRetransmitLate);
}

void PfDriver::WriteRctl() {
  uint32_t rctl = kRctlEnable | kRctlLongPackets | kRctlBroadcast | kRctlStripCrc;
  if (pooled()) rctl |= kRctlVlanFilter;
  // A default pool takes what nobody's address is, which must pass the filters before it.
  if (promiscuous_ || (pooled() && pools_.has_default())) rctl |= kRctlUnicastPromiscuous;
  if (promiscuous_ || all_multicast_) rctl |= kRctlMulticastPromiscuous;
  registers_->Write32(kRctl, rctl);
}

void PfDriver::Stop() {
  if (registers_ != nullptr) {
    StopInterrupts(*registers_);
    registers_->Write32(kRctl, 0);
    registers_->Write32(kTctl, kTctlPadShort);
    vfs_.Stop(*registers_);
    queues_.StopAll(*registers_, model_.queues);
    registers_->Write32(
        kCtrlExt, registers_->Read32(kCtrlExt) & ~(kCtrlExtDriverLoaded | kCtrlExtPfResetDone));
  }
  function_.SetBusMaster(false);
  started_ = false;
}

LinkState PfDriver::Link() {
  const uint32_t status = registers_->Read32(kStatus);
  return LinkOf(status);
}

std::optional<uint32_t> PfDriver::VectorOf(bool transmit, uint32_t queue) const {
  if (queue >= map_.count(transmit)) return std::nullopt;
  return VectorOfQueue(map_.Hardware(queue), facts_.vectors);
}

std::optional<uint32_t> PfDriver::OtherVector() const { return kOtherVector; }

void PfDriver::Service() {
  if (!started_ || registers_->Read32(kStatus) == kGone) return;
  // 8.8, ICR: reading clears the causes, so that the next one signals again.
  registers_->Read32(kIcr);
  vfs_.Service(*registers_);
}

absl::Status PfDriver::CheckQueue(bool transmit, uint32_t queue) const {
  if (queue < map_.count(transmit)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(transmit ? "transmit" : "receive", " queue ",
                                                 queue, ": there are ", map_.count(transmit)));
}

absl::StatusOr<QueuePlaces> PfDriver::StartQueue(const QueueSetup& setup) {
  if (absl::Status status = CheckQueue(setup.transmit, setup.queue); !status.ok()) return status;
  return queues_.Start(*registers_, map_.Hardware(setup.queue), setup);
}

absl::Status PfDriver::StopQueue(bool transmit, uint32_t queue) {
  if (absl::Status status = CheckQueue(transmit, queue); !status.ok()) return status;
  return queues_.Stop(*registers_, transmit, map_.Hardware(queue));
}

absl::Status PfDriver::SetRss(const device::RssConfig& config) {
  if (config.indirection.size() != kRetaEntries) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.indirection.size(), " entries: the table has ", kRetaEntries));
  }
  for (const uint32_t queue : config.indirection) {
    if (queue == device::kNoQueue) continue;
    if (absl::Status status = CheckQueue(false, queue); !status.ok()) return status;
  }
  if (pooled()) {
    absl::Status status = pools_.SetRss(*registers_, config);
    if (status.ok()) WriteRctl();
    return status;
  }
  RetaQueues queues{};
  for (size_t i = 0; i < queues.size(); ++i) {
    const uint32_t queue = config.indirection[i];
    queues[i] = static_cast<uint8_t>(queue == device::kNoQueue ? map_.drop_queue() : queue);
  }
  WriteRssKey(*registers_, config.key);
  WriteReta(*registers_, queues);
  return absl::OkStatus();
}

absl::Status PfDriver::AddRule(const device::FlowRule& rule) {
  if (!rule.action.drops()) {
    if (absl::Status status = CheckQueue(false, rule.action.queue); !status.ok()) return status;
  }
  return pooled() ? pools_.AddRule(*registers_, rule) : filters_.Add(*registers_, rule);
}

absl::Status PfDriver::RemoveRule(uint32_t location) {
  return pooled() ? pools_.RemoveRule(*registers_, location)
                  : filters_.Remove(*registers_, location);
}

absl::Status PfDriver::Set(const device::DeviceSettings& settings) {
  if (settings.mtu_bytes.has_value()) {
    if (absl::Status status = CheckMtu(*settings.mtu_bytes); !status.ok()) return status;
  }
  if (settings.promiscuous.value_or(false) && pooled()) {
    return absl::UnimplementedError(
        "promiscuity with pools: the queue of the RSS table takes what is nobody's address");
  }
  std::vector<uint16_t> hashes;
  for (const device::MacAddress& mac :
       settings.multicast.value_or(std::vector<device::MacAddress>{})) {
    if ((mac[0] & 1) == 0) {
      return absl::InvalidArgumentError("multicast: one of the addresses is unicast");
    }
    hashes.push_back(MulticastHash(mac));
  }

  if (settings.mtu_bytes.has_value()) {
    mtu_bytes_ = *settings.mtu_bytes;
    if (pooled()) {
      pools_.SetMaxFrame(*registers_, FrameBytes(mtu_bytes_));
    } else {
      registers_->Write32(kRlpml, FrameBytes(mtu_bytes_));
    }
  }
  if (settings.multicast.has_value()) hashes_ = hashes;
  if (settings.all_multicast.has_value()) all_multicast_ = *settings.all_multicast;
  promiscuous_ = settings.promiscuous.value_or(promiscuous_);
  if (all_multicast_) {
    multicast_.SetAll(*registers_, MulticastTable::kPf);
  } else {
    multicast_.Set(*registers_, MulticastTable::kPf, hashes_);
  }
  if (pooled()) pools_.SetAllMulticast(*registers_, all_multicast_);
  WriteRctl();
  return absl::OkStatus();
}

void PfDriver::ReadCounters(device::DeviceCounters* counters) {
  statistics_.Read(*registers_, counters);
}

}  // namespace qsplit::vfio::igb
