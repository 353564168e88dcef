// Bringing the function up and down, its link and its interrupts. Sections: registers.h.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/e1000e/driver.h"
#include "daemon/backend/vfio/e1000e/e1000e.h"
#include "daemon/backend/vfio/e1000e/registers.h"

namespace qsplit::vfio {

std::unique_ptr<NicDriver> MakeE1000e(uint16_t device_id, FunctionAccess& function) {
  // E1000_DEV_ID_82574L, E1000_DEV_ID_82574LA of the base code's e1000_hw.h.
  if (device_id != 0x10d3 && device_id != 0x10f6) return nullptr;
  return std::make_unique<e1000e::Driver>(function);
}

namespace e1000e {
namespace {

constexpr uint32_t kOtherVector = 4;
constexpr uint32_t kVectors = 5;  // 7.4: one for each queue, one for the rest

bool IsUnicast(const device::MacAddress& mac) {
  return (mac[0] & 1) == 0 && mac != device::MacAddress{};
}

DriverFacts Facts() {
  DriverFacts facts;
  facts.family = "82574";
  facts.rx_queues = kQueues;
  facts.tx_queues = kQueues;
  facts.vectors = kVectors;
  facts.rss_table_size = kRetaEntries;
  using device::FlowType;
  facts.rss_types = {FlowType::kIp4, FlowType::kTcp4, FlowType::kIp6, FlowType::kTcp6};  // kMrqcRss
  // 7.1: packets wait in one FIFO, so that a queue without buffers holds up the other.
  facts.leases_may_share = false;
  facts.max_mtu_bytes = 9000;  // 9 KB frames, the datasheet's list of features
  facts.offloads = {device::Offload::kRss,        device::Offload::kRxChecksum,
                    device::Offload::kTxChecksum, device::Offload::kRxVlan,
                    device::Offload::kTxVlan,     device::Offload::kRxScatter,
                    device::Offload::kTxGather,   device::Offload::kTso};
  facts.layouts = {{"intel.e1000.extended", {{"Dword1", "hash"}, {"Buffers", "one"}}}};
  facts.steering = "none: packets find their queue by RSS alone";
  return facts;
}

}  // namespace

Driver::Driver(FunctionAccess& function) : function_(function), facts_(Facts()) {}

absl::Status Driver::Start(const DriverSettings& settings) {
  registers_ = function_.Bar(0);
  if (registers_ == nullptr || registers_->size_bytes() < kRegisterBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("BAR 0 has ", registers_ == nullptr ? 0 : registers_->size_bytes(),
                     " bytes of registers where an 82574 has ", kRegisterBytes, " at least"));
  }
  if (settings.mtu_bytes > facts_.max_mtu_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the MTU of ", settings.mtu_bytes,
                                                   " bytes is more than the 82574's ",
                                                   facts_.max_mtu_bytes));
  }
  if (!settings.vfs.empty()) return absl::InvalidArgumentError("an 82574 has no VFs");
  if (settings.steering == Steering::kPools) {
    return absl::InvalidArgumentError("an 82574 has no pools of queues; set its steering to RSS");
  }
  if (absl::Status status = Reset(); !status.ok()) return status;
  if (absl::Status status = TakeMac(settings); !status.ok()) return status;

  rx_running_ = {};
  tx_running_ = {};
  mtu_bytes_ = settings.mtu_bytes;
  promiscuous_ = false;
  all_multicast_ = false;
  multicast_.clear();
  rss_drops_all_ = false;
  rss_key_ = {};
  totals_ = {};

  // Reserved bits that the base code asks for (e1000_initialize_hw_bits_82571).
  registers_->Write32(kGcr, registers_->Read32(kGcr) | kGcrBit22);
  registers_->Write32(kGcr2, registers_->Read32(kGcr2) | kGcr2Bit0);

  // 4.6.4: statistics begin at zero. Pause frames are heeded, never sent.
  Gather();
  totals_ = {};
  registers_->Write32(kFlowControlTimer, 0);
  registers_->Write32(kFlowControlLow, 0);
  registers_->Write32(kFlowControlHigh, 0);

  // 4.6.5: receive. No delay of interrupts, no early receive (an erratum of long frames).
  registers_->Write32(kRdtr, 0);
  registers_->Write32(kRadv, 0);
  registers_->Write32(kRaid, 0);
  registers_->Write32(kErt, 0);
  registers_->Write32(kRfctl, kRfctlExtended | kRfctlNoIscsi | kRfctlNoNfs | kRfctlNoAckCause |
                                  kRfctlNoIp6Extensions);
  registers_->Write32(kRxcsum, kRxcsumIp | kRxcsumL4 | kRxcsumHash);
  SetUpFilters();
  registers_->Write32(kRctl, ReceiveControl());

  // 4.6.6: transmit.
  registers_->Write32(kTipg, kTipgCopper);
  registers_->Write32(kTidv, 0);
  registers_->Write32(kTadv, 0);
  registers_->Write32(kTctl, kTctlPadShort | kTctlCollisions | kTctlManyRequests);
  for (uint32_t queue = 0; queue < kQueues; ++queue) {
    const uint64_t at = queue * kQueueStride;
    registers_->Write32(kRxdctl + at, kDctlEachOne);
    registers_->Write32(kTxdctl + at, kDctlEachOne | kTxdctlBit22);
    registers_->Write32(kTarc + at, kTarcEnable | kTarcCount | (queue == 0 ? kTarcBit26 : 0));
    WriteRing(false, queue, 0, 0);
    WriteRing(true, queue, 0, 0);
  }

  // 4.6.3: the link by autonegotiation, its speed and duplex from the PHY. 7.5: VLAN tags are taken
  // out and put in.
  registers_->Write32(kVlanEtherType, 0x8100);
  ctrl_ = kCtrlFullDuplex | kCtrlSetLinkUp | kCtrlVlanMode;
  registers_->Write32(kCtrl, ctrl_);

  function_.SetBusMaster(true);
  SetUpInterrupts();
  return absl::OkStatus();
}

// 4.6.1, 4.6.2: interrupts off, requests off, global reset, the EEPROM's values loaded.
absl::Status Driver::Reset() {
  if (registers_->Read32(kStatus) == kGone) {
    return absl::UnavailableError("the 82574 answers each read with ones: it is gone or asleep");
  }
  registers_->Write32(kImc, kGone);
  registers_->Write32(kRctl, 0);
  registers_->Write32(kTctl, kTctlPadShort);
  registers_->Write32(kCtrl, kCtrlMasterDisable);
  // If requests do not end, the reset ends them.
  WaitFor(function_, *registers_, kStatus, kStatusMasterEnable, 0, absl::Milliseconds(100));

  // Management firmware must not be talking to the PHY meanwhile (base code,
  // e1000_get_hw_semaphore_82574); one that never lets go does not keep the function from us.
  const absl::Time deadline = function_.Now() + absl::Milliseconds(20);
  do {
    registers_->Write32(kExtConfig, registers_->Read32(kExtConfig) | kExtConfigMdioOwner);
    if ((registers_->Read32(kExtConfig) & kExtConfigMdioOwner) != 0) break;
    function_.Sleep(absl::Milliseconds(2));
  } while (function_.Now() < deadline);

  registers_->Write32(kCtrl, kCtrlReset);
  function_.Sleep(absl::Milliseconds(1));
  if (!WaitFor(function_, *registers_, kCtrl, kCtrlReset, 0, absl::Milliseconds(100))) {
    return absl::UnavailableError("the 82574 did not end its reset (CTRL.RST) within 100 ms");
  }
  registers_->Write32(kExtConfig, registers_->Read32(kExtConfig) & ~kExtConfigMdioOwner);
  if (!WaitFor(function_, *registers_, kEecd, kEecdAutoReadDone, kEecdAutoReadDone,
               absl::Milliseconds(100))) {
    return absl::UnavailableError(
        "the 82574 did not load its EEPROM (EECD.AUTO_RD) within 100 ms of its reset");
  }
  function_.Sleep(absl::Milliseconds(25));  // the PHY is set up from the EEPROM after AUTO_RD
  registers_->Write32(kImc, kGone);
  registers_->Read32(kIcr);
  return absl::OkStatus();
}

// 10.2.5: the first receive address is the EEPROM's after a reset.
absl::Status Driver::TakeMac(const DriverSettings& settings) {
  const uint32_t low = registers_->Read32(Ral(0));
  const uint32_t high = registers_->Read32(Rah(0));
  for (uint32_t i = 0; i < 4; ++i) mac_[i] = static_cast<uint8_t>(low >> (8 * i));
  for (uint32_t i = 0; i < 2; ++i) mac_[4 + i] = static_cast<uint8_t>(high >> (8 * i));
  if (settings.mac.has_value()) mac_ = *settings.mac;
  if (IsUnicast(mac_)) return absl::OkStatus();
  return absl::InvalidArgumentError(settings.mac.has_value()
                                        ? "the MAC address that is set is no unicast address"
                                        : "the 82574's EEPROM has no unicast MAC address; set one");
}

// 7.4: MSI-X with a vector for each queue. A message clears its cause (EIAC) and masks nothing
// (EIAME = 0, IAM = 0), so that each completion signals again without another store. IAME = 1 with
// an empty IAM does nothing; the emulated 82574 keeps its mask only so.
void Driver::SetUpInterrupts() {
  registers_->Write32(kCtrlExt,
                      (registers_->Read32(kCtrlExt) & ~kCtrlExtBit23 & ~kCtrlExtAutoMaskMessage) |
                          kCtrlExtBit22 | kCtrlExtAutoMaskRead);
  registers_->Write32(kIam, 0);
  uint32_t vectors = kIvarEveryWriteBack;
  for (uint32_t i = 0; i < kVectors; ++i) vectors |= (kIvarValid | i) << (4 * i);
  registers_->Write32(kIvar, vectors);
  for (uint32_t i = 0; i < kOtherVector; ++i) registers_->Write32(Eitr(i), 0);
  registers_->Write32(Eitr(kOtherVector), kEitrMillisecond);  // overruns come in crowds
  registers_->Write32(kEiac, kCauseQueues);
  registers_->Write32(kIms, kCauseQueues | kCauseOther | kCauseLink);
  Flush();
}

void Driver::Flush() const { registers_->Read32(kStatus); }

void Driver::Stop() {
  if (registers_ == nullptr) return;
  registers_->Write32(kImc, kGone);
  registers_->Write32(kRctl, 0);
  registers_->Write32(kTctl, kTctlPadShort);
  registers_->Write32(kCtrl, ctrl_ | kCtrlMasterDisable);
  WaitFor(function_, *registers_, kStatus, kStatusMasterEnable, 0, absl::Milliseconds(10));
  function_.SetBusMaster(false);
  rx_running_ = {};
  tx_running_ = {};
}

LinkState Driver::Link() {
  static constexpr std::array<uint32_t, 4> kMbps{10, 100, 1000, 1000};
  const uint32_t status = registers_->Read32(kStatus);
  if (status == kGone || (status & kStatusLinkUp) == 0) return {};
  return {.up = true, .mbps = kMbps[(status & kStatusSpeed) >> 6]};
}

// The order of IVAR's fields: RXQ0, RXQ1, TXQ0, TXQ1, other.
std::optional<uint32_t> Driver::VectorOf(bool transmit, uint32_t queue) const {
  if (queue >= kQueues) return std::nullopt;
  return (transmit ? kQueues : 0) + queue;
}

std::optional<uint32_t> Driver::OtherVector() const { return kOtherVector; }

// Causes are cleared by writing them, not by reading, which would clear those of queues too.
void Driver::Service() {
  registers_->Write32(kIcr, kCausesOfOther);
  Gather();
}

}  // namespace e1000e
}  // namespace qsplit::vfio
