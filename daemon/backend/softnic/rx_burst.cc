// NicCore: plain frames from the peer into receive rings. See frame_burst.h.
#include <algorithm>
#include <bit>

#include "daemon/backend/softnic/nic_core.h"

namespace qsplit::softnic {
namespace {

using dataplane::RxField;
using dataplane::RxMetadata;

// What the device says of a frame's checksums. Behind the head it sums what the receiver got: the
// sender's bytes were read, and may be others by now. Whoever writes there meanwhile, deceives
// himself.
ChecksumVerdict VerdictOn(const BurstFrame& frame, std::span<const RxPiece> pieces) {
  OpenVerdict open = BeginVerify(frame.head, frame.facts);
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

// Whether completions of two frames to one queue differ in length and hash only.
bool SameKind(const BurstFrame& a, const ChecksumVerdict& of_a, const BurstFrame& b,
              const ChecksumVerdict& of_b) {
  return a.hash.type == b.hash.type && a.facts.l3 == b.facts.l3 && a.facts.l4 == b.facts.l4 &&
         of_a.l3 == of_b.l3 && of_a.l4 == of_b.l4;
}

}  // namespace

bool NicCore::SteerPlain(BurstFrame& frame, const BurstFrame* before) {
  if (frame.bytes > kEthernetHeaderBytes + settings_.mtu_bytes) return false;
  if (before != nullptr &&
      ParseSameFlow(frame.head, frame.bytes, before->head, before->facts, &frame.facts)) {
    frame.hash = before->hash;
    frame.rule = before->rule;
    frame.to = before->to;
    frame.core = before->core;
    return true;
  }
  device::FlowKey key;
  if (!ParsePlain(frame.head, frame.bytes, &frame.facts, &key)) return false;
  if (!PassesMacFilter(key.dst_mac)) return false;
  frame.hash = HashFlow(rss_->toeplitz, key, /*fragment=*/false);
  const FlowTable::Entry* rule = nullptr;
  const uint32_t number = QueueFor(key, frame.hash, &rule);
  frame.rule = rule != nullptr ? rule->location : BurstFrame::kNoRule;
  frame.to = QueueHere(number);
  frame.core = CoreOf(number);
  if (frame.core != index_) return true;  // its own core says what becomes of it
  const RxQueue* const to = frame.to;
  return to != nullptr && !to->stopped && to->stalled_until_ns == 0 && to->lose_completions == 0 &&
         to->wrong_lengths == 0;
}

void NicCore::Enqueue(BurstFrame& frame) {
  if (frame.core != index_) {
    HandOverPlain(frame);
    return;
  }
  RxQueue& queue = *frame.to;
  frame.next = nullptr;
  if (queue.first == nullptr) {
    queue.first = &frame;
    touched_.push_back(&queue);
  } else {
    queue.last->next = &frame;
  }
  queue.last = &frame;
  if (frame.rule != BurstFrame::kNoRule) {
    RuleStats& counters = stats_.rules[frame.rule];
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

RxMetadata NicCore::DescribePlain(RxQueue& queue, const BurstFrame& frame,
                                  const ChecksumVerdict& verdict, uint64_t time_ns) {
  RxMetadata meta = Describe(queue, frame.facts.l3, frame.facts.l4, frame.hash);
  if (queue.verifies) SayVerdict(verdict, &meta);
  if (queue.supported.Has(RxField::kTimestamp)) {
    meta.present |= RxField::kTimestamp;
    meta.timestamp = time_ns;
  }
  return meta;
}

BurstFrame* NicCore::DeliverInBuffers(RxQueue& queue, uint64_t time_ns) {
  BurstFrame* frame = queue.first;
  uint32_t frames = 0;
  for (const BurstFrame* f = frame; f != nullptr; f = f->next) ++frames;
  const uint32_t fetched = queue.ring.FetchPlain(std::span(posted_).first(frames));
  std::array<std::byte*, kBurstFrames> to;
  uint32_t ready = 0;
  for (const BurstFrame* f = frame; f != nullptr && ready < fetched; f = f->next, ++ready) {
    const dataplane::PostedBuffer& buffer = posted_[ready];
    if (buffer.bytes < queue.prefix_bytes || buffer.bytes - queue.prefix_bytes < f->bytes) break;
    const Iommu::Translation there = queue.lease->iommu.Translate(
        buffer.address.value, buffer.bytes, Iommu::Access::kWrite, &queue.cursor);
    if (there.verdict != Iommu::Verdict::kOk) break;
    to[ready] = there.at + queue.prefix_bytes;
    __builtin_prefetch(to[ready], 1);
  }
  uint64_t bytes = 0;
  const BurstFrame* run = frame;  // the first of those that are completed alike
  uint32_t run_begin = 0;
  ChecksumVerdict run_verdict;
  const auto complete_run = [&](uint32_t end) {
    if (run_begin == end) return;
    queue.ring.CompletePlain(DescribePlain(queue, *run, run_verdict, time_ns),
                             std::span(results_).subspan(run_begin, end - run_begin));
  };
  for (uint32_t i = 0; i < ready; ++i, frame = frame->next) {
    const uint32_t room = posted_[i].bytes - queue.prefix_bytes;
    frame->CopyWhole(to[i], room);
    ChecksumVerdict verdict;
    if (queue.verifies) {
      const RxPiece piece{to[i], frame->bytes, room};
      verdict = VerdictOn(*frame, std::span(&piece, 1));
      CountVerdict(queue, verdict);
    }
    if (i == 0 || !SameKind(*run, run_verdict, *frame, verdict)) {
      complete_run(i);
      run = frame;
      run_begin = i;
      run_verdict = verdict;
    }
    results_[i] = {frame->bytes, frame->hash.value};
    bytes += frame->bytes;
  }
  complete_run(ready);
  if (ready != 0) {
    NoteCompletions(queue, ready);
    queue.stats->descriptors.Add(ready);
    queue.stats->packets.Add(ready);
    queue.stats->bytes.Add(bytes);
  }
  // The first one that does not fit, with all behind it.
  if (ready < fetched) queue.ring.Unfetch();
  return frame;
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
  CompletePieces(queue, DescribePlain(queue, frame, verdict, time_ns), frame.bytes);
  return true;
}

}  // namespace qsplit::softnic
