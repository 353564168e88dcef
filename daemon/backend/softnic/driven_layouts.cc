#include "daemon/backend/softnic/driven_layouts.h"

#include "absl/strings/str_cat.h"
#include "daemon/backend/softnic/lease_queues.h"

namespace qsplit::softnic {

absl::Status CheckDriven(const layout::VerifiedLayout& layout, uint32_t default_slots) {
  device::QueueRequest request{.layout = layout};
  if (layout.FindQueue(v1::DIRECTION_RECEIVE) != nullptr) request.rx_queues = {0};
  if (layout.FindQueue(v1::DIRECTION_TRANSMIT) != nullptr) request.tx_queues = {0};
  if (request.rx_queues.empty() && request.tx_queues.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("layout ", layout.name(), ": no queue that carries packets"));
  }
  RegionMaps maps;
  return MakeLeaseQueues(request, default_slots, maps, nullptr).status();
}

}  // namespace qsplit::softnic
