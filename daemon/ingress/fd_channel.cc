#include "daemon/ingress/fd_channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

namespace qsplit::ingress {
namespace {

constexpr uint64_t kListenerTag = 0;
constexpr size_t kEventsPerRound = 256;
constexpr int kAcceptsPerRound = 64;
constexpr absl::Duration kListenerRest = absl::Milliseconds(100);
// One more than any request may carry, so that a surplus shows without being taken in whole.
constexpr size_t kMaxFdsReceived = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<FdChannel>> FdChannel::Start(FdChannelOptions options,
                                                            SessionHandler& handler) {
  auto listener = linux_sys::ListenUnix(options.path, SOCK_SEQPACKET, options.mode);
  if (!listener.ok()) return listener.status();
  auto poller = linux_sys::Poller::Create();
  if (!poller.ok()) return poller.status();
  if (auto added =
          poller->Add(listener->get(), kListenerTag, linux_sys::Poller::Interest::kReadable);
      !added.ok()) {
    return added;
  }
  std::unique_ptr<FdChannel> channel(
      new FdChannel(std::move(options), handler, *std::move(listener), *std::move(poller)));
  channel->thread_ = std::thread([raw = channel.get()] { raw->Run(); });
  return channel;
}

FdChannel::FdChannel(FdChannelOptions options, SessionHandler& handler, linux_sys::OwnedFd listener,
                     linux_sys::Poller poller)
    : options_(std::move(options)),
      handler_(handler),
      listener_(std::move(listener)),
      poller_(std::move(poller)),
      counts_(options_.max_connections, options_.max_connections_per_uid) {}

FdChannel::~FdChannel() {
  Stop();
  unlink(options_.path.c_str());
}

void FdChannel::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  poller_.Wake();
  if (thread_.joinable()) thread_.join();
}

void FdChannel::Run() {
  std::array<linux_sys::Poller::Event, kEventsPerRound> events;
  while (!stop_.load(std::memory_order_relaxed)) {
    const size_t count = poller_.Wait(events, NextTimeout(absl::Now()));
    bool accept = false;
    for (size_t i = 0; i < count; ++i) {
      if (events[i].tag == kListenerTag) {
        accept = true;  // after the ends, which make room
        continue;
      }
      const auto found = connections_.find(events[i].tag);
      if (found == connections_.end()) continue;
      // What was sent before a hang-up is not read any more: nobody is there for the answer.
      if (events[i].hung_up) {
        Close(events[i].tag, "peer is gone");
      } else if (events[i].readable) {
        OnReadable(events[i].tag, *found->second);
      }
    }
    if (accept) AcceptSome();
    CloseSilent(absl::Now());
  }
  listener_.Reset();
  while (!connections_.empty()) Close(connections_.begin()->first, "daemon stops");
}

absl::Duration FdChannel::NextTimeout(absl::Time now) const {
  absl::Time next = absl::InfiniteFuture();
  if (!hello_deadlines_.empty()) next = hello_deadlines_.front().time;
  if (listener_rests_until_ != absl::InfinitePast()) {
    next = std::min(next, listener_rests_until_);
  }
  return next == absl::InfiniteFuture() ? absl::InfiniteDuration()
                                        : std::max(next - now, absl::ZeroDuration());
}

void FdChannel::CloseSilent(absl::Time now) {
  while (!hello_deadlines_.empty() && hello_deadlines_.front().time <= now) {
    const uint64_t tag = hello_deadlines_.front().tag;
    hello_deadlines_.pop_front();
    const auto found = connections_.find(tag);
    if (found != connections_.end() && !found->second->protocol.is_open()) {
      Close(tag, "no hello in time");
    }
  }
  if (listener_rests_until_ != absl::InfinitePast() && listener_rests_until_ <= now) {
    listener_rests_until_ = absl::InfinitePast();
    if (!poller_.Add(listener_.get(), kListenerTag, linux_sys::Poller::Interest::kReadable).ok()) {
      listener_rests_until_ = now + kListenerRest;
    }
  }
}

void FdChannel::RestListener() {
  poller_.Remove(listener_.get());
  listener_rests_until_ = absl::Now() + kListenerRest;
}

void FdChannel::AcceptSome() {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    linux_sys::Accepted accepted = linux_sys::AcceptUnix(listener_.get());
    if (accepted.outcome == linux_sys::AcceptOutcome::kNone) return;
    if (accepted.outcome == linux_sys::AcceptOutcome::kGone) continue;
    uint64_t suppressed = 0;
    if (accepted.outcome == linux_sys::AcceptOutcome::kNoResource) {
      if (log_limit_.Allow(suppressed)) {
        log::Warning("session_accept_failed", {{"errno", accepted.error},
                                               {"connections", counts_.total()},
                                               {"suppressed", suppressed}});
      }
      return RestListener();
    }
    auto peer = linux_sys::ReadPeerCredentials(accepted.fd.get());
    if (!peer.ok()) continue;
    const uint32_t uid = peer->uid;
    if (!counts_.Add(uid)) {
      if (log_limit_.Allow(suppressed)) {
        log::Warning("session_refused", {{"uid", uid},
                                         {"pid", peer->pid},
                                         {"why", "too many connections"},
                                         {"suppressed", suppressed}});
      }
      continue;
    }
    const uint64_t tag = next_tag_++;
    const int fd = accepted.fd.get();
    if (!poller_.Add(fd, tag, linux_sys::Poller::Interest::kReadable).ok()) {
      counts_.Remove(uid);
      continue;
    }
    connections_.emplace(tag, std::make_unique<Connection>(std::move(accepted.fd), handler_,
                                                           *std::move(peer), options_.version));
    connection_count_.store(counts_.total(), std::memory_order_relaxed);
    hello_deadlines_.push_back({absl::Now() + options_.hello_timeout, tag});
  }
}

void FdChannel::OnReadable(uint64_t tag, Connection& connection) {
  std::array<uint8_t, kMaxSessionMessage> buffer;
  linux_sys::ReceivedPacket packet =
      linux_sys::ReceivePacket(connection.fd.get(), buffer, kMaxFdsReceived);
  if (packet.outcome == linux_sys::ReceiveOutcome::kNone) return;
  if (packet.outcome == linux_sys::ReceiveOutcome::kClosed) return Close(tag, "peer is gone");
  const bool was_open = connection.protocol.is_open();
  SessionConnection::Answer answer =
      connection.protocol.Handle(std::span(buffer).first(packet.bytes), std::move(packet.fds),
                                 packet.truncated || packet.fds_lost);
  if (!answer.reply.empty()) {
    std::vector<int> fds;
    fds.reserve(answer.fds.size());
    for (const auto& fd : answer.fds) fds.push_back(fd->get());
    const auto* bytes = reinterpret_cast<const uint8_t*>(answer.reply.data());
    switch (linux_sys::SendPacket(connection.fd.get(), {bytes, answer.reply.size()}, fds)) {
      case linux_sys::SendOutcome::kSent:
        break;
      case linux_sys::SendOutcome::kFull:
        return Close(tag, "does not read its replies");
      case linux_sys::SendOutcome::kClosed:
        return Close(tag, "peer is gone");
    }
  }
  if (answer.close) return Close(tag, answer.violation != nullptr ? answer.violation : "refused");
  uint64_t suppressed = 0;
  if (!was_open && connection.protocol.is_open() && log_limit_.Allow(suppressed)) {
    log::Info("session_opened", {{"session", connection.protocol.session()},
                                 {"uid", connection.protocol.peer().uid},
                                 {"pid", connection.protocol.peer().pid},
                                 {"suppressed", suppressed}});
  }
}

void FdChannel::Close(uint64_t tag, const char* why) {
  const auto found = connections_.find(tag);
  if (found == connections_.end()) return;
  const std::unique_ptr<Connection> connection = std::move(found->second);
  connections_.erase(found);
  const uint32_t uid = connection->protocol.peer().uid;
  poller_.Remove(connection->fd.get());
  counts_.Remove(uid);
  connection_count_.store(counts_.total(), std::memory_order_relaxed);
  uint64_t suppressed = 0;
  if (log_limit_.Allow(suppressed)) {
    log::Info("session_closed", {{"session", connection->protocol.session()},
                                 {"uid", uid},
                                 {"why", why},
                                 {"suppressed", suppressed}});
  }
}

}  // namespace qsplit::ingress
