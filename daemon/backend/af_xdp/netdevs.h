// All kernel netdevs of a daemon: makes devices of them, and goes on trying with those that cannot
// be had yet, or no longer.
//
//   Start ──► each is an AfXdpDevice, or stands there and says why it cannot be used
//   Watch ──► now and then those that could not be had are tried again, the more seldom the more
//             often they were changed in vain; one whose netdev has gone loses its leases, stands
//             there and says so, until there is one of its name again
//
// Start, Watch and the destructor: one thread. A device that is made belongs to whoever has it.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEVS_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEVS_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/af_xdp/af_xdp_device.h"
#include "daemon/device/device.h"
#include "daemon/journal/journal.h"

namespace qsplit::af_xdp {

class Netdevs {
 public:
  // The journal outlives this and every device.
  Netdevs(std::vector<AfXdpConfig> plans, journal::Journal& journal, OnTrouble on_trouble);
  ~Netdevs();
  Netdevs(const Netdevs&) = delete;
  Netdevs& operator=(const Netdevs&) = delete;

  // One for each plan.
  std::vector<std::shared_ptr<device::Device>> Start();

  // From a thread of this class: a device in the place of the one of its name; an error: it does
  // not take it, and is asked again.
  using OnFound = std::function<absl::Status(std::shared_ptr<device::Device>)>;
  // The netdev of the device of that name is gone; called until on_found takes what stands in for
  // it.
  using OnLost = std::function<void(const std::string& device)>;
  void Watch(OnFound on_found, OnLost on_lost);

 private:
  struct Place {
    AfXdpConfig plan;
    std::weak_ptr<AfXdpDevice> device;  // none: it cannot be used, for this reason
    std::string why;
    // After the netdev was changed in vain.
    std::chrono::steady_clock::time_point not_before{};
    std::chrono::milliseconds pause{0};
  };

  absl::StatusOr<std::shared_ptr<AfXdpDevice>> Make(Place& place);
  std::shared_ptr<device::Device> Try(Place& place);
  void Look(Place& place, const OnFound& on_found, const OnLost& on_lost);
  void Run(const OnFound& on_found, const OnLost& on_lost);

  std::vector<Place> places_;
  journal::Journal& journal_;
  const OnTrouble on_trouble_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEVS_H_
