#include "daemon/lease/queue_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace qsplit::lease {
namespace {

using device::CheckVerdict;
using device::QueueCheck;

std::string SideOf(const QueueFacts& facts) {
  return fmt::format("{} queue {}", facts.transmit ? "transmit" : "receive", facts.queue);
}

QueueCheck LeaseCheck(const QueueFacts& facts) {
  QueueCheck check{.subject = "lease"};
  if (!facts.lease) {
    check.verdict = CheckVerdict::kWrong;
    check.finding = fmt::format("no lease holds {}, so nobody has a ring for it", SideOf(facts));
    check.remedy =
        "start the program that is to lease it; `qsplit lease list` shows who holds what";
    return check;
  }
  const v1::Lease& lease = *facts.lease;
  check.finding = fmt::format("lease {} of {} (pid {}, uid {})", lease.lease_id(), lease.program(),
                              lease.pid(), lease.uid());
  if (lease.state() == v1::LEASE_STATE_REVOKED || lease.state() == v1::LEASE_STATE_RELEASED) {
    check.verdict = CheckVerdict::kWrong;
    check.finding += lease.state() == v1::LEASE_STATE_REVOKED
                         ? " was revoked"
                         : " has ended, and the device has not let go of it";
    check.remedy = "lease the queue again";
  } else if (lease.state() == v1::LEASE_STATE_OPENING) {
    check.verdict = CheckVerdict::kWrong;
    check.finding += " is being set up";
    check.remedy = "ask again in a moment";
  } else if (!facts.grant_fetched) {
    check.verdict = CheckVerdict::kWrong;
    check.finding += " has not fetched its grant, so it has no ring mapped";
    check.remedy = "the program calls AcquireLease, then FetchGrant on the session socket";
  } else if (facts.holder_stopped) {
    check.verdict = CheckVerdict::kWrong;
    check.finding += " does not run: its process is stopped, by SIGSTOP or a debugger";
    check.remedy = fmt::format("`kill -CONT {}`, or the debugger, lets it go on", lease.pid());
  }
  return check;
}

QueueCheck LinkCheck(const QueueFacts& facts) {
  QueueCheck check{.subject = "link"};
  const device::DeviceState& state = facts.state;
  if (!state.link_up) {
    check.verdict = CheckVerdict::kWrong;
    check.finding = state.trouble.empty() ? "the link is down" : state.trouble;
    if (!facts.device.wire.empty()) {
      check.remedy = fmt::format("bring its wire up: {}", facts.device.wire);
    } else if (state.trouble.empty()) {  // which says by itself what to do
      check.remedy = "see to the cable and the other end";
    }
  } else {
    check.finding = state.link_mbps == 0 ? "up" : fmt::format("up, {} Mbit/s", state.link_mbps);
    if (!state.trouble.empty()) {
      check.verdict = CheckVerdict::kNote;
      check.finding += ", but " + state.trouble;
    }
  }
  return check;
}

QueueCheck WireCheck(const QueueFacts& facts) {
  const uint64_t frames = facts.wire.wire_rx_packets;
  QueueCheck check{.subject = "wire", .finding = Counted(frames, "frame") + " came from the wire"};
  if (frames == 0) {
    check.verdict = CheckVerdict::kNote;
    check.finding = "no frame has come from the wire since the device started";
    check.remedy = "see whether the other end sends at all";
  }
  return check;
}

QueueCheck MacCheck(const QueueFacts& facts) {
  const device::DeviceState& state = facts.state;
  QueueCheck check{.subject = "MAC filter"};
  if (state.promiscuous) {
    check.finding = "promiscuous: takes frames for every address";
    return check;
  }
  std::string multicast = fmt::format("{} multicast groups", state.multicast.size());
  if (state.multicast.empty()) multicast = "no multicast";
  if (facts.device.netdev) {
    // The kernel's own are not the daemon's to know.
    multicast = fmt::format("the multicast groups that `ip maddress show dev {}` lists",
                            facts.device.netdev->name);
  }
  if (state.all_multicast) multicast = "all multicast";
  check.finding = fmt::format("takes frames for {:02x}, broadcast, and {}",
                              fmt::join(state.mac, ":"), multicast);
  if (const uint64_t refused = facts.wire.drops_mac_filter; refused != 0) {
    check.verdict = CheckVerdict::kNote;
    check.count = refused;
    check.finding += fmt::format("; {} for others were refused", Counted(refused, "frame"));
    check.remedy = fmt::format(
        "if they were meant for the queue: `qsplit device set {} --promisc on`, or the sender "
        "takes this address",
        facts.device.name);
  }
  return check;
}

std::string Fate(const device::FlowAction& action) {
  if (action.drops()) return "drops what it takes";
  if (action.passes()) return "passes what it takes to the kernel";
  if (action.reflects()) return "sends what it takes back to the wire";
  return fmt::format("sends what it takes to queue {}", action.queue);
}

// Rules that come before those that send to the queue.
void AddWinners(const QueueFacts& facts, QueueCheck& check) {
  std::string words;
  uint64_t took = 0;
  bool counted = true;
  bool hidden = false;
  std::string locations;
  for (const QueueFacts::Winner& winner : facts.winners) {
    took += winner.packets.value_or(0);
    counted = counted && winner.packets.has_value();
    hidden = hidden || !winner.told;
    if (!winner.told) continue;
    words += fmt::format("{}rule {}", words.empty() ? "" : ", ", winner.location);
    if (winner.packets) words += fmt::format(" ({})", Counted(*winner.packets, "packet"));
    words += fmt::format(", which {}", Fate(winner.action));
    locations += fmt::format("{}{}", locations.empty() ? "" : ", ", winner.location);
  }
  // Those that have taken nothing keep nothing away.
  if (!facts.outdone && counted && took == 0) return;
  if (hidden) words += fmt::format("{}an operator's rule", words.empty() ? "" : ", ");
  check.verdict = facts.outdone ? CheckVerdict::kWrong : CheckVerdict::kNote;
  check.count = took;
  check.finding += fmt::format(", but at a lower location stands {}{}", words,
                               facts.outdone ? ": nothing is left for the queue" : "");
  check.remedy = hidden ? "ask an administrator about it: lower locations win"
                        : fmt::format(
                              "lower locations win: remove it (`qsplit rule del {} {}`), "
                              "or give the queue's rules lower ones",
                              facts.device.name, locations);
}

QueueCheck SteeringCheck(const QueueFacts& facts) {
  QueueCheck check{.subject = "rules and RSS"};
  const std::string& device = facts.device.name;
  if (facts.device.rule_capacity == 0 && facts.device.rss_table_size == 0) {
    check.finding = "the device has neither: what it takes goes to its first queue";
    if (facts.queue == 0) return check;
    check.verdict = CheckVerdict::kWrong;
    check.remedy = "lease receive queue 0";
    return check;
  }
  if (facts.rules.empty() && facts.rss_entries == 0) {
    check.verdict = CheckVerdict::kWrong;
    check.finding = fmt::format("no rule sends to queue {}{}", facts.queue,
                                facts.rss_table == 0 ? "" : ", and the RSS table does not name it");
    check.remedy =
        facts.device.rule_capacity == 0
            ? "acquire the lease with join_rss"
            : fmt::format("add one, as `qsplit rule add {} flow-type udp4 dst-port 4242 action {}`",
                          device, facts.queue);
    return check;
  }
  uint64_t matched = 0;
  bool counted = !facts.rules.empty();
  for (const QueueFacts::Rule& rule : facts.rules) {
    check.finding += fmt::format("{}rule {}", check.finding.empty() ? "" : ", ", rule.location);
    if (rule.packets) check.finding += fmt::format(" ({})", Counted(*rule.packets, "packet"));
    matched += rule.packets.value_or(0);
    counted = counted && rule.packets.has_value();
  }
  if (facts.rss_entries != 0) {
    check.finding +=
        fmt::format("{}{} of {} entries of the RSS table", check.finding.empty() ? "" : ", ",
                    facts.rss_entries, facts.rss_table);
  }
  const bool one_rule = facts.rules.size() == 1 && facts.rss_entries == 0;
  check.finding += one_rule ? " sends to it" : " send to it";
  if (counted && matched == 0 && facts.rss_entries == 0) {
    check.verdict = CheckVerdict::kNote;
    check.finding += ", and no packet has matched";
    check.remedy = fmt::format(
        "compare what the sender sends with `qsplit rule list {}`; lower locations win", device);
  }
  if (!facts.winners.empty()) AddWinners(facts, check);
  return check;
}

struct Drop {
  uint64_t count;
  std::string_view why;
  std::string_view remedy;
};

QueueCheck DropCheck(const QueueFacts& facts) {
  const device::QueueCounters& counters = facts.counters;
  QueueCheck check{.subject = "drops"};
  const Drop drops[] = {
      {counters.drops_no_descriptor, "for want of a posted buffer",
       "the program posts too little or too late: more slots (rx_slots), or a CPU of its own"},
      {counters.drops_too_long, "longer than what was posted",
       "post larger buffers, or give the device a smaller MTU"},
      {counters.drops_down, "while the queue or the link was down", ""},
      {counters.drops_injected, "by an injected fault", ""},
      {counters.drops_source, "with a source address that policy does not give the holder",
       "send from the tenant's addresses, or have policy name more (source_mac, source_ip)"},
      {facts.transmit ? facts.wire.drops_wire : 0, "of all queues by the wire",
       "see whether the other end takes frames"},
  };
  for (const Drop& drop : drops) {
    if (drop.count == 0) continue;
    check.verdict = CheckVerdict::kNote;
    check.count += drop.count;
    check.finding += fmt::format("{}{} {}", check.finding.empty() ? "" : ", ",
                                 Counted(drop.count, "packet"), drop.why);
    if (check.remedy.empty()) check.remedy = drop.remedy;
  }
  if (check.finding.empty()) check.finding = "none";
  // What was lost before is over.
  if (facts.since && check.count != 0 && check.count <= CountThen(facts, check.subject)) {
    check.verdict = CheckVerdict::kGood;
    check.remedy.clear();
    check.finding += fmt::format("; none in {:.1f} s", SecondsSince(facts));
  }
  return check;
}

// More packets than a program keeps slots of, to give them back all at once: this library's
// keep 32.
constexpr uint64_t kMany = 64;

// Packets that came for the holder and that it lets lie.
uint64_t Left(const QueueFacts& facts) {
  if (const auto waiting = facts.progress->waiting) {
    // What came a moment ago is nobody's fault.
    return facts.since->waiting() == 0 ? 0 : *waiting;
  }
  const uint64_t before = facts.since->packets();
  return facts.counters.packets > before ? facts.counters.packets - before : 0;
}

// What of the device cannot be seen in one look: whether the program goes on.
std::optional<QueueCheck> ProgramCheck(const QueueFacts& facts) {
  if (facts.transmit || !facts.since || !facts.since->has_progress() || !facts.progress) {
    return std::nullopt;
  }
  QueueCheck check{.subject = "program"};
  const auto seconds = fmt::format("{:.1f} s", SecondsSince(facts));
  if (facts.progress->position != facts.since->progress()) {
    check.finding = fmt::format("has taken packets or posted buffers in {}", seconds);
    return check;
  }
  const uint64_t left = Left(facts);
  if (left == 0) {
    check.finding = fmt::format("had nothing to take for {}", seconds);
    return check;
  }
  if (facts.progress->waiting) {
    check.finding =
        fmt::format("{} in its ring, and it has taken none for {}",
                    left == 1 ? "1 packet waits" : fmt::format("{} packets wait", left), seconds);
  } else {
    check.finding = fmt::format("{} came in {}, and it has given no slot back",
                                Counted(left, "packet"), seconds);
  }
  if (!facts.progress->waiting && left < kMany) {
    check.finding += " yet";
    return check;
  }
  check.verdict = CheckVerdict::kWrong;
  check.remedy =
      fmt::format("the program hangs, or does not look at the queue: see what pid {} does",
                  facts.lease ? facts.lease->pid() : 0);
  return check;
}

QueueCheck TrafficCheck(const QueueFacts& facts) {
  return {.subject = "traffic",
          .finding = fmt::format("{}, {} since the queue changed hands",
                                 Counted(facts.counters.packets, "packet"),
                                 Counted(facts.counters.bytes, "byte"))};
}

}  // namespace

std::string Counted(uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

uint64_t CountThen(const QueueFacts& facts, std::string_view subject) {
  if (!facts.since) return 0;
  for (const v1::QueueCheckCount& then : facts.since->counts()) {
    if (then.subject() == subject) return then.count();
  }
  return 0;
}

double SecondsSince(const QueueFacts& facts) {
  const absl::Time then = absl::FromUnixNanos(static_cast<int64_t>(facts.since->time_ns()));
  return std::clamp(absl::ToDoubleSeconds(facts.now - then), 0.0, 86'400.0);
}

std::vector<QueueCheck> ChecksOf(const QueueFacts& facts) {
  std::vector<QueueCheck> checks = {LinkCheck(facts)};
  if (!facts.transmit) {
    checks.push_back(WireCheck(facts));
    checks.push_back(MacCheck(facts));
    checks.push_back(SteeringCheck(facts));
  }
  checks.push_back(LeaseCheck(facts));
  checks.insert(checks.end(), facts.of_device.begin(), facts.of_device.end());
  if (facts.lease) {
    if (std::optional<QueueCheck> program = ProgramCheck(facts)) checks.push_back(*program);
    checks.push_back(DropCheck(facts));
    checks.push_back(TrafficCheck(facts));
  }
  return checks;
}

}  // namespace qsplit::lease
