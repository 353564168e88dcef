// Why a queue of a netdev is empty: what lies between the driver and the lease's rings.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/backend/af_xdp/af_xdp_device.h"
#include "daemon/device/held_queue.h"
#include "daemon/linux/process_identity.h"

namespace qsplit::af_xdp {
namespace {

using device::CheckVerdict;
using device::QueueCheck;
using Level = SocketLease::Level;
using QueueLevels = SocketLease::QueueLevels;

QueueCheck Wrong(std::string subject, std::string finding, std::string remedy) {
  return {std::move(subject), CheckVerdict::kWrong, std::move(finding), std::move(remedy)};
}

QueueCheck Note(std::string subject, std::string finding, std::string remedy, uint64_t count = 0) {
  return {std::move(subject), CheckVerdict::kNote, std::move(finding), std::move(remedy), count};
}

QueueCheck Good(std::string subject, std::string finding) {
  return {std::move(subject), CheckVerdict::kGood, std::move(finding), {}};
}

std::string Of(const Level& level) { return absl::StrCat(level.filled, " of ", level.slots); }

// Indices that a client has written are anything.
bool IsTorn(const Level& level) { return level.filled > level.slots; }

QueueCheck TornCheck(std::string subject) {
  return Wrong(std::move(subject), "its producer and consumer are further apart than it has slots",
               "mend the program: it writes the ring's indices wrongly");
}

QueueCheck ProgramCheck(const SteeringState& state) {
  if (!state.attached) {
    return Wrong("XDP program", "it is not on the netdev any more: somebody has detached it",
                 "end the leases of the netdev and remove operators' rules: then it is put back");
  }
  std::string finding = absl::StrCat("on the netdev, ", std::string(NameOf(state.mode)), " mode");
  if (!state.native_failure.empty()) absl::StrAppend(&finding, " (", state.native_failure, ")");
  absl::StrAppend(&finding, state.by_constants ? ", made for these rules" : ", for any rules");
  if (state.made.ok()) return Good("XDP program", std::move(finding));
  // It steers all the same, and costs each packet some nanoseconds more.
  absl::StrAppend(&finding, ": ", state.made.message());
  return Good("XDP program", std::move(finding));
}

QueueCheck SocketCheck(const absl::StatusOr<SocketEntry>& entry, bool leased) {
  constexpr char kSubject[] = "map of sockets";
  if (!entry.ok()) return Note(kSubject, std::string(entry.status().message()), "");
  switch (*entry) {
    case SocketEntry::kOfThisQueue:
      return Good(kSubject, "the lease's socket stands there for the queue");
    case SocketEntry::kOfAnotherQueue:
      return Wrong(kSubject, "the socket of another queue stands there", "lease the queue again");
    case SocketEntry::kNone:
      break;
  }
  if (!leased) {
    return Note(
        kSubject, "no socket stands there for the queue, so packets go to the kernel",
        "if the queue cannot be leased, `ss --xdp -p` shows whose socket is bound to it; "
        "where it lists nothing, `lsof -nP | grep 'protocol: XDP'` shows who has such sockets");
  }
  return Wrong(kSubject, "no socket stands there for the queue, so packets go to the kernel",
               "lease the queue again");
}

// With zero copy the driver takes buffers long before packets are there for them, and the kernel
// shows late how far it has come. Packets of the kernel, and those that are dropped, give theirs
// back to the driver.
QueueCheck DriverCheck(const QueueLevels& levels) {
  constexpr char kSubject[] = "fill ring";
  // Drivers refill in pieces, of some 16.
  constexpr uint32_t kFew = 16;
  std::string finding =
      absl::StrCat("ring and driver together have ", levels.held, " buffers for packets");
  if (levels.posted.filled == 0 && levels.held < std::min(kFew, levels.posted.slots)) {
    return Wrong(
        kSubject,
        finding + ", so that nothing arrives at this queue, neither for the lease nor the kernel",
        "the program has to take packets and post buffers: it may hang, or hold on to all of them");
  }
  return Good(kSubject, std::move(finding));
}

QueueCheck FillCheck(const QueueLevels& levels) {
  constexpr char kSubject[] = "fill ring";
  if (IsTorn(levels.posted)) return TornCheck(kSubject);
  if (levels.zero_copy) return DriverCheck(levels);
  if (levels.posted.filled == 0) {
    return Wrong(kSubject,
                 absl::StrCat("it is empty: the kernel has no buffer to put a packet in; ",
                              levels.statistics.rx_fill_ring_empty, " packets were lost so"),
                 "the program has to post receive buffers: it may hang, or hold on to all of them");
  }
  std::string finding = absl::StrCat(Of(levels.posted), " buffers are posted");
  if (levels.posted.need_wakeup) {
    return Note(kSubject, finding + ", and the driver sleeps",
                "the program calls poll or recvfrom when the ring's flag is set");
  }
  return Good(kSubject, std::move(finding));
}

QueueCheck RxCheck(const QueueLevels& levels) {
  constexpr char kSubject[] = "receive ring";
  if (IsTorn(levels.completed)) return TornCheck(kSubject);
  if (levels.completed.filled == levels.completed.slots) {
    return Wrong(kSubject,
                 absl::StrCat("it is full: ", levels.statistics.rx_ring_full,
                              " packets were lost because nobody took those before them"),
                 "the program has to take packets: it hangs, or is too slow");
  }
  return Good(kSubject, absl::StrCat(Of(levels.completed), " packets wait for the program"));
}

QueueCheck BoundCheck(uint32_t queue, const QueueLevels& levels, const std::string& why_copied,
                      uint32_t busy_poll_us) {
  constexpr char kSubject[] = "socket";
  std::string finding = absl::StrCat("bound to queue ", queue, ", packets ",
                                     why_copied.empty() ? "zero copy" : "copied: ", why_copied,
                                     levels.multi_buffer ? "; takes packets of several buffers"
                                                         : "; takes no packets of several buffers");
  if (!levels.busy_poll_reason.empty()) {
    return Note(kSubject, absl::StrCat(finding, "; polls nothing: ", levels.busy_poll_reason),
                "busy polling needs CAP_NET_ADMIN, and a budget that the kernel takes");
  }
  if (busy_poll_us != 0) absl::StrAppend(&finding, "; polls ", busy_poll_us, " us in each call");
  return Good(kSubject, std::move(finding));
}

QueueCheck BusyPollCheck(uint32_t napi_id) {
  constexpr char kSubject[] = "busy polling";
  if (napi_id != 0) return Good(kSubject, absl::StrCat("calls poll NAPI ", napi_id));
  return Note(kSubject,
              "the driver has told the kernel no NAPI for the queue, so that calls poll nothing",
              "leave busy_poll out, or use a driver that does (netif_queue_set_napi)");
}

QueueCheck InvalidCheck(uint64_t count, bool transmit) {
  if (count == 0 && transmit) return Good("UMEM", "every address so far was inside");
  // xsk_getsockopt shows those of another ring, which has none.
  if (count == 0) {
    return Good("UMEM", "buffers outside of it count as lost for want of a buffer");
  }
  return Note("UMEM", absl::StrCat("the kernel refused ", count, " descriptors"),
              "the program names addresses outside of its regions, or packets that reach from one "
              "chunk into the next",
              count);
}

QueueCheck TxCheck(const QueueLevels& levels) {
  constexpr char kSubject[] = "transmit ring";
  if (IsTorn(levels.posted)) return TornCheck(kSubject);
  std::string finding = absl::StrCat(Of(levels.posted), " packets wait for the kernel");
  if (levels.posted.filled != 0 && levels.posted.need_wakeup) {
    return Note(
        kSubject, finding + ", which wants to be told",
        "the program calls sendto after it has written the ring; what sendto refuses (EINVAL: "
        "its metadata is wrong, or has no room) stays the first, and all others wait");
  }
  return Good(kSubject, std::move(finding));
}

QueueCheck CompletionCheck(const QueueLevels& levels) {
  constexpr char kSubject[] = "completion ring";
  if (IsTorn(levels.completed)) return TornCheck(kSubject);
  if (levels.completed.filled == levels.completed.slots) {
    return Wrong(kSubject, "it is full, so the kernel sends nothing more",
                 "the program has to take completions");
  }
  return Good(kSubject, absl::StrCat(Of(levels.completed), " completions wait for the program"));
}

}  // namespace

// Whether the NIC lets packets arrive at the queue at all.
QueueCheck AfXdpDevice::ArrivalCheck(uint32_t queue) {
  constexpr char kSubject[] = "arrival";
  const absl::StatusOr<linux_sys::RssState> rss = ethtool_->GetRss();
  if (nic_ != nullptr && Leased(queue)) return NicCheck(queue, rss);
  if (rss.ok() && !rss->table.empty() && std::ranges::count(rss->table, queue) == 0) {
    return Wrong(kSubject, "the NIC's RSS table does not name the queue, so nothing arrives at it",
                 absl::StrCat("`ethtool -X ", config_.netdev, " equal ", rx_queues_, "`"));
  }
  const uint64_t astray = program_->ReadReasons().passed_wrong_queue.packets;
  if (astray == 0) return Good(kSubject, "the NIC spreads packets over its queues");
  return Note(kSubject,
              absl::StrCat(astray,
                           " packets met a rule of a lease, arrived at a queue that it does not "
                           "hold, and went to the kernel"),
              "a socket takes only what arrives at its queue: lease all queues, or set `channels` "
              "to as few as are leased",
              astray);
}

// Where the NIC steers: whether it still does as it was told.
QueueCheck AfXdpDevice::NicCheck(uint32_t queue,
                                 const absl::StatusOr<linux_sys::RssState>& rss) const {
  constexpr char kSubject[] = "arrival";
  std::vector<uint32_t> lost;
  for (const uint32_t location : program_->LocationsTo(queue)) {
    if (!nic_->Brings(location, queue)) lost.push_back(location);
  }
  if (!lost.empty()) {
    return Wrong(kSubject,
                 absl::StrCat("the NIC has no longer the filter of rule ",
                              absl::StrJoin(lost, ", "), ", which somebody has removed"),
                 "remove the rule and add it again; `ethtool -n` shows the NIC's filters");
  }
  if (rss.ok() && std::ranges::count(rss->table, queue) != 0) {
    return Note(kSubject,
                "somebody has put the queue back into the NIC's RSS table, so that packets for the "
                "kernel arrive at it",
                absl::StrCat("leave its channels and its table (`ethtool -L`, `ethtool -X ",
                             config_.netdev, "`) alone while queues are leased"));
  }
  const std::string places = absl::StrJoin(
      program_->LocationsTo(queue), ", ", [this](std::string* out, uint32_t location) {
        absl::StrAppend(out, "rule ", location, " at ", *nic_->PlaceOf(location));
      });
  return Good(kSubject, absl::StrCat("the queue is out of the NIC's RSS table; its own rules bring "
                                     "packets (`ethtool -n`: ",
                                     places.empty() ? "none" : places, ")"));
}

// Rules that ask for a VLAN tag, where the NIC takes tags off before the program sees a packet.
std::optional<QueueCheck> AfXdpDevice::TagCheck(uint32_t queue) const {
  std::vector<uint32_t> blind = program_->LocationsOfTagsTo(queue);
  if (blind.empty() || !TakesTagsOff()) return std::nullopt;
  const std::vector<device::RuleCounters> counters = program_->ReadRuleCounters();
  std::erase_if(blind, [&counters](uint32_t location) {
    const auto of = std::ranges::find(counters, location, &device::RuleCounters::location);
    return of != counters.end() && of->packets != 0;
  });
  if (blind.empty()) return std::nullopt;
  const bool all = blind.size() == program_->LocationsTo(queue).size();
  return QueueCheck{
      .subject = "VLAN tags",
      .verdict = all ? CheckVerdict::kWrong : CheckVerdict::kNote,
      .finding = absl::StrCat("rule ", absl::StrJoin(blind, ", "),
                              " asks for a VLAN tag and has taken nothing: the NIC takes tags off "
                              "before a rule sees them"),
      .remedy =
          absl::StrCat("`ethtool -K ", config_.netdev, " rxvlan off` leaves them where they are")};
}

bool AfXdpDevice::Leased(uint32_t queue) const {
  return std::ranges::any_of(leases_, [queue](const auto& lease) {
    return std::ranges::count(lease.second->request().rx_queues, queue) != 0;
  });
}

// What the NIC itself lost, of all queues.
QueueCheck AfXdpDevice::NetdevDropCheck() const {
  constexpr char kSubject[] = "netdev drops";
  const auto link = watch_->link().GetCounters();
  if (!link.ok()) return Note(kSubject, std::string(link.status().message()), "");
  std::string finding = absl::StrCat(
      "of all its queues since it was made, ", link->rx_missed + link->rx_fifo,
      " packets for want of room in the NIC, ", link->rx_dropped, " by the driver or the kernel");
  if (link->rx_missed + link->rx_fifo == 0) return Good(kSubject, std::move(finding));
  return Note(kSubject, std::move(finding),
              absl::StrCat("if it grows: `ethtool -S ", config_.netdev,
                           "` says of which queue; longer rings (`ethtool -G`), or programs that "
                           "post buffers sooner"),
              link->rx_missed + link->rx_fifo);
}

// Who may still hold the socket of a queue that nobody leases.
std::optional<QueueCheck> AfXdpDevice::FormerCheck(uint32_t queue) const {
  const Holder* const holder = FormerHolder(queue);
  if (holder == nullptr) return std::nullopt;
  return Note(device::kFormerHolder,
              absl::StrCat("process ", holder->pid, " (", linux_sys::ProgramOf(holder->pid),
                           ") had lease ", holder->lease, " of the queue, and still runs"),
              "if the queue cannot be leased, that process holds its socket still: end it");
}

std::vector<QueueCheck> AfXdpDevice::ExamineQueue(uint32_t queue, bool transmit) {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return {Note("device", std::string(lock.status().message()), "ask again")};
  std::vector<QueueCheck> checks;
  if (!transmit) {
    checks.push_back(NetdevDropCheck());
    checks.push_back(ArrivalCheck(queue));
    if (std::optional<QueueCheck> tags = TagCheck(queue)) checks.push_back(*std::move(tags));
    checks.push_back(ProgramCheck(program_->State()));
    checks.push_back(SocketCheck(program_->LookForSocket(queue), Leased(queue)));
  }
  if (std::optional<QueueCheck> former = FormerCheck(queue)) checks.push_back(*std::move(former));
  for (const auto& [id, lease] : leases_) {
    const std::optional<QueueLevels> levels = lease->Levels(queue, transmit);
    if (!levels) continue;
    checks.push_back(BoundCheck(queue, *levels, lease->why_copied(), sockets_.busy_poll_us));
    if (transmit) {
      checks.push_back(TxCheck(*levels));
      checks.push_back(CompletionCheck(*levels));
      checks.push_back(InvalidCheck(levels->statistics.tx_invalid_descs, true));
    } else {
      checks.push_back(FillCheck(*levels));
      checks.push_back(RxCheck(*levels));
      if (sockets_.busy_poll_us != 0 && levels->busy_poll_reason.empty()) {
        checks.push_back(BusyPollCheck(levels->napi_id));
      }
      checks.push_back(InvalidCheck(levels->statistics.rx_invalid_descs, false));
    }
  }
  return checks;
}

std::optional<device::QueueProgress> AfXdpDevice::ReadProgress(uint32_t queue,
                                                               bool transmit) const {
  const absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return std::nullopt;
  for (const auto& [id, lease] : leases_) {
    if (const std::optional<QueueLevels> levels = lease->Levels(queue, transmit)) {
      return device::QueueProgress{
          .position = levels->holder_position,
          .waiting = std::min(levels->completed.filled, levels->completed.slots)};
    }
  }
  return std::nullopt;
}

absl::StatusOr<device::RingImage> AfXdpDevice::ReadRing(const device::RingSelection& wanted) const {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  for (const auto& [id, lease] : leases_) {
    const auto& queues = wanted.transmit ? lease->request().tx_queues : lease->request().rx_queues;
    if (std::ranges::find(queues, wanted.queue) != queues.end()) return lease->ReadRing(wanted);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("nobody leases queue ", wanted.queue, ", so it has no rings"));
}

}  // namespace qsplit::af_xdp
