#include "daemon/lease/queue_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/device/held_queue.h"
#include "daemon/lease/convert.h"

namespace qsplit::lease {
namespace {

using device::CheckVerdict;
using device::QueueCheck;

const QueueCheck* FirstOf(std::span<const QueueCheck> checks, CheckVerdict verdict) {
  const auto found = std::ranges::find(checks, verdict, &QueueCheck::verdict);
  return found == checks.end() ? nullptr : &*found;
}

std::string Sentence(const QueueCheck& check) {
  return check.remedy.empty() ? check.finding : fmt::format("{}; {}", check.finding, check.remedy);
}

// Without a lease nothing else matters.
std::string NobodysAnswer(std::span<const QueueCheck> checks) {
  const auto lease = std::ranges::find(checks, "lease", &QueueCheck::subject);
  const auto former = std::ranges::find(checks, device::kFormerHolder, &QueueCheck::subject);
  // Perhaps that is why nobody has.
  if (former != checks.end()) return fmt::format("{}; {}", lease->finding, Sentence(*former));
  return Sentence(*lease);
}

uint64_t Grown(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

// Whether it has kept packets away since the earlier look.
bool HasGrown(const QueueFacts& facts, const QueueCheck& check) {
  return facts.since && check.count > CountThen(facts, check.subject);
}

// It was seen to take nothing.
const QueueCheck* ProgramNote(std::span<const QueueCheck> checks) {
  const auto program = std::ranges::find(checks, "program", &QueueCheck::subject);
  return program != checks.end() && program->verdict == CheckVerdict::kNote ? &*program : nullptr;
}

// What of the notes is most likely to be what keeps packets away.
const QueueCheck* MainNote(const QueueFacts& facts, std::span<const QueueCheck> checks) {
  if (const QueueCheck* const program = ProgramNote(checks)) return program;
  for (const QueueCheck& check : checks) {
    if (check.verdict == CheckVerdict::kNote && HasGrown(facts, check)) return &check;
  }
  return FirstOf(checks, CheckVerdict::kNote);
}

std::string OneLook(const QueueFacts& facts, const QueueCheck* note) {
  const uint64_t packets = facts.counters.packets;
  if (packets == 0) {
    if (note != nullptr) return Sentence(*note);
    return facts.transmit ? "nothing is wrong: its holder has sent nothing"
                          : "nothing is wrong: no packet has come that would be for it";
  }
  const std::string went = fmt::format("{} went through it", Counted(packets, "packet"));
  if (note != nullptr) return fmt::format("{} so far; {}", went, Sentence(*note));
  return fmt::format("nothing is wrong: {}", went);
}

std::string TwoLooks(const QueueFacts& facts, std::span<const QueueCheck> checks,
                     const QueueCheck* note) {
  const v1::QueueSample& since = *facts.since;
  const std::string time = fmt::format("{:.1f} s", SecondsSince(facts));
  if (const uint64_t came = Grown(facts.counters.packets, since.packets()); came != 0) {
    const std::string went = fmt::format("{} went through it in {}", Counted(came, "packet"), time);
    if (const QueueCheck* const program = ProgramNote(checks)) {
      return Sentence(*program);
    }
    const auto drops = std::ranges::find(checks, "drops", &QueueCheck::subject);
    if (drops == checks.end() || !HasGrown(facts, *drops)) return "nothing is wrong: " + went;
    return fmt::format("{}, and more were lost; so far {}", went, Sentence(*drops));
  }
  const uint64_t before = facts.counters.packets;
  if (before == 0) return OneLook(facts, note);
  const std::string none =
      fmt::format("{} in {}, {} before",
                  facts.transmit ? "its holder sent nothing" : "no packet came", time, before);
  if (note != nullptr) return fmt::format("{}; {}", none, Sentence(*note));
  if (facts.transmit) return "nothing is wrong: " + none;
  const uint64_t frames = Grown(facts.wire.wire_rx_packets, since.wire_packets());
  return fmt::format("nothing is wrong: {}; {} came from the wire meanwhile", none,
                     frames == 0 ? "no frame" : Counted(frames, "frame"));
}

}  // namespace

std::string AnswerOf(const QueueFacts& facts, std::span<const QueueCheck> checks) {
  if (!facts.lease) return NobodysAnswer(checks);
  if (const QueueCheck* wrong = FirstOf(checks, CheckVerdict::kWrong)) return Sentence(*wrong);
  const QueueCheck* const note = MainNote(facts, checks);
  return facts.since ? TwoLooks(facts, checks, note) : OneLook(facts, note);
}

v1::QueueSample SampleOf(const QueueFacts& facts, std::span<const QueueCheck> checks) {
  v1::QueueSample sample;
  if (facts.lease) sample.set_lease_id(facts.lease->lease_id());
  sample.set_time_ns(Nanoseconds(facts.now));
  sample.set_packets(facts.counters.packets);
  sample.set_wire_packets(facts.wire.wire_rx_packets);
  if (facts.progress) {
    sample.set_progress(facts.progress->position);
    sample.set_waiting(facts.progress->waiting.value_or(0));
  }
  for (const QueueCheck& check : checks) {
    if (check.count == 0) continue;
    v1::QueueCheckCount* to = sample.add_counts();
    to->set_subject(check.subject);
    to->set_count(check.count);
  }
  return sample;
}

}  // namespace qsplit::lease
