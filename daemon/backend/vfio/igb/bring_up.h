// The PF from any state to one in which it can be set up: reset, link, its own MAC.
//
// Each step names the datasheet's section that asks for it. Called in Start only, so it may wait
// for longer than other calls. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_BRING_UP_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_BRING_UP_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/device/device.h"

namespace qsplit::vfio::igb {

// 4.5 (initialization): interrupts masked, both directions off, software reset, EEPROM read again.
// VFs lose their queues with it. UNAVAILABLE: the function does not answer, or does not come out of
// reset.
absl::Status ResetPf(FunctionAccess& function, RegisterWindow& registers);

// 4.5 (link setup): the MAC follows the PHY; copper negotiates again. UNAVAILABLE: firmware or
// another function keeps the PHY, or the PHY does not answer.
absl::Status StartLink(FunctionAccess& function, RegisterWindow& registers);

// RAL0, RAH0: what the EEPROM says, or what was written there since. FAILED_PRECONDITION: there is
// none.
absl::StatusOr<device::MacAddress> ReadOwnMac(const RegisterWindow& registers);

// Unicast and not all zero.
bool IsUnicast(const device::MacAddress& mac);

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_BRING_UP_H_
