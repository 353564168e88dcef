#include "daemon/backend/vfio/igb/vf_driver.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/bring_up.h"
#include "daemon/backend/vfio/igb/frame_size.h"
#include "daemon/backend/vfio/igb/interrupts.h"
#include "daemon/backend/vfio/igb/multicast_table.h"

namespace qsplit::vfio::igb {
namespace {

constexpr uint64_t kMinBarBytes = 0x3a00;  // up to the second transmit queue
constexpr absl::Duration kStartLimit = absl::Seconds(1);
constexpr absl::Duration kCallLimit = absl::Milliseconds(40);
constexpr absl::Duration kRetryInterval = absl::Milliseconds(500);

bool Granted(const MailboxWords& answer) { return (answer[0] & kMessageAck) != 0; }

}  // namespace

absl::Status VfDriver::Start(const DriverSettings& settings) {
  if (absl::Status status = CheckMtu(settings.mtu_bytes); !status.ok()) return status;
  if (settings.steering == Steering::kPools || !settings.vfs.empty()) {
    return absl::InvalidArgumentError("a VF has neither pools nor VFs of its own");
  }
  if (settings.mac.has_value() && !IsUnicast(*settings.mac)) {
    return absl::InvalidArgumentError("MAC: must be a unicast address and not all zero");
  }
  registers_ = function_.Bar(0);
  if (registers_ == nullptr || registers_->size_bytes() < kMinBarBytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        "BAR 0: ", registers_ == nullptr ? 0 : registers_->size_bytes(), " bytes, at least 0x",
        absl::Hex(kMinBarBytes), " are needed; is this a ", model_.family, "?"));
  }
  if (registers_->Read32(kStatus) == kGone) {
    return absl::UnavailableError("reset: STATUS reads as ones; the function does not answer");
  }
  // 8.26 (VTCTRL): the VF's queues, interrupts and mailbox flags.
  registers_->Write32(kEimc, ~0u);
  registers_->Write32(kCtrl, registers_->Read32(kCtrl) | kCtrlReset);
  function_.Sleep(absl::Milliseconds(2));
  queues_.StopAll(*registers_, model_.queues);
  const absl::Time deadline = function_.Now() + kStartLimit;
  mailbox_.Start(*registers_);
  while (mailbox_.PfInReset(*registers_)) {
    if (function_.Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat("reset: the PF has not said for ",
                                                 absl::FormatDuration(kStartLimit),
                                                 " that its own reset is over; start its driver"));
    }
    function_.Sleep(absl::Milliseconds(1));
  }
  mailbox_.TakePfResetDone(*registers_);

  wanted_mac_ = settings.mac;
  mac_ = {};
  mtu_bytes_ = settings.mtu_bytes;
  hashes_.clear();
  all_multicast_ = false;
  forgotten_ = false;
  next_try_ = function_.Now();
  started_rx_ = started_tx_ = 0;
  if (absl::Status status = Introduce(deadline); !status.ok()) return status;
  function_.SetBusMaster(true);
  FillFacts();
  StartInterrupts();
  counters_.Start(*registers_);
  drops_no_descriptor_.assign(model_.queues, 0);
  for (uint32_t i = 0; i < model_.queues; ++i) registers_->Read32(kVfBank.Rx(i) + kRqdpc);
  started_ = true;
  return absl::OkStatus();
}

void VfDriver::FillFacts() {
  facts_ = {};
  facts_.family = model_.family;
  facts_.rx_queues = facts_.tx_queues = model_.queues;
  facts_.vectors = 1 + model_.queues;
  facts_.max_mtu_bytes = kMaxMtuBytes;
  facts_.offloads = DescriptorOffloads();
  facts_.layouts = {LayoutOf(model_)};
  facts_.steering = model_.queues > 1
                        ? "none: the PF says what comes here, to queue 0, or to both by its hash"
                        : "none: the PF says what comes here";
}

void VfDriver::StartInterrupts() {
  // 8.26 (VTIVAR, VTIVAR_MISC, VTEI*): as the PF's, for three vectors: the mailbox has the first,
  // each queue one of its own.
  uint32_t ivar = 0;
  for (uint32_t queue = 0; queue < model_.queues; ++queue) {
    const uint32_t entry = VectorOfQueue(queue, 1 + model_.queues) | kIvarValid;
    ivar |= (entry | entry << 8) << 16 * queue;
    registers_->Write32(Eitr(1 + queue), kModerationUs << kEitrIntervalShift);
  }
  registers_->Write32(Eitr(kOtherVector), 0);
  registers_->Write32(Ivar(0), ivar);
  registers_->Write32(kIvarMisc, kOtherVector | kIvarValid);
  const uint32_t all = (1u << (1 + model_.queues)) - 1;
  registers_->Write32(kEiac, all);
  registers_->Write32(kEiam, 0);
  registers_->Write32(kEims, all);
}

absl::Status VfDriver::Introduce(absl::Time deadline) {
  const absl::StatusOr<MailboxWords> answer = mailbox_.Ask(*registers_, ResetMessage(), deadline);
  if (!answer.ok()) return answer.status();
  const device::MacAddress given = MacOf(*answer);
  if (Granted(*answer) && IsUnicast(given)) mac_ = given;
  if (!wanted_mac_.has_value() && !IsUnicast(mac_)) {
    return absl::FailedPreconditionError(
        "MAC: the PF has none for this VF; give it one there, or in the settings here");
  }
  if (wanted_mac_.has_value() && *wanted_mac_ != mac_) {
    if (absl::Status status = AskMac(deadline); !status.ok()) return status;
  }
  if (absl::Status status = AskMaxFrame(mtu_bytes_, deadline); !status.ok()) return status;
  if (!hashes_.empty()) {
    if (absl::Status status = AskMulticast(hashes_, deadline); !status.ok()) return status;
  }
  return all_multicast_ ? AskAllMulticast(true, deadline) : absl::OkStatus();
}

absl::Status VfDriver::AskMac(absl::Time deadline) {
  const absl::StatusOr<MailboxWords> answer =
      mailbox_.Ask(*registers_, MacMessage(*wanted_mac_), deadline);
  if (!answer.ok()) return answer.status();
  if (!Granted(*answer)) {
    return absl::FailedPreconditionError(
        "MAC: the PF refuses the one in the settings; leave it out, or change the PF's for this "
        "VF");
  }
  mac_ = *wanted_mac_;
  return absl::OkStatus();
}

absl::Status VfDriver::AskMaxFrame(uint32_t mtu_bytes, absl::Time deadline) {
  const absl::StatusOr<MailboxWords> answer =
      mailbox_.Ask(*registers_, MaxFrameMessage(FrameBytes(mtu_bytes)), deadline);
  if (!answer.ok()) return answer.status();
  if (Granted(*answer)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("MTU ", mtu_bytes, ": the PF refuses frames of ",
                                                 FrameBytes(mtu_bytes), " bytes"));
}

absl::Status VfDriver::AskMulticast(const std::vector<uint16_t>& hashes, absl::Time deadline) {
  const absl::StatusOr<MailboxWords> answer =
      mailbox_.Ask(*registers_, MulticastMessage(hashes), deadline);
  if (!answer.ok()) return answer.status();
  if (Granted(*answer)) return absl::OkStatus();
  return absl::InvalidArgumentError("multicast: the PF refuses the addresses");
}

absl::Status VfDriver::AskAllMulticast(bool all, absl::Time deadline) {
  const absl::StatusOr<MailboxWords> answer =
      mailbox_.Ask(*registers_, AllMulticastMessage(all), deadline);
  if (!answer.ok()) return answer.status();
  if (Granted(*answer)) return absl::OkStatus();
  return absl::UnimplementedError("all multicasts: the PF refuses them");
}

void VfDriver::Stop() {
  if (registers_ != nullptr) {
    registers_->Write32(kEimc, ~0u);
    queues_.StopAll(*registers_, model_.queues);
  }
  function_.SetBusMaster(false);
  started_ = false;
}

bool VfDriver::AnyStartedQueueLost() const {
  for (uint32_t queue = 0; queue < model_.queues; ++queue) {
    for (const bool transmit : {false, true}) {
      const uint32_t started = transmit ? started_tx_ : started_rx_;
      const bool lost = (started >> queue & 1) != 0 &&
                        (registers_->Read32(kVfBank.Control(transmit, queue)) & kQueueEnable) == 0;
      if (lost) return true;
    }
  }
  return false;
}

LinkState VfDriver::Link() {
  if (forgotten_ || mailbox_.PfInReset(*registers_) || AnyStartedQueueLost()) return {};
  return LinkOf(registers_->Read32(kStatus));
}

std::optional<uint32_t> VfDriver::VectorOf(bool /*transmit*/, uint32_t queue) const {
  if (queue >= model_.queues) return std::nullopt;
  return VectorOfQueue(queue, 1 + model_.queues);
}

std::optional<uint32_t> VfDriver::OtherVector() const { return kOtherVector; }

void VfDriver::Service() {
  if (!started_ || registers_->Read32(kStatus) == kGone) return;
  if (mailbox_.PfInReset(*registers_) || mailbox_.TakePfResetDone(*registers_)) forgotten_ = true;
  if (const std::optional<MailboxWords> message = mailbox_.TakeMessage(*registers_)) {
    // Each word of a PF says whether it still knows the VF.
    if (((*message)[0] & kMessageCts) == 0) forgotten_ = true;
  }
  if (!forgotten_ || mailbox_.PfInReset(*registers_) || function_.Now() < next_try_) return;
  next_try_ = function_.Now() + kRetryInterval;
  if (!Introduce(function_.Now() + kCallLimit).ok()) return;
  StartInterrupts();  // the PF's reset has cleared them
  forgotten_ = false;
}

absl::StatusOr<QueuePlaces> VfDriver::StartQueue(const QueueSetup& setup) {
  if (setup.queue >= model_.queues) {
    return absl::InvalidArgumentError(
        absl::StrCat("queue ", setup.queue, ": there are ", model_.queues));
  }
  if (forgotten_) {
    return absl::UnavailableError("the PF has been reset and does not know this VF yet; try again");
  }
  absl::StatusOr<QueuePlaces> places = queues_.Start(*registers_, setup.queue, setup);
  if (places.ok()) (setup.transmit ? started_tx_ : started_rx_) |= 1u << setup.queue;
  return places;
}

absl::Status VfDriver::StopQueue(bool transmit, uint32_t queue) {
  if (queue >= model_.queues) {
    return absl::InvalidArgumentError(absl::StrCat("queue ", queue, ": there are ", model_.queues));
  }
  absl::Status status = queues_.Stop(*registers_, transmit, queue);
  if (status.ok()) (transmit ? started_tx_ : started_rx_) &= ~(1u << queue);
  return status;
}

absl::Status VfDriver::Set(const device::DeviceSettings& settings) {
  if (settings.mtu_bytes.has_value()) {
    if (absl::Status status = CheckMtu(*settings.mtu_bytes); !status.ok()) return status;
  }
  if (settings.promiscuous.value_or(false)) {
    return absl::UnimplementedError("promiscuity: a PF lets no VF see the packets of others");
  }
  std::vector<uint16_t> hashes;
  for (const device::MacAddress& mac :
       settings.multicast.value_or(std::vector<device::MacAddress>{})) {
    if ((mac[0] & 1) == 0) {
      return absl::InvalidArgumentError("multicast: one of the addresses is unicast");
    }
    hashes.push_back(MulticastHash(mac));
  }
  if (hashes.size() > kMaxMulticastHashes) {
    return absl::InvalidArgumentError(
        absl::StrCat(hashes.size(), " multicast addresses: a VF can ask for ", kMaxMulticastHashes,
                     "; all_multicast takes them all"));
  }

  const absl::Time deadline = function_.Now() + kCallLimit;
  if (settings.mtu_bytes.has_value() && *settings.mtu_bytes != mtu_bytes_) {
    absl::Status status = AskMaxFrame(*settings.mtu_bytes, deadline);
    if (!status.ok()) return status;
    mtu_bytes_ = *settings.mtu_bytes;
  }
  if (settings.multicast.has_value() && hashes != hashes_) {
    if (absl::Status status = AskMulticast(hashes, deadline); !status.ok()) return status;
    hashes_ = hashes;
  }
  if (settings.all_multicast.has_value() && *settings.all_multicast != all_multicast_) {
    absl::Status status = AskAllMulticast(*settings.all_multicast, deadline);
    if (!status.ok()) return status;
    all_multicast_ = *settings.all_multicast;
  }
  return absl::OkStatus();
}

absl::Status VfDriver::SetRss(const device::RssConfig& /*config*/) {
  return absl::UnimplementedError("RSS: the table and the key are the PF's");
}

absl::Status VfDriver::AddRule(const device::FlowRule& /*rule*/) {
  return absl::UnimplementedError("rules: filters are the PF's; a VF gets what its address is in");
}

absl::Status VfDriver::RemoveRule(uint32_t location) {
  return absl::NotFoundError(absl::StrCat("no rule at location ", location));
}

void VfDriver::ReadCounters(device::DeviceCounters* counters) {
  if (registers_->Read32(kStatus) != kGone) {
    counters_.Read(*registers_);
    for (uint32_t i = 0; i < model_.queues; ++i) {
      drops_no_descriptor_[i] += registers_->Read32(kVfBank.Rx(i) + kRqdpc);
    }
  }
  counters->wire_rx_packets += counters_.rx_packets();
  counters->wire_rx_bytes += counters_.rx_bytes();
  counters->wire_tx_packets += counters_.tx_packets();
  counters->wire_tx_bytes += counters_.tx_bytes();
  counters->rx.resize(std::max<size_t>(counters->rx.size(), model_.queues));
  counters->tx.resize(std::max<size_t>(counters->tx.size(), model_.queues));
  for (uint32_t i = 0; i < model_.queues; ++i) {
    counters->rx[i].drops_no_descriptor += drops_no_descriptor_[i];
  }
  // The function's counters, which its first queue gets: they are not kept for each.
  counters->rx[0].packets += counters_.rx_packets();
  counters->rx[0].bytes += counters_.rx_bytes();
  counters->tx[0].packets += counters_.tx_packets();
  counters->tx[0].bytes += counters_.tx_bytes();
}

}  // namespace qsplit::vfio::igb
