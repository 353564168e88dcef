// Which functions these drivers drive, and what they differ in.
//
// Constants; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_MODEL_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_MODEL_H_

#include <cstdint>
#include <vector>

#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio::igb {

enum class Chip : uint8_t { k82576, kI350 };

struct Model {
  Chip chip = Chip::k82576;
  bool vf = false;
  const char* family = "";        // for people
  uint32_t queues = 0;            // of each direction
  uint32_t queues_per_pool = 0;   // 7.10
  uint32_t address_entries = 0;   // of RAL and RAH
  const char* loopback_tag = "";  // choice of the layout's feature LoopbackTag
};

// Null: no such function.
const Model* FindModel(uint16_t device_id, bool is_vf);

// The layout, as the registers are set up for it here.
DrivenLayout LayoutOf(const Model& model);

// What descriptors can do without a register more.
std::vector<device::Offload> DescriptorOffloads();

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_MODEL_H_
