// The broker's calls about single queues: why one is empty, and what stands in its rings.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/lease/broker.h"
#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/lease/queue_walk.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::InCall;

constexpr uint32_t kMaxImageBytes = 1u << 20;

// What is asked for, looked up.
struct Asked {
  const DeviceRoom* room = nullptr;
  const LeaseRecord* lease = nullptr;  // null: nobody holds it
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

// Rules of the room that send to a receive queue, and what they took.
std::vector<QueueFacts::Rule> RulesTo(const DeviceRoom& room, uint32_t queue,
                                      const std::vector<device::RuleCounters>& counted) {
  std::vector<QueueFacts::Rule> rules;
  for (const steering::OwnedRule* rule : room.rules.List()) {
    if (rule->rule.action.queue != queue) continue;
    QueueFacts::Rule& to = rules.emplace_back();
    to.location = rule->rule.location;
    const auto found =
        std::ranges::find(counted, rule->rule.location, &device::RuleCounters::location);
    if (found != counted.end()) to.packets = found->packets;
  }
  return rules;
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

  Locked state(*state_);
  // Whose queue it is now, and whether the caller may still look.
  const auto asked = Find(std::as_const(*state_), caller, request);
  if (!asked.ok()) return InCall(kCall, asked.status());
  const DeviceRoom& room = *asked->room;
  if (asked->lease != nullptr) {
    facts.lease = state->ToProto(*asked->lease);
    facts.grant_fetched = asked->lease->fetched;
  } else if (!state->IsAdmin(caller)) {
    facts.of_device.clear();  // may speak of who had it before
  }
  const auto& counters = transmit ? facts.wire.tx : facts.wire.rx;
  const auto& base = transmit ? room.tx_base : room.rx_base;
  if (queue < counters.size()) facts.counters = Since(counters[queue], base[queue]);
  if (!transmit) facts.rules = RulesTo(room, queue, counted);
  const std::vector<device::QueueCheck> checks = ChecksOf(facts);
  v1::ExplainQueueResponse response;
  response.set_answer(AnswerOf(facts, checks));
  for (const device::QueueCheck& check : checks) {
    v1::QueueCheck* to = response.add_checks();
    to->set_subject(check.subject);
    to->set_verdict(ToProto(check.verdict));
    to->set_finding(check.finding);
    to->set_remedy(check.remedy);
  }
  if (asked->lease != nullptr) response.set_lease_id(asked->lease->id);
  return response;
}

absl::StatusOr<v1::ReadQueueResponse> Broker::ReadQueue(SessionId caller,
                                                        const v1::ReadQueueRequest& request) const {
  constexpr std::string_view kCall = "ReadQueue";
  Locked state(*state_);
  const auto asked = Find(std::as_const(*state_), caller, request);
  if (!asked.ok()) return InCall(kCall, asked.status());
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
