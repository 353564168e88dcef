// A server-streaming RPC that sends what a subscription holds, one message at a time.
//
//   publisher --Push/Notify--> Subscription (at most 256) --Pump--> StartWrite --OnWriteDone-->
//   Pump
//
// No thread waits for the reader: while a write is under way, events gather in the subscription,
// which ends with ABORTED when they are too many. The watch ends when the subscription does, when
// the peer goes, or when the call is cancelled; exactly one operation is under way at a time.
//
// Thread-safe. It lives as long as gRPC or a publisher's callback knows it.
#ifndef QSPLIT_DAEMON_INGRESS_WATCH_H_
#define QSPLIT_DAEMON_INGRESS_WATCH_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "daemon/ingress/rpc_call.h"
#include "daemon/lease/subscription.h"
#include "daemon/policy/error.h"

namespace qsplit::ingress {

// How many watches there may be, all together.
class WatchBudget {
 public:
  explicit WatchBudget(size_t most) : most_(most) {}
  bool Take() {
    if (used_.fetch_add(1, std::memory_order_relaxed) < most_) return true;
    Give();
    return false;
  }
  void Give() { used_.fetch_sub(1, std::memory_order_relaxed); }
  size_t most() const { return most_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const size_t most_;
  std::atomic<size_t> used_{0};
};

template <typename Event>
class Watch : public std::enable_shared_from_this<Watch<Event>> {
 public:
  using Source = lease::Subscription<Event>;

  // `call` is a literal: the RPC's name.
  static std::shared_ptr<Watch> Create(std::string_view call, WatchBudget& budget) {
    std::shared_ptr<Watch> watch(new Watch(call, budget));
    watch->reactor_ = new Reactor(watch);
    return watch;
  }

  // For the RPC handler to return. gRPC owns it.
  grpc::ServerWriteReactor<Event>* reactor() { return reactor_; }

  // What the subscription's publisher calls.
  typename Source::OnReady OnReady() {
    return [weak = this->weak_from_this()] {
      if (auto watch = weak.lock()) watch->Pump();
    };
  }

  // Once: the subscription to send from, or why there is none.
  void Begin(absl::StatusOr<std::shared_ptr<Source>> source) {
    if (source.ok() && !TakePlace()) {
      (*source)->Close();
      source = policy::Error(v1::ERROR_REASON_QUOTA, "", std::to_string(budget_.used()),
                             std::to_string(budget_.most()),
                             "too many watches are open; close one, or try later");
    }
    {
      std::lock_guard lock(mutex_);
      if (source.ok()) {
        source_ = *std::move(source);
      } else {
        source_ = std::make_shared<Source>(nullptr);
        source_->End(source.status(), true);
      }
    }
    Pump();
  }

  // True while it waits for events: a reader that keeps up.
  bool Idle() const {
    std::lock_guard lock(mutex_);
    return !writing_ && !finished_;
  }
  bool finished() const {
    std::lock_guard lock(mutex_);
    return finished_ || cancelled_;
  }

 private:
  class Reactor final : public grpc::ServerWriteReactor<Event> {
   public:
    explicit Reactor(std::shared_ptr<Watch> watch) : watch_(std::move(watch)) {}
    void OnWriteDone(bool ok) override { watch_->OnWriteDone(ok); }
    void OnCancel() override { watch_->OnCancel(); }
    void OnDone() override {
      watch_->OnDone();
      delete this;
    }

   private:
    const std::shared_ptr<Watch> watch_;
  };

  Watch(std::string_view call, WatchBudget& budget) : call_(call), budget_(budget) {}

  bool TakePlace() { return has_place_ = budget_.Take(); }

  // Starts the next operation, if none is under way. The operation itself starts outside of the
  // lock; that nobody else starts one is `writing_` and `finished_`'s to say.
  void Pump() {
    std::optional<absl::Status> end;
    {
      std::lock_guard lock(mutex_);
      if (source_ == nullptr || writing_ || finished_) return;
      // In this order: an end that comes after the last event must not hide it.
      const absl::Status status = source_->status();
      std::optional<Event> event = source_->Next();
      if (cancelled_) {
        end = absl::CancelledError("the watch was cancelled");
      } else if (event) {
        current_ = *std::move(event);
        writing_ = true;
      } else if (!status.ok()) {
        end = status;
      } else {
        return;
      }
      finished_ = end.has_value();
    }
    if (end) {
      reactor_->Finish(ToGrpcStatus(NamedAfterCall(*end)));
    } else {
      reactor_->StartWrite(&current_);
    }
  }

  absl::Status NamedAfterCall(const absl::Status& status) const {
    const absl::string_view message = status.message();
    const bool named =
        message.substr(0, call_.size()) == absl::string_view(call_.data(), call_.size());
    return named ? status : policy::InCall(call_, status);
  }

  void OnWriteDone(bool ok) {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      cancelled_ = cancelled_ || !ok;
    }
    Pump();
  }

  void OnCancel() {
    {
      std::lock_guard lock(mutex_);
      cancelled_ = true;
    }
    Pump();
  }

  void OnDone() {
    std::shared_ptr<Source> source;
    {
      std::lock_guard lock(mutex_);
      finished_ = true;
      source = std::move(source_);
    }
    if (source != nullptr) source->Close();
    if (has_place_) budget_.Give();
  }

  const std::string_view call_;
  WatchBudget& budget_;
  Reactor* reactor_ = nullptr;  // gone after OnDone; not used once finished_
  bool has_place_ = false;

  mutable std::mutex mutex_;
  std::shared_ptr<Source> source_;
  Event current_;  // gRPC reads it while writing_
  bool writing_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_WATCH_H_
