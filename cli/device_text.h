// Devices as `qsplit device` prints them. Pure functions.
#ifndef QSPLIT_CLI_DEVICE_TEXT_H_
#define QSPLIT_CLI_DEVICE_TEXT_H_

#include "cli/table.h"
#include "qsplit/v1/device.pb.h"

namespace qsplit::cli {

// A line each. A device that cannot be used says so where others say whether the link is up.
Table DeviceTable(const v1::ListDevicesResponse& response);
// One in full.
Sheet DeviceSheet(const v1::Device& device);

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_DEVICE_TEXT_H_
