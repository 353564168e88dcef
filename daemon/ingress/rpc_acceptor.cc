#include "daemon/ingress/rpc_acceptor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/time/clock.h"
#include "daemon/linux/unix_seqpacket.h"

namespace qsplit::ingress {
namespace {

constexpr uint64_t kListenerTag = 0;
constexpr int kAcceptsPerRound = 64;
constexpr absl::Duration kListenerRest = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<RpcAcceptor>> RpcAcceptor::Start(RpcAcceptorOptions options,
                                                                Serve serve) {
  auto listener = linux_sys::ListenUnix(options.path, SOCK_STREAM, options.mode);
  if (!listener.ok()) return listener.status();
  auto poller = linux_sys::Poller::Create();
  if (!poller.ok()) return poller.status();
  if (auto added =
          poller->Add(listener->get(), kListenerTag, linux_sys::Poller::Interest::kReadable);
      !added.ok()) {
    return added;
  }
  std::unique_ptr<RpcAcceptor> acceptor(new RpcAcceptor(std::move(options), std::move(serve),
                                                        *std::move(listener), *std::move(poller)));
  acceptor->thread_ = std::thread([raw = acceptor.get()] { raw->Run(); });
  return acceptor;
}

RpcAcceptor::RpcAcceptor(RpcAcceptorOptions options, Serve serve, linux_sys::OwnedFd listener,
                         linux_sys::Poller poller)
    : options_(std::move(options)),
      serve_(std::move(serve)),
      listener_(std::move(listener)),
      poller_(std::move(poller)),
      counts_(options_.max_connections, options_.max_connections_per_uid) {}

RpcAcceptor::~RpcAcceptor() {
  Stop();
  unlink(options_.path.c_str());
}

void RpcAcceptor::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  poller_.Wake();
  if (thread_.joinable()) thread_.join();
}

void RpcAcceptor::Run() {
  std::array<linux_sys::Poller::Event, 256> events;
  while (!stop_.load(std::memory_order_relaxed)) {
    absl::Duration timeout = absl::InfiniteDuration();
    if (listener_rests_until_ != absl::InfinitePast()) {
      timeout = std::max(listener_rests_until_ - absl::Now(), absl::ZeroDuration());
    }
    const size_t count = poller_.Wait(events, timeout);
    bool accept = false;
    for (size_t i = 0; i < count; ++i) {
      if (events[i].tag == kListenerTag) {
        accept = true;
        continue;
      }
      const auto found = watched_.find(events[i].tag);
      if (found == watched_.end()) continue;
      poller_.Remove(found->second.fd.get());
      counts_.Remove(found->second.uid);
      watched_.erase(found);
    }
    if (listener_rests_until_ != absl::InfinitePast() && listener_rests_until_ <= absl::Now()) {
      listener_rests_until_ = absl::InfinitePast();
      if (!poller_.Add(listener_.get(), kListenerTag, linux_sys::Poller::Interest::kReadable)
               .ok()) {
        listener_rests_until_ = absl::Now() + kListenerRest;
      }
    }
    if (accept) AcceptSome();
    connection_count_.store(counts_.total(), std::memory_order_relaxed);
  }
  listener_.Reset();
}

void RpcAcceptor::RestListener() {
  uint64_t suppressed = 0;
  if (log_limit_.Allow(suppressed)) {
    log::Warning("rpc_accept_failed",
                 {{"why", "no descriptors left"}, {"connections", counts_.total()}});
  }
  poller_.Remove(listener_.get());
  listener_rests_until_ = absl::Now() + kListenerRest;
}

void RpcAcceptor::AcceptSome() {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    linux_sys::Accepted accepted = linux_sys::AcceptUnix(listener_.get());
    if (accepted.outcome == linux_sys::AcceptOutcome::kNone) return;
    if (accepted.outcome == linux_sys::AcceptOutcome::kGone) continue;
    if (accepted.outcome == linux_sys::AcceptOutcome::kNoResource ||
        !Take(std::move(accepted.fd))) {
      return RestListener();
    }
  }
}

bool RpcAcceptor::Take(linux_sys::OwnedFd fd) {
  const auto peer = linux_sys::ReadPeerCredentials(fd.get());
  if (!peer.ok()) return true;
  if (!counts_.Add(peer->uid)) {
    uint64_t suppressed = 0;
    if (log_limit_.Allow(suppressed)) {
      log::Warning("rpc_connection_refused", {{"uid", peer->uid},
                                              {"pid", peer->pid},
                                              {"why", "too many connections"},
                                              {"suppressed", suppressed}});
    }
    return true;
  }
  Watched watched{linux_sys::OwnedFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)), peer->uid};
  const uint64_t tag = next_tag_++;
  if (!watched.fd.valid() ||
      !poller_.Add(watched.fd.get(), tag, linux_sys::Poller::Interest::kHangUpOnly).ok()) {
    counts_.Remove(peer->uid);
    return false;
  }
  watched_.emplace(tag, std::move(watched));
  connection_count_.store(counts_.total(), std::memory_order_relaxed);
  serve_(std::move(fd));
  return true;
}

}  // namespace qsplit::ingress
