// The devices of a configuration: software NICs, PCI functions and kernel netdevs, made and kept.
//
// The one place besides main.cc that sees the back ends. Main thread, but for Found.
#ifndef QSPLIT_DAEMON_DEVICES_H_
#define QSPLIT_DAEMON_DEVICES_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/config/config.h"
#include "daemon/device/device.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::daemon {

// All that can be checked before anything is opened.
class DevicePlan {
 public:
  // INVALID_ARGUMENT, NOT_FOUND: what is wrong with which device.
  static absl::StatusOr<DevicePlan> Make(const config::Config& config,
                                         const std::vector<layout::VerifiedLayout>& layouts);
  DevicePlan(DevicePlan&&) noexcept;
  DevicePlan& operator=(DevicePlan&&) noexcept;
  ~DevicePlan();

  size_t size() const;

  // Kernel netdevs as they are now: "netdev  eth0: …" and warnings, a line each, and why which of
  // them cannot be used as the configuration says.
  struct Report {
    std::vector<std::string> lines;
    std::vector<absl::Status> errors;
  };
  Report CompareNetdevs() const;

 private:
  friend class Devices;
  struct Parts;
  explicit DevicePlan(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

class Devices {
 public:
  // Software NICs: all, or an error. Functions and netdevs: those that cannot be used are there and
  // say why.
  // What a daemon that crashed left behind is undone first; `runtime_dir` has its journal.
  static absl::StatusOr<std::unique_ptr<Devices>> Open(DevicePlan plan,
                                                       const std::string& runtime_dir);
  // All devices have gone before.
  ~Devices();

  // In the order of the configuration; once.
  std::vector<std::shared_ptr<device::Device>> Take();
  // From then on, from other threads and until StopWatching returns: `found` gets devices that can
  // be used after all, and `lost` names those that can no longer, as often as they are asked for.
  void Watch(std::function<absl::Status(std::shared_ptr<device::Device>)> found,
             std::function<void(const std::string&)> lost);
  void StopWatching();

 private:
  struct Parts;
  explicit Devices(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace qsplit::daemon

#endif  // QSPLIT_DAEMON_DEVICES_H_
