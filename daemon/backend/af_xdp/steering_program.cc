#include "daemon/backend/af_xdp/steering_program.h"

#include <net/if.h>

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/xdp_constants.h"
#include "daemon/backend/af_xdp/xdp_table.h"
#include "daemon/linux/netns.h"
#include "daemon/linux/random.h"

namespace qsplit::af_xdp {
namespace {

// So long rules are the same before a program is made for them: whoever installs several has them
// all in one then, and loading takes less of a processor than a tenth.
constexpr auto kQuiet = std::chrono::milliseconds(50);

// So long after another one took its place no packet is in a program any more.
constexpr auto kLeft = std::chrono::seconds(1);

uint64_t RandomNumber() {
  std::array<uint8_t, 8> bytes{};
  linux_sys::FillRandom(bytes);
  return std::bit_cast<uint64_t>(bytes);
}

SteeringCount Since(const SteeringCount& before, const SteeringCount& now) {
  return {now.packets - before.packets, now.bytes - before.bytes};
}

}  // namespace

SteeringProgram::SteeringProgram(uint32_t rx_queues, XdpLoaded loaded, XdpLink link)
    : rx_queues_(rx_queues),
      loaded_(std::move(loaded)),
      link_(std::move(link)),
      before_(kCapacity),
      maker_([this] { MakePrograms(); }) {}

SteeringProgram::~SteeringProgram() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  maker_.join();
}

absl::StatusOr<std::unique_ptr<SteeringProgram>> SteeringProgram::Load(
    const SteeringOptions& options) {
  std::optional<XdpLoaded> loaded;
  std::optional<XdpLink> link;
  const absl::Status status = linux_sys::RunInNetns(options.netns, [&]() -> absl::Status {
    const uint32_t interface = ::if_nametoindex(options.netdev.c_str());
    if (interface == 0) {
      return absl::NotFoundError(absl::StrCat("no netdev ", options.netdev,
                                              options.netns.empty() ? "" : " in namespace ",
                                              options.netns));
    }
    if (absl::Status free = CheckNoProgram(interface, options.netdev); !free.ok()) return free;
    auto fresh = XdpLoaded::Load(options.rx_queues);
    if (!fresh.ok()) return fresh.status();
    // Generations begin at 1: a table of generation 0 is being written.
    fresh->memory().tables[1].generation = 1;
    fresh->memory().generation = 1;
    auto attached = XdpLink::Attach(fresh->program_fd(), interface, options.netdev, options.mode);
    if (!attached.ok()) return attached.status();
    loaded = *std::move(fresh);
    link = *std::move(attached);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return std::unique_ptr<SteeringProgram>(
      new SteeringProgram(options.rx_queues, *std::move(loaded), *std::move(link)));
}

absl::Status SteeringProgram::CheckQueue(uint32_t queue) const {
  if (queue < rx_queues_) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("receive queue ", queue, "; the device has ", rx_queues_));
}

absl::Status SteeringProgram::CheckRule(const device::FlowRule& rule) const {
  if (rule.location >= kCapacity) {
    return absl::ResourceExhaustedError(
        absl::StrCat("rule location ", rule.location, "; the device has ", kCapacity));
  }
  if (rule.action.to_queue() && rule.action.queue >= rx_queues_) {
    return absl::InvalidArgumentError(absl::StrCat("a rule for receive queue ", rule.action.queue,
                                                   "; the device has ", rx_queues_));
  }
  return absl::OkStatus();
}

absl::Status SteeringProgram::Publish(const Rules& rules) {
  std::vector<device::FlowRule> list;
  list.reserve(rules.size());
  for (const auto& [location, rule] : rules) list.push_back(rule);
  if (absl::Status status = FillTable(list, RandomNumber(), scratch_.get()); !status.ok()) {
    return status;
  }
  SteeringMemory& memory = loaded_.memory();
  const uint64_t next = generation_ + 1;
  Overwrite(*scratch_, next, &memory.tables[next & 1]);
  // Pairs with the program's LoadsInOrder behind its first look at the generation.
  std::atomic_ref(memory.generation).store(next, std::memory_order_release);
  generation_ = next;
  changed_.notify_all();
  return absl::OkStatus();
}

void SteeringProgram::MakePrograms() {
  Lock lock(mutex_);
  while (!stop_) {
    if (tried_ == generation_) {
      changed_.wait(lock);
      continue;
    }
    const uint64_t generation = generation_;
    changed_.wait_for(lock, kQuiet, [&] { return stop_ || hurry_ || generation_ != generation; });
    if (!stop_ && generation_ == generation) MakeFor(generation, lock);
  }
}

void SteeringProgram::MakeFor(uint64_t generation, Lock& lock) {
  std::vector<device::FlowRule> rules;
  for (const auto& [location, rule] : rules_) rules.push_back(rule);
  lock.unlock();
  absl::Status status;
  std::optional<XdpMade> made;
  if (auto constants = ConstantsOf(rules, generation)) {
    // A driver's queue is one CPU's at a time; the generic way is a CPU's that has a packet.
    constants->alone = link_.mode() == XdpMode::kNative ? 1 : 0;
    absl::StatusOr<XdpMade> loaded = loaded_.LoadWith(*constants);
    status = loaded.status();
    if (status.ok()) made = *std::move(loaded);
  }
  lock.lock();
  const auto now = std::chrono::steady_clock::now();
  if (made) {
    ran_.push_back({*std::move(made), {}});  // now, so that none of its counts is missed
    lock.unlock();
    status = link_.Replace(ran_.back().made.program_fd());
    lock.lock();
    // Otherwise the one that runs goes on: for rules that are not its own it is the general one.
    if (!status.ok()) {
      ran_.pop_back();
    } else {
      constants_ = generation;
    }
    if (status.ok() && ran_.size() > 1) {
      Ran& former = ran_[ran_.size() - 2];
      former.made.CloseProgram();
      former.until = now;
    }
  }
  while (ran_.size() > 1 && now - ran_.front().until > kLeft) {
    ran_.front().made.AddTo(ended_.get());
    ran_.erase(ran_.begin());
  }
  tried_ = generation;
  made_ = std::move(status);
  changed_.notify_all();
}

std::unique_ptr<SteeringCounts> SteeringProgram::Counts() const {
  auto counts = loaded_.Counts();
  AddCounts(*ended_, counts.get());
  for (const Ran& program : ran_) program.made.AddTo(counts.get());
  return counts;
}

absl::Status SteeringProgram::MakeNow() {
  Lock lock(mutex_);
  hurry_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return stop_ || tried_ == generation_; });
  hurry_ = false;
  return made_;
}

absl::Status SteeringProgram::AddRule(const device::FlowRule& rule) {
  if (absl::Status status = CheckRule(rule); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  const auto [at, added] = rules_.emplace(rule.location, rule);
  if (!added) {
    return absl::AlreadyExistsError(absl::StrCat("rule location ", rule.location, " is taken"));
  }
  before_[rule.location] = Counts()->rules[rule.location];
  absl::Status status = Publish(rules_);
  if (!status.ok()) rules_.erase(at);
  return status;
}

absl::Status SteeringProgram::RemoveRule(uint32_t location) {
  const std::lock_guard lock(mutex_);
  auto removed = rules_.extract(location);
  if (removed.empty()) {
    return absl::NotFoundError(absl::StrCat("no rule at location ", location));
  }
  absl::Status status = Publish(rules_);
  if (!status.ok()) rules_.insert(std::move(removed));
  return status;
}

absl::Status SteeringProgram::SetRules(std::span<const device::FlowRule> rules) {
  Rules fresh;
  for (const device::FlowRule& rule : rules) {
    if (absl::Status status = CheckRule(rule); !status.ok()) return status;
    if (!fresh.emplace(rule.location, rule).second) {
      return absl::InvalidArgumentError(absl::StrCat("two rules at location ", rule.location));
    }
  }
  const std::lock_guard lock(mutex_);
  const auto counts = Counts();
  if (absl::Status status = Publish(fresh); !status.ok()) return status;
  for (const auto& [location, rule] : fresh) before_[location] = counts->rules[location];
  rules_ = std::move(fresh);
  return absl::OkStatus();
}

std::vector<device::RuleCounters> SteeringProgram::ReadRuleCounters() const {
  const std::lock_guard lock(mutex_);
  std::vector<device::RuleCounters> out;
  out.reserve(rules_.size());
  const auto counts = Counts();
  for (const auto& [location, rule] : rules_) {
    const SteeringCount count = Since(before_[location], counts->rules[location]);
    out.push_back({location, count.packets, count.bytes});
  }
  return out;
}

SteeringReasons SteeringProgram::ReadReasons() const {
  const Lock lock(mutex_);
  const auto counts = Counts();
  const auto read = [&counts](SteeringReason reason) { return counts->reasons[reason]; };
  SteeringCount redirected{};
  for (const SteeringCount& queue : counts->queues) {
    redirected.packets += queue.packets;
    redirected.bytes += queue.bytes;
  }
  return {
      .passed_no_rule = read(kSteeringPassedNoRule),
      .passed_by_rule = read(kSteeringPassedByRule),
      .passed_wrong_queue = read(kSteeringPassedWrongQueue),
      .passed_no_socket = read(kSteeringPassedNoSocket),
      .passed_in_change = read(kSteeringPassedInChange),
      .dropped_by_rule = read(kSteeringDroppedByRule),
      .dropped_malformed = read(kSteeringDroppedMalformed),
      .redirected = redirected,
      .sent_back = read(kSteeringSentBack),
      .queues = {counts->queues, counts->queues + rx_queues_},
  };
}

absl::Status SteeringProgram::SetSocket(uint32_t queue, int socket_fd) {
  if (absl::Status status = CheckQueue(queue); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  return loaded_.SetSocket(queue, socket_fd);
}

absl::Status SteeringProgram::ClearSocket(uint32_t queue) {
  if (absl::Status status = CheckQueue(queue); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  return loaded_.ClearSocket(queue);
}

absl::Status SteeringProgram::SetQueueOwner(uint32_t queue, device::LeaseId lease) {
  if (absl::Status status = CheckQueue(queue); !status.ok()) return status;
  std::atomic_ref<__u64>(loaded_.memory().owners[queue]).store(lease, std::memory_order_release);
  return absl::OkStatus();
}

std::vector<uint32_t> SteeringProgram::LocationsTo(uint32_t queue) const {
  const std::lock_guard lock(mutex_);
  std::vector<uint32_t> locations;
  for (const auto& [location, rule] : rules_) {
    if (rule.action.to_queue() && rule.action.queue == queue) locations.push_back(location);
  }
  return locations;
}

std::vector<uint32_t> SteeringProgram::LocationsOfTagsTo(uint32_t queue) const {
  const std::lock_guard lock(mutex_);
  std::vector<uint32_t> locations;
  for (const auto& [location, rule] : rules_) {
    if (rule.action.to_queue() && rule.action.queue == queue && rule.match.value.has_vlan != 0) {
      locations.push_back(location);
    }
  }
  return locations;
}

SteeringState SteeringProgram::State() const {
  const std::lock_guard lock(mutex_);
  const uint32_t program = link_.ProgramId();
  return {.attached = program != 0,
          .mode = link_.mode(),
          .native_failure = link_.native_failure(),
          .program_id = program,
          .link_id = link_.id(),
          .by_constants = constants_ == generation_,
          .made = made_};
}

absl::StatusOr<SocketEntry> SteeringProgram::LookForSocket(uint32_t queue) const {
  if (absl::Status status = CheckQueue(queue); !status.ok()) return status;
  const absl::StatusOr<SteeringProbe> found = loaded_.Probe(queue);
  if (!found.ok()) return found.status();
  switch (*found) {
    case kSteeringSocketOfQueue:
      return SocketEntry::kOfThisQueue;
    case kSteeringSocketOfAnotherQueue:
      return SocketEntry::kOfAnotherQueue;
    default:
      return SocketEntry::kNone;
  }
}

}  // namespace qsplit::af_xdp
