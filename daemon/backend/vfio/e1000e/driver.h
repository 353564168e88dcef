// The driver of the 82574: the state that its registers are written from. Registers are written,
// never read to be written back: while the function is leased whole they are the client's too.
//
// Receive side. One enable bit (RCTL.EN), one buffer size and one descriptor format serve both
// queues, and a ring's registers may be written only while the bit is off. So starting or stopping
// a queue pauses its direction for a millisecond or two: the bit goes off, PCIe requests end, which
// the function confirms (STATUS, bit 19), the ring's registers are written, and the bit comes back
// if a queue is left. What arrives meanwhile is lost. The transmit side is the same with TCTL.EN,
// and loses nothing.
//
// What is not IP always goes to queue 0, and the head of the receive FIFO waits for its queue to
// have a descriptor: a receive queue that is starved, or stopped while it is first, holds up the
// other. Leases can share the function, but not without being felt by one another.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_E1000E_DRIVER_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_E1000E_DRIVER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio::e1000e {

inline constexpr uint32_t kQueues = 2;  // of each direction

class Driver final : public NicDriver {
 public:
  explicit Driver(FunctionAccess& function);

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
  struct Totals {
    uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0, malformed = 0, missed = 0;
  };

  // start.cc
  absl::Status Reset();
  absl::Status TakeMac(const DriverSettings& settings);
  void SetUpInterrupts();
  void Flush() const;  // posted writes: a read returns behind them

  // queues.cc
  absl::Status CheckRing(const QueueSetup& setup) const;
  absl::Status CheckReceive(const QueueSetup& setup) const;
  bool AnyRunning(bool transmit) const;
  // Takes the direction's enable bit away and waits until the function makes no request any more.
  // UNAVAILABLE: it goes on; it stays barred from memory, and Pause may be called again.
  absl::Status Pause(bool transmit);
  // Writes the direction's control register as it shall be now, and lets requests go on.
  void Resume(bool transmit);
  void WriteRing(bool transmit, uint32_t queue, uint64_t iova, uint32_t slots);

  // filters.cc
  void SetUpFilters();
  void WriteMulticast();
  uint32_t ReceiveControl() const;

  // counters.cc
  void Gather();

  FunctionAccess& function_;
  RegisterWindow* registers_ = nullptr;
  DriverFacts facts_;
  device::MacAddress mac_{};
  uint32_t ctrl_ = 0;

  std::array<bool, kQueues> rx_running_{};
  std::array<bool, kQueues> tx_running_{};
  uint32_t buffer_bytes_ = 2048;  // of the receive queues that run
  uint32_t mtu_bytes_ = 1500;
  bool promiscuous_ = false;
  bool all_multicast_ = false;
  std::vector<device::MacAddress> multicast_;
  bool rss_drops_all_ = false;  // each entry of the table is kNoQueue
  std::array<uint8_t, device::kRssKeyBytes> rss_key_{};
  Totals totals_;
};

}  // namespace qsplit::vfio::e1000e

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_E1000E_DRIVER_H_
