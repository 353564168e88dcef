#include "daemon/backend/vfio/igb/model.h"

#include <algorithm>
#include <array>

namespace qsplit::vfio::igb {
namespace {

constexpr Model k82576Pf{.chip = Chip::k82576,
                         .vf = false,
                         .family = "82576 PF",
                         .queues = 16,
                         .queues_per_pool = 2,
                         .address_entries = 24,
                         .loopback_tag = "little"};
constexpr Model k82576Vf{.chip = Chip::k82576,
                         .vf = true,
                         .family = "82576 VF",
                         .queues = 2,
                         .queues_per_pool = 2,
                         .address_entries = 0,
                         .loopback_tag = "little"};
constexpr Model kI350Pf{.chip = Chip::kI350,
                        .vf = false,
                        .family = "I350 PF",
                        .queues = 8,
                        .queues_per_pool = 1,
                        .address_entries = 32,
                        .loopback_tag = "big"};
constexpr Model kI350Vf{.chip = Chip::kI350,
                        .vf = true,
                        .family = "I350 VF",
                        .queues = 1,
                        .queues_per_pool = 1,
                        .address_entries = 0,
                        .loopback_tag = "big"};

struct Id {
  uint16_t device_id;
  const Model* model;
};
// E1000_DEV_ID_82576*, E1000_DEV_ID_I350_*.
constexpr std::array<Id, 17> kIds = {{
    {0x10c9, &k82576Pf},
    {0x10e6, &k82576Pf},
    {0x10e7, &k82576Pf},
    {0x10e8, &k82576Pf},
    {0x150a, &k82576Pf},
    {0x150d, &k82576Pf},
    {0x1518, &k82576Pf},
    {0x1526, &k82576Pf},
    {0x10ca, &k82576Vf},
    {0x152d, &k82576Vf},
    {0x1521, &kI350Pf},
    {0x1522, &kI350Pf},
    {0x1523, &kI350Pf},
    {0x1524, &kI350Pf},
    {0x1546, &kI350Pf},
    {0x1520, &kI350Vf},
    {0x152f, &kI350Vf},
}};

}  // namespace

const Model* FindModel(uint16_t device_id, bool is_vf) {
  const auto* found = std::ranges::find_if(
      kIds, [=](const Id& id) { return id.device_id == device_id && id.model->vf == is_vf; });
  return found == kIds.end() ? nullptr : found->model;
}

DrivenLayout LayoutOf(const Model& model) {
  DrivenLayout layout;
  layout.name = "intel.igb.advanced";
  layout.choices = {
      {"Dword1", "hash"}, {"LoopbackTag", model.loopback_tag}, {"Done", "descriptor"}};
  return layout;
}

std::vector<device::Offload> DescriptorOffloads() {
  using device::Offload;
  return {Offload::kRxChecksum, Offload::kTxChecksum, Offload::kRxVlan, Offload::kTxVlan,
          Offload::kRxScatter,  Offload::kTxGather,   Offload::kTso};
}

}  // namespace qsplit::vfio::igb
