// A qsplitd of a test's own, what the kernel says that it holds, and an admin's view of it that
// keeps its connection, so that a look costs one call.
//
// The test is the admin; everybody else is a tenant that may steer any traffic.
#ifndef QSPLIT_TESTS_SUPPORT_SYSTEM_DAEMON_H_
#define QSPLIT_TESTS_SUPPORT_SYSTEM_DAEMON_H_

#include <qsplit/rpc_session.h>
#include <qsplit/session.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "qsplit/v1/region.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"
#include "tests/support/system/program.h"

namespace qsplit::testing {

inline constexpr char kNic0Mac[] = "02:00:00:00:00:01";
inline constexpr char kNic1Mac[] = "02:00:00:00:00:02";

// nic0 and nic1, wired to each other, on one thread.
std::string PeerDevices();

class Daemon {
 public:
  // `devices`: [[device]] sections. Waits until it serves.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const std::string& devices,
                                                       const std::string& netns = "");
  ~Daemon();  // kills it, and removes its folder

  pid_t pid() const { return program_.pid(); }
  std::string runtime_dir() const { return dir_ + "/run"; }
  const std::string& dir() const { return dir_; }
  SessionOptions Options(const std::string& program = "test") const;
  std::string Log() const;

  // SIGTERM, and how that ended. OK: exit status 0 and no report of a sanitizer in the log.
  absl::Status StopGently(absl::Duration patience = absl::Seconds(20));
  // Sends a signal and waits for the end.
  absl::StatusOr<int> Stop(int signal) { return program_.Stop(signal); }
  // Starts it once more, on the same folder.
  absl::Status StartAgain();

  // What /proc says of it: descriptors by kind ("memfd", "anon_inode:[eventfd]", "socket", ...),
  // mappings of memfds, resident memory.
  struct Holdings {
    std::map<std::string, int> descriptors;
    int memfd_mappings = 0;
    long resident_kb = 0;
  };
  Holdings Look() const;
  // How long its threads, taken together, were ready to run and had no CPU, since it began; zero on
  // a kernel that does not say. A thread that waits still does not count yet.
  absl::Duration WaitedForCpu() const;

 private:
  explicit Daemon(std::string dir, std::string netns);
  std::string dir_;
  std::string netns_;
  Program program_;
};

std::string ToString(const std::map<std::string, int>& descriptors);

class AdminView {
 public:
  static absl::StatusOr<AdminView> Connect(const SessionOptions& options);

  absl::StatusOr<std::vector<v1::Lease>> Leases() const;
  absl::StatusOr<std::vector<v1::Rule>> Rules() const;
  absl::StatusOr<std::vector<v1::Region>> Regions() const;
  absl::StatusOr<std::vector<uint32_t>> RssTable(const std::string& device) const;
  const std::shared_ptr<RpcSession>& rpc() const { return rpc_; }

 private:
  AdminView() = default;
  std::shared_ptr<RpcSession> rpc_;
  std::unique_ptr<v1::LeaseService::Stub> leases_;
  std::unique_ptr<v1::RegionService::Stub> regions_;
  std::unique_ptr<v1::SteeringService::Stub> steering_;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SYSTEM_DAEMON_H_
