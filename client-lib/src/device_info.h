// From the protocol's messages to the public structs, and what Session and Device share. Any
// thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_DEVICE_INFO_H_
#define QSPLIT_CLIENT_LIB_SRC_DEVICE_INFO_H_

#include <memory>

#include "absl/status/statusor.h"
#include "qsplit/device.h"
#include "qsplit/region.h"
#include "qsplit/v1/device.pb.h"

namespace qsplit::internal {

DeviceInfo DeviceInfoOf(const v1::Device& device);

// As Session::RegisterRegion.
absl::StatusOr<std::shared_ptr<Region>> RegisterRegion(const std::shared_ptr<Core>& core,
                                                       const RegionOptions& options);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_DEVICE_INFO_H_
