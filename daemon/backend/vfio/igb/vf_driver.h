// The driver of a VF, whoever drives its PF: Linux's igb or this daemon.
//
// A VF owns its queues and vectors; all else it asks its PF for. When the PF is reset, or has
// forgotten the VF, Service asks again; queues that a reset has stopped stay so, and the link reads
// as down until they are stopped and started. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_DRIVER_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_DRIVER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/igb/queues.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "daemon/backend/vfio/igb/statistics.h"
#include "daemon/backend/vfio/igb/vf_mailbox.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio::igb {

class VfDriver final : public NicDriver {
 public:
  VfDriver(const Model& model, FunctionAccess& function)
      : model_(model), function_(function), queues_(model, kVfBank, function), mailbox_(function) {}

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
  void FillFacts();
  void StartInterrupts();
  // RESET, then all that was asked for before.
  absl::Status Introduce(absl::Time deadline);
  absl::Status AskMac(absl::Time deadline);
  absl::Status AskMaxFrame(uint32_t mtu_bytes, absl::Time deadline);
  absl::Status AskMulticast(const std::vector<uint16_t>& hashes, absl::Time deadline);
  absl::Status AskAllMulticast(bool all, absl::Time deadline);
  bool AnyStartedQueueLost() const;

  const Model& model_;
  FunctionAccess& function_;
  RegisterWindow* registers_ = nullptr;
  bool started_ = false;
  Queues queues_;
  VfMailbox mailbox_;
  PoolCounters counters_{kVfStatistics};
  std::vector<uint64_t> drops_no_descriptor_;

  DriverFacts facts_;
  device::MacAddress mac_{};
  std::optional<device::MacAddress> wanted_mac_;
  uint32_t mtu_bytes_ = 0;
  std::vector<uint16_t> hashes_;
  bool all_multicast_ = false;

  bool forgotten_ = false;  // the PF wants a RESET before anything else
  absl::Time next_try_;
  uint32_t started_rx_ = 0, started_tx_ = 0;  // a bit for each queue
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_DRIVER_H_
