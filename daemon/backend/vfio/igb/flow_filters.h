// The filters that choose a queue before the hash does (7.1.1): eight for 5-tuples, eight for
// EtherTypes. Only where the function is not split into pools.
//
// The lowest location wins: among filters of one priority the hardware takes the first register, so
// they stand in the order of their locations, and are moved up and down such that each is always
// in one register at least. To drop a flow is to send it to a queue that is not enabled. One thread
// at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_FLOW_FILTERS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_FLOW_FILTERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/igb/tuple_filter.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::vfio::igb {

inline constexpr uint32_t kFlowFilterCapacity = 16;

class FlowFilters {
 public:
  explicit FlowFilters(Chip chip) : chip_(chip) {}

  // After a reset, which has disabled them all. drop_queue: one that is never enabled.
  void Start(uint32_t drop_queue);
  // UNIMPLEMENTED, RESOURCE_EXHAUSTED as NicDriver::AddRule.
  absl::Status Add(RegisterWindow& registers, const device::FlowRule& rule);
  absl::Status Remove(RegisterWindow& registers, uint32_t location);

 private:
  struct Tuple {
    uint32_t location = 0;
    device::FlowAction action;
    TupleFilter filter;
  };
  struct Ether {
    uint32_t location = 0;
    uint16_t ether_type = 0;
    uint32_t filter = 0;  // which register
  };

  absl::Status AddTuple(RegisterWindow& registers, const device::FlowRule& rule);
  absl::Status AddEther(RegisterWindow& registers, const device::FlowRule& rule);
  void WriteTuple(RegisterWindow& registers, uint32_t filter, const Tuple& tuple) const;

  Chip chip_;
  uint32_t drop_queue_ = 0;
  std::vector<Tuple> tuples_;  // by location
  std::vector<Ether> ethers_;
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_FLOW_FILTERS_H_
