#include "daemon/backend/vfio/igb/igb.h"

#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/igb/pf_driver.h"
#include "daemon/backend/vfio/igb/vf_driver.h"

namespace qsplit::vfio {

std::unique_ptr<NicDriver> MakeIgb(uint16_t device_id, bool is_vf, FunctionAccess& function) {
  const igb::Model* model = igb::FindModel(device_id, is_vf);
  if (model == nullptr) return nullptr;
  if (model->vf) return std::make_unique<igb::VfDriver>(*model, function);
  return std::make_unique<igb::PfDriver>(*model, function);
}

}  // namespace qsplit::vfio
