#include "daemon/backend/vfio/igb/bring_up.h"

#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

// SW_FW_SYNC.SW_PHY*_SM by port (E1000_SWFW_PHY*_SM).
constexpr std::array<uint32_t, 4> kPhyLocks = {0x02, 0x04, 0x20, 0x40};
constexpr absl::Duration kSemaphoreLimit = absl::Milliseconds(200);
constexpr absl::Duration kPhyLimit = absl::Milliseconds(50);

// Holds the PHY of a port against firmware and the other functions, SWSM and SW_FW_SYNC. Released
// when it goes.
class PhyLock {
 public:
  PhyLock(FunctionAccess& function, RegisterWindow& registers)
      : function_(function), registers_(registers) {
    const uint32_t port = (registers.Read32(kStatus) >> kStatusPortShift) & 3;
    bit_ = kPhyLocks[port];
  }
  PhyLock(const PhyLock&) = delete;
  PhyLock& operator=(const PhyLock&) = delete;
  ~PhyLock() {
    if (held_ && TakeSemaphore(function_.Now() + kSemaphoreLimit)) {
      registers_.Write32(kSwFwSync, registers_.Read32(kSwFwSync) & ~bit_);
      ReleaseSemaphore();
    }
  }

  // False: firmware keeps the PHY. Our own bit, if it is set, was left by whoever had the function
  // before: a port has one driver.
  bool Take() {
    const absl::Time deadline = function_.Now() + kSemaphoreLimit;
    while (TakeSemaphore(deadline)) {
      const uint32_t sync = registers_.Read32(kSwFwSync);
      if ((sync & bit_ << kSwFwFirmwareShift) == 0) {
        registers_.Write32(kSwFwSync, sync | bit_);
        held_ = true;
      }
      ReleaseSemaphore();
      if (held_) return true;
      if (function_.Now() >= deadline) return false;
      function_.Sleep(absl::Milliseconds(5));
    }
    return false;
  }

 private:
  // First among drivers (SMBI reads as 0 once, then as 1), then against firmware (SWESMBI stays
  // only when firmware has not got it).
  bool TakeSemaphore(absl::Time deadline) {
    // Nobody keeps SMBI for so long on purpose: a driver that died, or a client that wants this
    // port to stay down, has. It is taken from them (as Linux does, clear_semaphore_once).
    const absl::Time patience = function_.Now() + kSemaphoreLimit / 4;
    while ((registers_.Read32(kSwsm) & kSwsmSemaphore) != 0 && function_.Now() < patience) {
      function_.Sleep(absl::Microseconds(50));
    }
    while (true) {
      registers_.Write32(kSwsm, registers_.Read32(kSwsm) | kSwsmFirmwareSemaphore);
      if ((registers_.Read32(kSwsm) & kSwsmFirmwareSemaphore) != 0) return true;
      if (function_.Now() >= deadline) break;
      function_.Sleep(absl::Microseconds(50));
    }
    ReleaseSemaphore();
    return false;
  }
  void ReleaseSemaphore() { registers_.Write32(kSwsm, 0); }

  FunctionAccess& function_;
  RegisterWindow& registers_;
  uint32_t bit_ = 0;
  bool held_ = false;
};

// One access of the PHY's registers, MDIC (8.2.4). False: it did not answer.
bool AccessPhy(FunctionAccess& function, RegisterWindow& registers, uint32_t command) {
  registers.Write32(kMdic, command | kInternalPhy << kMdicPhyShift);
  return WaitFor(function, registers, kMdic, kMdicReady, kMdicReady, kPhyLimit) &&
         (registers.Read32(kMdic) & kMdicError) == 0;
}

}  // namespace

absl::Status ResetPf(FunctionAccess& function, RegisterWindow& registers) {
  if (registers.Read32(kStatus) == kGone) {
    return absl::UnavailableError("reset: STATUS reads as ones; the function does not answer");
  }
  // 4.5: no interrupt while this goes on.
  registers.Write32(kImc, ~0u);
  registers.Write32(kEimc, ~0u);
  // 4.5: nothing moves when the reset comes.
  registers.Write32(kRctl, 0);
  registers.Write32(kTctl, kTctlPadShort);
  function.Sleep(absl::Milliseconds(10));
  // CTRL.GIO_MASTER_DISABLE: no request of its own on the bus either. Where one never ends, the
  // reset ends it.
  registers.Write32(kCtrl, registers.Read32(kCtrl) | kCtrlMasterDisable);
  WaitFor(function, registers, kStatus, kStatusMasterEnabled, 0, absl::Milliseconds(80));
  // 4.2.1.6.1: the bit clears itself; not to be read for a millisecond.
  registers.Write32(kCtrl, registers.Read32(kCtrl) | kCtrlReset);
  function.Sleep(absl::Milliseconds(2));
  if (!WaitFor(function, registers, kCtrl, kCtrlReset, 0, absl::Milliseconds(20))) {
    return absl::UnavailableError(
        "reset: CTRL.RST is still set 20 ms later; the function does not come out of reset");
  }
  // 4.5, EEC.Auto_RD: the EEPROM's words are read anew. Some functions have none, emulated ones
  // among them, and never say that it was read: what matters, the MAC, is checked where it is used.
  WaitFor(function, registers, kEec, kEecAutoReadDone, kEecAutoReadDone, absl::Milliseconds(10));
  // 4.5: the reset has unmasked nothing, but causes may have come up.
  registers.Write32(kImc, ~0u);
  registers.Write32(kEimc, ~0u);
  registers.Read32(kIcr);
  return absl::OkStatus();
}

absl::Status StartLink(FunctionAccess& function, RegisterWindow& registers) {
  // 4.5 (link setup): speed and duplex as the PHY finds them. No pause frames: a queue without
  // buffers drops, and the wire goes on for the others.
  uint32_t ctrl = registers.Read32(kCtrl);
  ctrl &= ~(kCtrlForceSpeed | kCtrlForceDuplex | kCtrlMasterDisable | kCtrlRxFlowControl |
            kCtrlTxFlowControl);
  registers.Write32(kCtrl, ctrl | kCtrlSetLinkUp);
  // SerDes and SGMII ports negotiate by themselves after a reset (CTRL_EXT.LINK_MODE).
  if ((registers.Read32(kCtrlExt) & kCtrlExtLinkModeMask) != 0) return absl::OkStatus();

  PhyLock lock(function, registers);
  if (!lock.Take()) {
    return absl::UnavailableError(absl::StrCat(
        "link: the PHY's semaphore was not free for ", absl::FormatDuration(kSemaphoreLimit),
        " (SW_FW_SYNC 0x", absl::Hex(registers.Read32(kSwFwSync)), "); another function or the ",
        "firmware keeps it"));
  }
  if (!AccessPhy(function, registers, kMdicRead | kPhyControl << kMdicRegisterShift)) {
    return absl::UnavailableError("link: the PHY does not answer a read of its control register");
  }
  uint32_t control = registers.Read32(kMdic) & 0xffff;
  control &= ~kPhyPowerDown;
  control |= kPhyAutonegotiate | kPhyRestartAutonegotiation;
  if (!AccessPhy(function, registers, kMdicWrite | kPhyControl << kMdicRegisterShift | control)) {
    return absl::UnavailableError("link: the PHY does not take a write of its control register");
  }
  return absl::OkStatus();
}

absl::StatusOr<device::MacAddress> ReadOwnMac(const RegisterWindow& registers) {
  const uint32_t low = registers.Read32(Ral(0));
  const uint32_t high = registers.Read32(Rah(0));
  const device::MacAddress mac = {static_cast<uint8_t>(low),       static_cast<uint8_t>(low >> 8),
                                  static_cast<uint8_t>(low >> 16), static_cast<uint8_t>(low >> 24),
                                  static_cast<uint8_t>(high),      static_cast<uint8_t>(high >> 8)};
  if (!IsUnicast(mac)) {
    return absl::FailedPreconditionError(
        absl::StrCat("MAC: RAL0 0x", absl::Hex(low), " and RAH0 0x", absl::Hex(high),
                     " are no unicast address; the EEPROM has none, give one in the settings"));
  }
  return mac;
}

bool IsUnicast(const device::MacAddress& mac) {
  return (mac[0] & 1) == 0 && mac != device::MacAddress{};
}

}  // namespace qsplit::vfio::igb
