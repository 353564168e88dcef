// The driver of a PF: NicDriver put together from its parts.
//
// With Steering::kPools, and wherever there are VFs, the function is split into pools; else RSS
// goes over all its queues and filters choose before it. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_PF_DRIVER_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_PF_DRIVER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/address_table.h"
#include "daemon/backend/vfio/igb/flow_filters.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/igb/multicast_table.h"
#include "daemon/backend/vfio/igb/pools.h"
#include "daemon/backend/vfio/igb/queue_map.h"
#include "daemon/backend/vfio/igb/queues.h"
#include "daemon/backend/vfio/igb/statistics.h"
#include "daemon/backend/vfio/igb/vf_host.h"
#include "daemon/backend/vfio/igb/vlan_table.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio::igb {

class PfDriver final : public NicDriver {
 public:
  PfDriver(const Model& model, FunctionAccess& function);

  absl::Status Start(const DriverSettings& settings) override;
  void Stop() override;
  const DriverFacts& facts() const override { return facts_; }
  device::MacAddress mac() const override { return mac_; }
  LinkState Link() override;
  std::optional<uint32_t> VectorOf(bool transmit, uint32_t queue) const override;
  std::optional<uint32_t> OtherVector() const override;
  void Service() override;
  absl::StatusOr<QueuePlaces> StartQueue(const QueueSetup& setup) override;
  absl::Status StopQueue(bool transmit, uint32_t queue) override;
  absl::Status Set(const device::DeviceSettings& settings) override;
  absl::Status SetRss(const device::RssConfig& config) override;
  absl::Status AddRule(const device::FlowRule& rule) override;
  absl::Status RemoveRule(uint32_t location) override;
  void ReadCounters(device::DeviceCounters* counters) override;

 private:
  absl::Status CheckSettings(const DriverSettings& settings) const;
  absl::Status CheckQueue(bool transmit, uint32_t queue) const;
  // In the order of 4.5, after the reset.
  void StartReceive();
  void StartTransmit();
  void FillFacts(const DriverSettings& settings);
  void WriteRctl();
  bool pooled() const { return map_.pooled; }

  const Model& model_;
  FunctionAccess& function_;
  RegisterWindow* registers_ = nullptr;
  bool started_ = false;

  Queues queues_;
  AddressTable addresses_;
  VlanTable vlans_;
  MulticastTable multicast_;
  FlowFilters filters_;
  Pools pools_;
  VfHost vfs_;
  PfStatistics statistics_;

  DriverFacts facts_;
  QueueMap map_;
  device::MacAddress mac_{};
  uint32_t mtu_bytes_ = 0;
  bool promiscuous_ = false;
  std::vector<uint16_t> hashes_;  // of multicast addresses
  bool all_multicast_ = false;
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_PF_DRIVER_H_
