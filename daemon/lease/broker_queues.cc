// The broker's calls about single queues: why one is empty, and what stands in its rings.
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/lease/broker.h"
#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/lease/queue_answer.h"
#include "daemon/lease/queue_walk.h"
#include "daemon/policy/error.h"
#include "daemon/steering/flow_sets.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::InCall;

constexpr uint32_t kMaxImageBytes = 1u << 20;

// What is asked for, looked up.
struct Asked {
  const DeviceRoom* room = nullptr;
  const LeaseRecord* lease = nullptr;  // null: nobody holds it
  std::string unusable;                // why the device has no queues at all; empty: it has
};

absl::Status NoSuchQueue(const DeviceRoom& room, uint32_t queue, bool transmit, size_t queues) {
  const char* side = transmit ? "transmit" : "receive";
  return Error(v1::ERROR_REASON_NOT_FOUND, "queue", fmt::format("{}", queue),
               fmt::format("{}", queues),
               fmt::format("{} has no {} queue {}; it has {}, the first is 0", room.name(), side,
                           queue, queues));
}

v1::QueueCheckVerdict ToProto(device::CheckVerdict verdict) {
  switch (verdict) {
    case device::CheckVerdict::kGood:
      return v1::QUEUE_CHECK_VERDICT_GOOD;
    case device::CheckVerdict::kNote:
      return v1::QUEUE_CHECK_VERDICT_NOTE;
    case device::CheckVerdict::kWrong:
      return v1::QUEUE_CHECK_VERDICT_WRONG;
  }
  return v1::QUEUE_CHECK_VERDICT_UNSPECIFIED;
}

QueueFacts::Rule Shown(const device::FlowRule& rule,
                       const std::vector<device::RuleCounters>& counted) {
  QueueFacts::Rule shown{.location = rule.location};
  const auto found = std::ranges::find(counted, rule.location, &device::RuleCounters::location);
  if (found != counted.end()) shown.packets = found->packets;
  return shown;
}

// The rules of a device, copied, and who looks at them.
struct RulesSeen {
  std::vector<steering::OwnedRule> all;
  bool admin = false;
  std::string tenant;  // the holder's of the queue
};

// Rules that send to a receive queue, those that take packets before them, and what they took.
// Rules of other tenants are an administrator's to know. Compares each with each: without the lock.
void AddRules(const RulesSeen& seen, const std::vector<device::RuleCounters>& counted,
              QueueFacts* facts) {
  std::vector<const steering::OwnedRule*> ours;
  for (const steering::OwnedRule& rule : seen.all) {
    if (rule.rule.action.queue != facts->queue) continue;
    ours.push_back(&rule);
    facts->rules.push_back(Shown(rule.rule, counted));
  }
  const LeaseId holder = facts->lease ? facts->lease->lease_id() : 0;
  std::vector<bool> outdone(ours.size());
  for (const steering::OwnedRule& other : seen.all) {
    const bool of_lease = holder != 0 && other.lease == holder;
    if (other.rule.action.queue == facts->queue) continue;
    bool wins = false;
    for (size_t i = 0; i < ours.size(); ++i) {
      const device::FlowRule& rule = ours[i]->rule;
      if (other.rule.location > rule.location) continue;
      const bool covers = steering::Covers(other.rule.match, rule.match);
      // An exception that the holder itself has made is none.
      if (!covers && (of_lease || !steering::Intersects(other.rule.match, rule.match))) continue;
      wins = true;
      outdone[i] = outdone[i] || covers;
    }
    const bool told = seen.admin || (other.lease != 0 && other.tenant == seen.tenant);
    if (!wins || (!told && other.lease != 0)) continue;
    QueueFacts::Winner& to = facts->winners.emplace_back();
    static_cast<QueueFacts::Rule&>(to) = Shown(other.rule, counted);
    to.action = other.rule.action;
    to.told = told;
  }
  facts->outdone =
      !facts->winners.empty() && facts->rss_entries == 0 && std::ranges::count(outdone, false) == 0;
}

v1::RingImage ToProto(device::RingImage image, uint32_t ring, uint32_t first_slot) {
  v1::RingImage to;
  to.set_ring(ring);
  to.set_slot_count(image.slot_count);
  to.set_first_slot(first_slot);
  to.set_slots(image.slots.data(), image.slots.size());
  to.mutable_cells()->Assign(image.cells.begin(), image.cells.end());
  to.mutable_producer_doorbells()->Assign(image.producer_doorbells.begin(),
                                          image.producer_doorbells.end());
  to.mutable_consumer_doorbells()->Assign(image.consumer_doorbells.begin(),
                                          image.consumer_doorbells.end());
  return to;
}

// The queue, for a caller who may look into it.
template <typename Request>
absl::StatusOr<Asked> Find(const auto& state, SessionId caller, const Request& request) {
  auto sight = state.SightOf(caller, /*all=*/true);
  if (!sight.ok()) return sight.status();
  auto room = state.Room(request.device());
  if (!room.ok()) return room.status();
  const auto& holders = request.transmit() ? (*room)->tx_holder : (*room)->rx_holder;
  if ((*room)->rx_holder.empty() && (*room)->tx_holder.empty()) {
    const std::string trouble = (*room)->device->State().trouble;
    if (!trouble.empty()) return Asked{.room = *room, .unusable = trouble};
  }
  if (request.queue() >= holders.size()) {
    return NoSuchQueue(**room, request.queue(), request.transmit(), holders.size());
  }
  Asked asked{.room = *room};
  const auto lease = state.leases.find(holders[request.queue()]);
  if (lease == state.leases.end()) return asked;
  if (!sight->Sees(lease->second.session, lease->second.peer.uid)) {
    return Error(v1::ERROR_REASON_NOT_ALLOWED, "queue", fmt::format("{}", request.queue()), "",
                 "the queue is somebody else's; its holder and administrators may look into it");
  }
  asked.lease = &lease->second;
  return asked;
}

void AddChecks(std::span<const device::QueueCheck> checks, v1::ExplainQueueResponse* response) {
  for (const device::QueueCheck& check : checks) {
    v1::QueueCheck* to = response->add_checks();
    to->set_subject(check.subject);
    to->set_verdict(ToProto(check.verdict));
    to->set_finding(check.finding);
    to->set_remedy(check.remedy);
  }
}

// Of no queue: the device has none now.
v1::ExplainQueueResponse Unusable(const Asked& asked) {
  v1::ExplainQueueResponse response;
  response.set_answer(
      fmt::format("device {} cannot be used: {}", asked.room->name(), asked.unusable));
  const device::QueueCheck check{
      .subject = "device", .verdict = device::CheckVerdict::kWrong, .finding = asked.unusable};
  AddChecks({&check, 1}, &response);
  return response;
}

}  // namespace

absl::StatusOr<v1::ExplainQueueResponse> Broker::ExplainQueue(
    SessionId caller, const v1::ExplainQueueRequest& request) const {
  constexpr std::string_view kCall = "ExplainQueue";
  const uint32_t queue = request.queue();
  const bool transmit = request.transmit();
  std::shared_ptr<device::Device> device;
  {
    Locked state(*state_);
    const auto asked = Find(std::as_const(*state_), caller, request);
    if (!asked.ok()) return InCall(kCall, asked.status());
    if (!asked->unusable.empty()) return Unusable(*asked);
    device = asked->room->device;
  }
  // Waits for a device that is busy, and holds up nobody else.
  QueueFacts facts{.device = device->info(),
                   .state = device->State(),
                   .queue = queue,
                   .transmit = transmit,
                   .wire = device->ReadCounters()};
  std::vector<device::RuleCounters> counted;
  if (!transmit) {
    counted = device->ReadRuleCounters();
    if (const auto rss = device->GetRss(); rss.ok()) {
      facts.rss_table = static_cast<uint32_t>(rss->indirection.size());
      facts.rss_entries = static_cast<uint32_t>(std::ranges::count(rss->indirection, queue));
    }
  }
  facts.of_device = device->ExamineQueue(queue, transmit);
  facts.progress = device->ReadProgress(queue, transmit);

  RulesSeen rules;
  {
    Locked state(*state_);
    // Whose queue it is now, and whether the caller may still look.
    const auto asked = Find(std::as_const(*state_), caller, request);
    if (!asked.ok()) return InCall(kCall, asked.status());
    if (!asked->unusable.empty()) return Unusable(*asked);
    const DeviceRoom& room = *asked->room;
    facts.now = state->clock();
    rules.admin = state->IsAdmin(caller);
    if (asked->lease != nullptr) {
      facts.lease = state->ToProto(*asked->lease);
      facts.grant_fetched = asked->lease->fetched;
      rules.tenant = asked->lease->tenant;
      if (request.since().lease_id() == asked->lease->id) facts.since = request.since();
    } else if (!rules.admin) {
      facts.of_device.clear();  // may speak of who had it before
    }
    const auto& counters = transmit ? facts.wire.tx : facts.wire.rx;
    const auto& base = transmit ? room.tx_base : room.rx_base;
    if (queue < counters.size()) facts.counters = Since(counters[queue], base[queue]);
    if (!transmit) {
      for (const steering::OwnedRule* rule : room.rules.List()) rules.all.push_back(*rule);
    }
  }
  if (facts.lease && facts.lease->pid() > 0 && state_->is_stopped) {
    facts.holder_stopped = state_->is_stopped(facts.lease->pid());
  }
  AddRules(rules, counted, &facts);
  const std::vector<device::QueueCheck> checks = ChecksOf(facts);
  v1::ExplainQueueResponse response;
  response.set_answer(AnswerOf(facts, checks));
  AddChecks(checks, &response);
  *response.mutable_sample() = SampleOf(facts, checks);
  if (facts.lease) response.set_lease_id(facts.lease->lease_id());
  return response;
}

absl::StatusOr<v1::ReadQueueResponse> Broker::ReadQueue(SessionId caller,
                                                        const v1::ReadQueueRequest& request) const {
  constexpr std::string_view kCall = "ReadQueue";
  Locked state(*state_);
  const auto asked = Find(std::as_const(*state_), caller, request);
  if (!asked.ok()) return InCall(kCall, asked.status());
  if (!asked->unusable.empty()) {
    return InCall(kCall, Error(v1::ERROR_REASON_UNUSABLE, "device", request.device(), "",
                               fmt::format("device {} cannot be used: {}", request.device(),
                                           asked->unusable)));
  }
  const LeaseRecord* const lease = asked->lease;
  if (lease == nullptr || lease->in_job || lease->ended()) {
    return policy::ErrorWithCode(
        absl::StatusCode::kFailedPrecondition, v1::ERROR_REASON_NOT_READY, "queue",
        fmt::format("{}", request.queue()), "",
        fmt::format("ReadQueue: no lease runs {} queue {} of {}, so it has no rings",
                    request.transmit() ? "transmit" : "receive", request.queue(),
                    asked->room->name()));
  }
  const v1::Queue& queue = *lease->queues.layout.FindQueue(
      request.transmit() ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  if (request.has_ring() && request.ring() >= static_cast<uint32_t>(queue.rings_size())) {
    return InCall(kCall,
                  Error(v1::ERROR_REASON_OUT_OF_RANGE, "ring", fmt::format("{}", request.ring()),
                        fmt::format("{}", queue.rings_size()),
                        fmt::format("ring {} is not there; the queue has {}, the first is 0",
                                    request.ring(), queue.rings_size())));
  }
  v1::ReadQueueResponse response;
  *response.mutable_layout() = lease::ToProto(lease->queues.layout);
  response.mutable_feature_choices()->Assign(lease->queues.features.begin(),
                                             lease->queues.features.end());
  response.set_lease_id(lease->id);
  for (uint32_t ring = 0; ring < static_cast<uint32_t>(queue.rings_size()); ++ring) {
    if (request.has_ring() && ring != request.ring()) continue;
    const uint32_t most = kMaxImageBytes / queue.rings(static_cast<int>(ring)).slot_bytes();
    auto image = asked->room->device->ReadRing(
        {.queue = request.queue(),
         .transmit = request.transmit(),
         .ring = ring,
         .first_slot = request.first_slot(),
         .slots = request.slots() == 0 ? most : std::min(request.slots(), most)});
    if (!image.ok()) return InCall(kCall, policy::FromDevice(image.status()));
    if (image->slot_count == 0) continue;
    if (request.first_slot() >= image->slot_count) {
      return InCall(
          kCall,
          Error(v1::ERROR_REASON_OUT_OF_RANGE, "first_slot",
                fmt::format("{}", request.first_slot()), fmt::format("{}", image->slot_count),
                fmt::format("slot {} is not there; ring {} has {}, the first is 0",
                            request.first_slot(), queue.rings(static_cast<int>(ring)).name(),
                            image->slot_count)));
    }
    *response.add_rings() = ToProto(*std::move(image), ring, request.first_slot());
  }
  return response;
}

}  // namespace qsplit::lease
