// A client below the library, for programs that mean harm: it calls the daemon by the generated
// stubs, and drives the rings of its leases by the data plane's drivers, so that it can post
// anything anywhere. Layouts tell it all that it knows of a device.
//
// What it maps is shared with the daemon and the device, as a client's memory is. Any thread may
// call RawClient; a RawLease belongs to whoever took it.
#ifndef QSPLIT_TESTS_HOSTILE_RAW_CLIENT_H_
#define QSPLIT_TESTS_HOSTILE_RAW_CLIENT_H_

#include <qsplit/rpc_session.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client-lib/src/grant_map.h"
#include "client-lib/src/owned_fd.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_driver.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "tests/hostile/ask_again.h"

namespace qsplit::testing {

// Memory of ours, registered. Mapped until the program ends.
struct Memory {
  internal::OwnedFd fd;
  std::span<std::byte> bytes;
  uint64_t region = 0;
};

// What one lease gave us.
struct RawLease {
  RawLease(v1::Lease of, v1::Grant got, internal::GrantMap mapped)
      : lease(std::move(of)), grant(std::move(got)), map(std::move(mapped)) {}

  v1::Lease lease;
  v1::Grant grant;
  internal::GrantMap map;
  std::vector<dataplane::TxDriver> tx;
  std::vector<dataplane::RxDriver> rx;
  std::vector<std::span<std::byte>> slots;  // of each ring
  std::vector<uint32_t> slot_counts;        // parallel to slots
  std::vector<std::byte*> cells;            // doorbells, index cells, event requests, need_wakeup
  std::vector<int> wakeups;
  int ring_memory = -1;  // the map's
  int function = -1;     // the VFIO device, if it is ours; the map's
  uint64_t ring_memory_bytes = 0;

  uint64_t id() const { return lease.lease_id(); }
  // Where the device sees it; 0: not in this lease.
  uint64_t IovaOf(const Memory& memory) const;
  // Wakes whatever serves the rings.
  void Wake() const;
};

class RawClient {
 public:
  RawClient(const std::string& runtime_dir, const std::string& program);

  // Opens the session and gets the device's layouts.
  absl::Status Open(const std::string& device);
  absl::StatusOr<v1::Device> GetDevice();
  const std::vector<layout::VerifiedLayout>& layouts() const { return layouts_; }
  RpcSession& rpc() { return *rpc_; }
  v1::LeaseService::Stub& leases() { return *leases_; }

  // A call that is made again while the device is busy.
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    uint64_t busy = 0;
    absl::Status status = AskAgain([&] { return Once(stub, method, request, response); }, busy);
    busy_ += busy;
    return status;
  }
  // How often it was.
  uint64_t busy() const { return busy_; }

  absl::StatusOr<Memory> Register(uint64_t bytes, bool read_only);
  // Sets request.layout's or the chosen layout's drivers up. What transmit queues say beside their
  // rings stands in the second half of `scratch`, a region of the request's.
  absl::StatusOr<std::unique_ptr<RawLease>> Acquire(const v1::AcquireLeaseRequest& request,
                                                    const Memory& scratch);
  // In ethtool's words.
  absl::Status AddRule(uint64_t lease, const std::string& words);
  absl::StatusOr<v1::Lease> Get(uint64_t lease);
  // Keeps whatever the grant gave. A device that is too busy does it later.
  absl::Status Release(uint64_t lease);

 private:
  template <typename Stub, typename Request, typename Response>
  absl::Status Once(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    rpc_->PrepareContext(context);
    return rpc_->ToStatus((stub.*method)(&context, request, response));
  }
  absl::Status Take(RawLease& lease, const v1::QueueGrant& grant,
                    const layout::VerifiedLayout& layout, bool transmit, const Memory& scratch);

  std::shared_ptr<RpcSession> rpc_;
  std::unique_ptr<v1::LeaseService::Stub> leases_;
  std::string device_;
  std::vector<layout::VerifiedLayout> layouts_;
  std::atomic<uint64_t> busy_ = 0;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_HOSTILE_RAW_CLIENT_H_
