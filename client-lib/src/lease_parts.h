// Inside of Lease: what it is made of, in the order in which it must go: queues, pools, mappings,
// then the session.
#ifndef QSPLIT_CLIENT_LIB_SRC_LEASE_PARTS_H_
#define QSPLIT_CLIENT_LIB_SRC_LEASE_PARTS_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client-lib/src/core.h"
#include "client-lib/src/grant_map.h"
#include "client-lib/src/lease_state.h"
#include "client-lib/src/queue_bell.h"
#include "client-lib/src/software.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/lease.h"
#include "qsplit/v1/lease.pb.h"

namespace qsplit::internal {

class LeaseParts {
 public:
  LeaseParts(std::shared_ptr<Core> session, v1::AcquireLeaseResponse response);
  // Releases.
  ~LeaseParts();
  LeaseParts(const LeaseParts&) = delete;
  LeaseParts& operator=(const LeaseParts&) = delete;

  // Everything behind AcquireLease: fetches, checks and maps the grant, fetches the layout, builds
  // the queues and posts buffers.
  absl::Status Build(const LeaseOptions& options, uint32_t buffers_per_pair);
  absl::Status Release();

  uint64_t id() const { return acquired.lease().lease_id(); }

  const std::shared_ptr<Core> core;
  const v1::AcquireLeaseResponse acquired;
  std::vector<std::string> roles_in_software;
  std::vector<std::string> features;
  std::shared_ptr<Region> region;
  std::shared_ptr<LeaseState> state;
  std::unique_ptr<GrantMap> map;
  std::vector<BufferPool*> pools;  // by pair; abandoned in the end
  std::vector<std::unique_ptr<RxQueue>> rx;
  std::vector<std::unique_ptr<TxQueue>> tx;

 private:
  absl::StatusOr<layout::VerifiedLayout> FetchLayout() const;
  absl::StatusOr<QueueBell> BellOf(const v1::QueueGrant& grant, bool receives,
                                   const std::string& what);
  absl::StatusOr<uint64_t> RegionIova() const;
  // What receive queues compute because it was asked for and the layout lacks it.
  absl::StatusOr<SoftwareWork> SoftwareOf(const LeaseOptions& options) const;
  absl::Status BuildRx(const layout::VerifiedLayout& layout, uint32_t i,
                       const LeaseOptions& options, const SoftwareWork& software);
  absl::StatusOr<dataplane::QueueView> TxViewOf(const layout::VerifiedLayout& layout, uint32_t i);
  absl::Status BuildTx(const layout::VerifiedLayout& layout, uint32_t i,
                       const dataplane::QueueView& view);
  // The lease is over: what holds a device that was leased whole, or a socket's queue, goes, at
  // once and for good. Any thread, while others use the queues.
  void LetGoOfDevice();

  bool watched_ = false;
  std::once_flag let_go_;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_LEASE_PARTS_H_
