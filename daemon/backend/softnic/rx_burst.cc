// NicCore: plain frames from the peer into receive rings. See frame_burst.h.
#include <algorithm>
#include <bit>
#include <utility>

#include "daemon/backend/softnic/nic_core.h"
#include "dataplane/prefetch.h"

namespace qsplit::softnic {
namespace {

using dataplane::RxField;
using dataplane::RxMetadata;

// What the device says of a frame's checksums. Behind the head it sums what the receiver got: the
// sender's bytes were read, and may be others by now. Whoever writes there meanwhile, deceives
// himself.
ChecksumVerdict VerdictOn(const BurstFrame& frame, std::span<const RxPiece> pieces) {
  OpenVerdict open = PlainHead(frame.head).Verify(frame.flow.facts(), frame.l3_end);
  uint32_t at = 0;  // in the frame
  const uint32_t end = open.rest_bytes == 0 ? 0 : kHeadBytes + open.rest_bytes;
  for (const RxPiece& piece : pieces) {
    const uint32_t from = std::max(at, kHeadBytes);
    const uint32_t to = std::min(at + piece.bytes, end);
    if (from < to) {
      open.sum.Add(reinterpret_cast<const uint8_t*>(piece.at) + (from - at), to - from, from);
    }
    at += piece.bytes;
  }
  return open.Close();
}

// The same of a frame that stands in one piece.
[[gnu::always_inline]] inline ChecksumVerdict VerdictOn(const PlainHead& head,
                                                        const PlainFacts& facts, uint32_t l3_end,
                                                        const std::byte* at) {
  OpenVerdict open = head.Verify(facts, l3_end);
  if (open.rest_bytes == 0) [[likely]] {
    return open.verdict;
  }
  open.sum.Add(reinterpret_cast<const uint8_t*>(at) + kHeadBytes, open.rest_bytes, kHeadBytes);
  return open.Close();
}

}  // namespace

[[gnu::always_inline]] inline void NicCore::PrepareHere(BurstFrame& frame) {
  frame.place = flows_.Seek(frame.ReadHead());
}

void NicCore::Prepare(BurstFrame& frame) { PrepareHere(frame); }

bool NicCore::SteerPlain(BurstFrame& frame) {
  if (frame.bytes > kEthernetHeaderBytes + settings_.mtu_bytes) return false;
  const PlainFlow* const flow = FlowOf(frame, frame.head, &frame.l3_end);
  if (flow == nullptr) return false;
  frame.flow = *flow;
  // Another core says itself what becomes of it.
  return flow->core() != index_ || flow->to()->IsSound();
}

[[gnu::noinline]] const PlainFlow* NicCore::NewFlow(const BurstFrame& frame, uint32_t* l3_end) {
  device::FlowKey key;
  PlainFacts facts;
  if (!ParsePlain(frame.head, frame.bytes, &facts, l3_end, &key)) return nullptr;
  if (!PassesMacFilter(key.dst_mac)) return nullptr;
  const FlowHash hash = HashFlow(rss_->toeplitz, key, /*fragment=*/false);
  const FlowTable::Entry& rule = rules_->Find(key);
  const uint32_t number = QueueFor(rule, hash);
  RxQueue* const to = QueueHere(number);
  const uint32_t core = CoreOf(number);
  if (core == index_ && to == nullptr) return nullptr;
  static_assert(PlainFlow::kNoRule == FlowTable::Entry::kNone);
  PlainFlow* const kept = flows_.Keep(frame.head, frame.bytes);
  PlainFlow* const flow = kept != nullptr ? kept : &new_flow_;
  *flow = PlainFlow(to, core, rule.location, facts, hash.value, hash.type);
  return flow;
}

void NicCore::Enqueue(BurstFrame& frame) {
  if (frame.flow.core() != index_) {
    HandOverPlain(frame);
    return;
  }
  RxQueue& queue = *frame.flow.to();
  frame.next = nullptr;
  if (queue.first == nullptr) {
    queue.first = &frame;
    touched_.push_back(&queue);
  } else {
    queue.last->next = &frame;
  }
  queue.last = &frame;
  if (frame.flow.rule() != PlainFlow::kNoRule) {
    RuleStats& counters = stats_.rules[frame.flow.rule()];
    counters.packets.Add();
    counters.bytes.Add(frame.bytes);
  }
}

void NicCore::DeliverPlain() {
  uint64_t time_ns = 0;
  for (RxQueue* queue : touched_) {
    // One time for the burst.
    if (time_ns == 0 && queue->supported.Has(RxField::kTimestamp)) time_ns = WallClockNs();
    DeliverPlainTo(*queue, time_ns);
    queue->first = queue->last = nullptr;
  }
  touched_.clear();
}

void NicCore::DeliverPlainTo(RxQueue& queue, uint64_t time_ns) {
  for (const BurstFrame* frame = DeliverInBuffers(queue, time_ns); frame != nullptr;
       frame = frame->next) {
    if (queue.stopped) {
      queue.stats->drops_down.Add();
    } else {
      DeliverInPieces(queue, *frame, time_ns);
    }
  }
}

RxMetadata NicCore::DescribePlain(const RxQueue& queue, const PlainFlow& flow,
                                  const ChecksumVerdict& verdict, uint64_t time_ns) {
  const PlainFacts facts = flow.facts();
  RxMetadata meta = Describe(queue, facts.l3, facts.l4, {flow.hash(), flow.hash_type()});
  if (queue.verifies) SayVerdict(verdict, &meta);
  if (queue.supported.Has(RxField::kTimestamp)) {
    meta.present |= RxField::kTimestamp;
    meta.timestamp = time_ns;
  }
  return meta;
}

void NicCore::BeginRun(RxQueue& queue, uint32_t frames, uint64_t time_ns) {
  run_.time_ns = time_ns;
  run_.prefix_bytes = queue.prefix_bytes;
  run_.ready = run_.filled = run_.completed = 0;
  run_.bytes = 0;
  run_.fetched = queue.ring.FetchPlain(std::span(run_.posted).first(frames));
  const Iommu& iommu = queue.lease->iommu;
  const Iommu::Window near = iommu.Near(queue.cursor, Iommu::Access::kWrite);
  const uint32_t prefix_bytes = queue.prefix_bytes;
  const uint32_t fetched = run_.fetched;
  uint32_t i = 0;
  for (; i < fetched; ++i) {
    const uint64_t address = run_.posted[i].address.value;
    const uint32_t bytes = run_.posted[i].bytes;
    if (bytes < prefix_bytes) break;
    std::byte* at = near.Find(address, bytes);
    if (at == nullptr) [[unlikely]] {
      at = iommu.Translate(address, bytes, Iommu::Access::kWrite, &queue.cursor).at;
      if (at == nullptr) break;
    }
    run_.to[i] = at + prefix_bytes;
    if (i < kFramesAhead) dataplane::PrefetchToWrite(run_.to[i]);
  }
  run_.ready = i;
}

[[gnu::always_inline]] inline void NicCore::Put(RxQueue& queue, const BurstFrame& frame,
                                                const PlainHead& head, const PlainFlow& flow,
                                                uint32_t l3_end) {
  const uint32_t i = run_.filled;
  std::byte* const to = run_.to[i];
  if (i + kFramesAhead < run_.ready) dataplane::PrefetchToWrite(run_.to[i + kFramesAhead]);
  if (run_.Room() >= kHeadBytes) [[likely]] {
    head.WriteTo(to);  // a short one with its whole cache line of zeros
    frame.CopyRest(to);
  } else {
    frame.CopyTo(to, 0, frame.bytes);
  }
  ChecksumVerdict verdict;
  if (queue.verifies) {
    verdict = VerdictOn(head, flow.facts(), l3_end, to);
    CountVerdict(queue, verdict);
  }
  if (i == run_.completed || !flow.IsOfOneKind(run_.flow) || verdict.l3 != run_.verdict.l3 ||
      verdict.l4 != run_.verdict.l4) [[unlikely]] {
    CompleteRun(queue);
    run_.flow = flow;
    run_.verdict = verdict;
  }
  run_.results[i] = {frame.bytes, flow.hash()};
  run_.bytes += frame.bytes;
  ++run_.filled;
}

[[gnu::noinline]] void NicCore::CompleteRun(RxQueue& queue) {
  const uint32_t count = run_.filled - run_.completed;
  if (count == 0) return;
  queue.ring.CompletePlain(DescribePlain(queue, run_.flow, run_.verdict, run_.time_ns),
                           std::span(run_.results).subspan(run_.completed, count));
  run_.completed = run_.filled;
}

void NicCore::EndRun(RxQueue& queue) {
  CompleteRun(queue);
  if (run_.filled != 0) {
    NoteCompletions(queue, run_.filled);
    queue.stats->descriptors.Add(run_.filled);
    queue.stats->packets.Add(run_.filled);
    queue.stats->bytes.Add(run_.bytes);
  }
  // The first one that does not fit, with all behind it.
  if (run_.filled < run_.fetched) queue.ring.Unfetch();
}

BurstFrame* NicCore::DeliverInBuffers(RxQueue& queue, uint64_t time_ns) {
  BurstFrame* frame = queue.first;
  uint32_t frames = 0;
  for (const BurstFrame* f = frame; f != nullptr; f = f->next) ++frames;
  BeginRun(queue, frames, time_ns);
  for (; frame != nullptr && run_.Takes(frame->bytes); frame = frame->next) {
    Put(queue, *frame, frame->head, frame->flow, frame->l3_end);
  }
  EndRun(queue);
  return frame;
}

template <bool kFour>
uint32_t NicCore::PutAlike(RxQueue& queue, std::span<BurstFrame> frames, const FrameHead& before,
                           const PlainFlow& flow, uint32_t longest) {
  const PlainHead like = before;
  uint32_t l3_end = 0;
  uint32_t count = 0;
  for (; count < frames.size(); ++count) {
    BurstFrame& frame = frames[count];
    if (count + kFramesAhead < frames.size()) {
      dataplane::PrefetchToRead(frames[count + kFramesAhead].at);  // null does no harm
    }
    if (!frame.MayBeRead(longest)) break;
    const PlainHead head = frame.ReadHead();
    if (!PlainHead::AreAlike<kFour>(head, like) || !head.IsWhole<kFour>(frame.bytes, &l3_end) ||
        !run_.Takes(frame.bytes)) {
      break;
    }
    Put(queue, frame, head, flow, l3_end);
  }
  return count;
}

uint32_t NicCore::ReceiveRun(std::span<BurstFrame> frames, uint32_t longest,
                             const SourceCheck& source) {
  const bool restricted = source.any();
  const auto prepare = [&](BurstFrame & frame) __attribute__((always_inline)) {
    if (frame.place == nullptr && frame.MayBeRead(longest)) PrepareHere(frame);
  };
  const auto passes = [&](const BurstFrame& frame) {
    // Source addresses of plain frames stand in their heads.
    return frame.place != nullptr && (!restricted || source.Passes(frame.head));
  };
  BurstFrame& first = frames.front();
  prepare(first);
  if (!passes(first)) return 0;
  uint32_t l3_end = 0;
  const PlainFlow* flow = FlowOf(first, first.head, &l3_end);
  if (flow == nullptr || flow->core() != index_ || !flow->to()->IsSound()) return 0;
  RxQueue& queue = *flow->to();
  BeginRun(queue, static_cast<uint32_t>(frames.size()),
           queue.supported.Has(RxField::kTimestamp) ? WallClockNs() : 0);
  // Of the run, what was counted of rules' frames.
  uint32_t packets = 0;
  uint64_t bytes = 0;
  const auto count_rule = [&](uint32_t rule) {
    if (rule != PlainFlow::kNoRule) {
      stats_.rules[rule].packets.Add(run_.filled - packets);
      stats_.rules[rule].bytes.Add(run_.bytes - bytes);
    }
    packets = run_.filled;
    bytes = run_.bytes;
  };
  uint32_t rule = flow->rule();
  uint32_t count = 0;
  if (run_.Takes(first.bytes)) {
    Put(queue, first, first.head, *flow, l3_end);
    count = 1;
    const std::span<BurstFrame> rest = frames.subspan(1);
    if (flow == &new_flow_) {
      // It was not kept: perhaps those bits do not tell of such frames.
    } else if (flow->facts().ip_version == 4) {
      count += PutAlike<true>(queue, rest, first.head, *flow, longest);
    } else {
      count += PutAlike<false>(queue, rest, first.head, *flow, longest);
    }
  }
  uint32_t ahead = count;  // frames in front of it are prepared
  for (; count != 0 && count < frames.size(); ++count) {
    BurstFrame& frame = frames[count];
    if (count + kFramesAhead < frames.size()) {
      dataplane::PrefetchToRead(frames[count + kFramesAhead].at);  // null does no harm
    }
    for (; ahead < frames.size() && ahead <= count + kHeadsAhead; ++ahead) prepare(frames[ahead]);
    if (!passes(frame)) break;
    const PlainHead head = frame.head;
    flow = FlowOf(frame, head, &l3_end);
    // One to another queue begins the next run, and its flow is known by then.
    if (flow == nullptr || flow->to() != &queue) break;
    if (flow->rule() != rule) {
      count_rule(rule);
      rule = flow->rule();
    }
    if (!run_.Takes(frame.bytes)) break;
    Put(queue, frame, head, *flow, l3_end);
  }
  count_rule(rule);
  EndRun(queue);
  return count;
}

bool NicCore::DeliverInPieces(RxQueue& queue, const BurstFrame& frame, uint64_t time_ns) {
  if (!FetchBuffers(queue, frame.bytes)) return false;
  uint32_t at = 0;
  for (const RxPiece& piece : pieces_) {
    frame.CopyTo(piece.at, at, piece.bytes);
    at += piece.bytes;
  }
  ChecksumVerdict verdict;
  if (queue.verifies) {
    verdict = VerdictOn(frame, pieces_);
    CountVerdict(queue, verdict);
  }
  CompletePieces(queue, DescribePlain(queue, frame.flow, verdict, time_ns), frame.bytes);
  return true;
}

}  // namespace qsplit::softnic
