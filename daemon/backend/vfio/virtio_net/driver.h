// The driver of virtio network devices. Virtqueues 2n and 2n + 1 are receive and transmit queue n
// (5.1.2). Sections are those of virtio 1.2.
//
// How rings are laid out is agreed on for all virtqueues at once, split or packed, and the layout
// of a lease says which: starting a queue of the other format, while none runs, resets the device
// and brings it up again. So does each start where the device lacks VIRTIO_F_RING_RESET, for a
// device need not look at a virtqueue that is enabled after DRIVER_OK; queues that run already are
// set up again with it, at their beginning. That does no harm as long as nobody has used them: all
// queues of a lease are started before its client gets them, and such a device has one lease at a
// time. With VIRTIO_F_RING_RESET a virtqueue that is not enabled is in the state of one that was
// reset (2.6.1), and starts and stops alone.
//
// Stopping a queue without VIRTIO_F_RING_RESET resets the device, which silences all of them; when
// the last one is stopped, the device comes up again.
//
// State: up (DRIVER_OK given) or down. A call that fails half way leaves it down, and the next
// start of a queue brings it up.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_DRIVER_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_DRIVER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/nic_driver.h"
#include "daemon/backend/vfio/virtio_net/control_queue.h"
#include "daemon/backend/vfio/virtio_net/transport.h"

namespace qsplit::vfio::virtio_net {

class Driver final : public NicDriver {
 public:
  explicit Driver(FunctionAccess& function) : function_(function) {}

  absl::Status Start(const DriverSettings& settings) override;
  void Stop() override;
  const DriverFacts& facts() const override { return facts_; }
  device::MacAddress mac() const override { return mac_; }
  LinkState Link() override;
  std::optional<uint32_t> VectorOf(bool transmit, uint32_t queue) const override;
  std::optional<uint32_t> OtherVector() const override;
  void Service() override {}  // changes of the link are all there is, and Link reads them
  absl::StatusOr<QueuePlaces> StartQueue(const QueueSetup& setup) override;
  absl::Status StopQueue(bool transmit, uint32_t queue) override;
  absl::Status Set(const device::DeviceSettings& settings) override;
  absl::Status SetRss(const device::RssConfig& config) override;
  absl::Status AddRule(const device::FlowRule& rule) override;
  absl::Status RemoveRule(uint32_t location) override;
  void ReadCounters(device::DeviceCounters* /*counters*/) override {}  // the device counts nothing

 private:
  struct Virtqueue {
    bool running = false;
    uint32_t max_slots = 0;
    uint16_t slots = 0;
    QueueAddresses addresses;
    RegisterPlace doorbell;
  };
  struct ReceiveMode {
    bool promiscuous = false;
    bool all_multicast = false;
    std::vector<device::MacAddress> multicast;
  };

  bool Has(uint64_t feature) const { return (features_ & feature) != 0; }
  // All waits of a call end together.
  void StartClock(absl::Duration limit) { deadline_ = function_.Now() + limit; }
  absl::Duration Left() const;

  // bring_up.cc
  absl::StatusOr<uint64_t> ChooseFeatures(uint64_t offered, bool packed) const;
  absl::Status Handshake(bool packed);
  absl::Status Learn(const DriverSettings& settings);
  void LearnVectors();
  DriverFacts Facts() const;
  absl::Status GoLive();
  absl::Status BringUp(bool packed);

  // queues.cc
  absl::Status CheckSetup(const QueueSetup& setup) const;
  absl::Status Enable(uint32_t virtqueue);
  bool AnyRunning() const;
  uint16_t VectorOf(uint32_t virtqueue) const;

  // settings.cc
  absl::Status Command(const ControlCommand& command, std::span<const std::byte> data);
  absl::Status ApplyReceiveMode();
  absl::Status ApplyPairs();
  absl::Status ApplyRss(const device::RssConfig& config);

  FunctionAccess& function_;
  absl::Time deadline_;
  std::optional<Transport> transport_;
  std::optional<ControlQueue> control_;
  RegisterPlace control_doorbell_;
  uint64_t features_ = 0;  // agreed on; 0: not yet
  bool packed_ = false;
  bool packed_offered_ = false;
  bool up_ = false;
  uint32_t max_pairs_ = 1;  // of the device; of facts_ there may be fewer
  uint32_t rss_entries_ = 0;
  uint32_t hash_types_ = 0;
  bool own_vectors_ = false;  // a vector for each virtqueue
  DriverFacts facts_;
  device::MacAddress mac_{};
  bool mac_is_set_ = false;  // it is not the device's own
  std::vector<Virtqueue> virtqueues_;
  ReceiveMode mode_;
  std::optional<device::RssConfig> rss_;
};

}  // namespace qsplit::vfio::virtio_net

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_DRIVER_H_
