#include "client-lib/src/lease_watcher.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "qsplit/rpc_session.h"
#include "qsplit/v1/lease.grpc.pb.h"

namespace qsplit::internal {
namespace {

constexpr std::chrono::milliseconds kRetryAfter(200);

std::string FaultText(const v1::Fault& fault) {
  const std::string where = absl::StrCat(fault.transmit() ? "transmit" : "receive", " queue ",
                                         fault.queue(), ", slot ", fault.slot());
  switch (fault.kind()) {
    case v1::FAULT_KIND_UNMAPPED:
      return absl::StrFormat("%s: address %#x, length %d, lies in no region of the lease", where,
                             fault.iova(), fault.length_bytes());
    case v1::FAULT_KIND_READ_ONLY:
      return absl::StrFormat("%s: address %#x, length %d, lies in a read-only region", where,
                             fault.iova(), fault.length_bytes());
    case v1::FAULT_KIND_BAD_INDEX:
      return absl::StrFormat("%s: the doorbell said %d, which is no slot of the ring", where,
                             fault.length_bytes());
    case v1::FAULT_KIND_ENDLESS_CHAIN:
      return absl::StrCat(where, ": a packet over more descriptors than the ring or layout allows");
    case v1::FAULT_KIND_BAD_DESCRIPTOR:
      return absl::StrCat(where, ": a descriptor of no form of the layout");
    case v1::FAULT_KIND_BAD_PACKET:
      return absl::StrCat(where, ": a packet that the device cannot send");
    default:
      return absl::StrCat(where, ": fault of kind ", static_cast<int>(fault.kind()));
  }
}

}  // namespace

LeaseWatcher::~LeaseWatcher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LeaseWatcher::Start() {
  std::lock_guard lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void LeaseWatcher::Add(uint64_t lease_id, Sink sink) {
  std::lock_guard delivery(delivery_mutex_);
  std::vector<LeaseEvent> missed;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(early_, [&](const auto& item) {
      if (item.first == lease_id) missed.push_back(item.second);
      return item.first == lease_id;
    });
    if (daemon_gone_) {
      missed.push_back({.kind = LeaseEvent::Kind::kDaemonGone, .text = "qsplitd is gone"});
    }
    sinks_[lease_id] = sink;
  }
  for (const LeaseEvent& event : missed) sink(event);
}

void LeaseWatcher::Remove(uint64_t lease_id) {
  std::lock_guard delivery(delivery_mutex_);
  std::lock_guard lock(mutex_);
  sinks_.erase(lease_id);
}

void LeaseWatcher::Deliver(uint64_t lease_id, const LeaseEvent& event) {
  std::lock_guard delivery(delivery_mutex_);
  Sink sink;
  {
    std::lock_guard lock(mutex_);
    const auto found = sinks_.find(lease_id);
    if (found == sinks_.end()) {
      if (early_.size() < kMaxEarly) early_.emplace_back(lease_id, event);
      return;
    }
    sink = found->second;
  }
  sink(event);
}

void LeaseWatcher::Run() {
  while (ReadStream()) {
  }
}

bool LeaseWatcher::ReadStream() {
  grpc::ClientContext context;
  session_.PrepareContext(context, absl::InfiniteDuration());
  const std::unique_ptr<v1::LeaseService::Stub> stub =
      v1::LeaseService::NewStub(session_.channel());
  std::unique_ptr<grpc::ClientReader<v1::WatchLeasesResponse>> reader;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    reader = stub->WatchLeases(&context, v1::WatchLeasesRequest());
    context_ = &context;
  }
  v1::WatchLeasesResponse response;
  while (reader->Read(&response)) {
    LeaseEvent event;
    if (response.event() == v1::LEASE_EVENT_FAULT) {
      const v1::Fault& fault = response.fault();
      event = {.kind = LeaseEvent::Kind::kFault,
               .transmit = fault.transmit(),
               .queue = fault.queue(),
               .slot = fault.slot(),
               .iova = fault.iova(),
               .length_bytes = fault.length_bytes(),
               .text = FaultText(fault)};
    } else if (response.event() == v1::LEASE_EVENT_REVOKED ||
               (response.event() == v1::LEASE_EVENT_PRESENT &&
                response.lease().state() == v1::LEASE_STATE_REVOKED)) {
      event = {.kind = LeaseEvent::Kind::kRevoked,
               .text = "the lease was revoked, by an operator or because its device has gone"};
    } else if (response.event() == v1::LEASE_EVENT_PRESENT &&
               response.lease().state() == v1::LEASE_STATE_FAULTED) {
      event = {.kind = LeaseEvent::Kind::kFault, .text = "a fault stopped a queue of the lease"};
    } else if (response.event() == v1::LEASE_EVENT_RELEASED) {
      event = {.kind = LeaseEvent::Kind::kReleased, .text = "the lease was released"};
    } else {
      continue;
    }
    Deliver(response.lease().lease_id(), event);
  }
  const grpc::Status status = reader->Finish();
  std::vector<uint64_t> leases;
  {
    std::lock_guard lock(mutex_);
    context_ = nullptr;
    if (stopping_) return false;
    if (status.error_code() == grpc::StatusCode::ABORTED) return true;
  }
  // The stream alone may have ended (a limit, a connection that was cut); the session's socket
  // knows whether the daemon lives.
  const bool alive = session_.Ping().ok();
  {
    std::unique_lock lock(mutex_);
    if (alive) {
      stop_.wait_for(lock, kRetryAfter, [this] { return stopping_; });
      return !stopping_;
    }
    if (stopping_) return false;
    daemon_gone_ = true;
    for (const auto& [id, sink] : sinks_) leases.push_back(id);
  }
  for (const uint64_t id : leases) {
    Deliver(id, {.kind = LeaseEvent::Kind::kDaemonGone,
                 .text = absl::StrCat("qsplitd ended the watch: ", status.error_message())});
  }
  return false;
}

}  // namespace qsplit::internal
