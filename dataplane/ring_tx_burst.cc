// The common case of a transmit queue of any protocol, in bursts: see burst/tx_ring.h. Packets are
// pushed here; completions are taken in ring_tx_burst_done.cc.
#include <algorithm>
#include <cstring>

#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kWord = 8;

}  // namespace

// `packets` were written.
template <burst::TxMemory kMemory>
[[gnu::always_inline]] inline void RingTxDriver::AddRun(std::span<const TxPacket> packets,
                                                        bool report) {
  const auto count = static_cast<uint32_t>(packets.size());
  const uint32_t owed = coalesces_ ? (report ? plain_owed_ : 0) : count * plain_owed_;
  owed_ += owed;
  if constexpr (kMemory == burst::TxMemory::kId) {
    ledger_.AddRemembered(count);
  } else if constexpr (kMemory == burst::TxMemory::kNothing) {
    addresses_.Add(packets);
    ledger_.AddElsewhere(count);
  } else {
    const RingCursor& at = posts_->position();
    const uint64_t begin = at.count();
    const uint32_t each = plain_packet_.slots;
    TxLedger::Packet& run = ledger_.AppendRun(count);
    run.first = at.index();
    run.slots = each;
    run.owed = owed;
    run.pending = plain_pending_;
    run.reported = report || !coalesces_;
    run.begin_count = begin;
    run.last_count = begin + count * each - 1;
    run.end_count = begin + count * each;
  }
}

// What a doorbell copies; all: the code wrote all that it was given.
[[gnu::always_inline]] inline void RingTxDriver::KeepBell(const Plan& plan, const TxPacket& packet,
                                                          uint32_t written, bool all,
                                                          bool reported) {
  if (!all || call_.has_kept == 0 || posts_->BellBytes() > kWord) [[unlikely]] {
    return KeepBellSlowly(plan, packet, written, reported);
  }
  const burst::TxRingImage& image = plan.image[posts_->position().phase()];
  posts_->SetBell(call_.kept | (reported ? image.report[plan.code->plan().kept_word] : 0));
}

// Packets that one burst has room for, before the ring's end.
[[gnu::always_inline]] inline uint32_t RingTxDriver::PartRoom() const {
  const RingCursor& at = posts_->position();
  const uint32_t slots = Whole(at.slot_count() - at.index());
  return memory_ == burst::TxMemory::kOrder ? std::min(slots, ledger_.CookieRoom()) : slots;
}

template <burst::TxMemory kMemory>
[[gnu::always_inline]] inline uint32_t RingTxDriver::WritePart(const Plan& plan,
                                                               std::span<const TxPacket> packets,
                                                               bool report) {
  const burst::TxRingBurst& code = *plan.code;
  const auto part = static_cast<uint32_t>(packets.size());
  const RingCursor& at = posts_->position();
  burst::TxRingCall& call = call_;
  call.count = at.count();
  if constexpr (kMemory == burst::TxMemory::kOrder) {
    call.cookies = ledger_.NextCookies();
  } else if constexpr (kMemory == burst::TxMemory::kId) {
    call.number = ledger_.Added();
    call.ids = ledger_.NextIds();
    call.prefix = plan.prefix;
  }
  uint64_t* const held = posts_->HoldsNext() ? &held_word_ : nullptr;
  call.held = held;
  const burst::TxRingImage& image = plan.image[at.phase()];
  const bool in_held = held != nullptr && report && part == 1 && code.plan().HandsOverReports();
  call.report = report && !in_held;
  call.has_kept = 0;
  const uint32_t written = code.Push(post_slots_, call, at.index(), part, packets.data(), image);
  if (written == 0) return 0;
  const bool all = written == part;
  const bool reported = report && all;
  if (in_held) held_word_ |= image.report[code.plan().held_word];
  if (coalesces_ && !reported) [[unlikely]] {
    KeepUnreported(plan, packets[written - 1], written);
  } else {
    unreported_.field = nullptr;
  }
  if (posts_->BellBytes() != 0) KeepBell(plan, packets[written - 1], written, all, reported);
  AddRun<kMemory>(packets.first(written), reported);
  posts_->WroteWord(written * plain_packet_.slots, held, code.plan().held_word);
  return written;
}

[[gnu::always_inline]] inline uint32_t RingTxDriver::WritePart(const Plan& plan,
                                                               std::span<const TxPacket> packets,
                                                               bool report) {
  if (memory_ == burst::TxMemory::kOrder)
    return WritePart<burst::TxMemory::kOrder>(plan, packets, report);
  if (memory_ == burst::TxMemory::kId)
    return WritePart<burst::TxMemory::kId>(plan, packets, report);
  return WritePart<burst::TxMemory::kNothing>(plan, packets, report);
}

uint32_t RingTxDriver::WriteRun(const Plan& plan, std::span<const TxPacket> packets, bool report) {
  const auto most = static_cast<uint32_t>(packets.size());
  uint32_t done = 0;
  while (done < most) {
    const uint32_t part = std::min(most - done, PartRoom());
    if (part == 0) break;
    const uint32_t written =
        WritePart(plan, packets.subspan(done, part), report && done + part == most);
    done += written;
    if (written < part && !WritePrefixes(plan, ledger_.NextIds(), part - written)) break;
  }
  return done;
}

// Of the last one of `written` packets from position() on: a descriptor's bytes.
void RingTxDriver::CopyOf(const Plan& plan, const TxPacket& packet, uint32_t written,
                          uint32_t descriptor, uint32_t bytes, std::byte* to) const {
  const burst::TxRingPlan& writes = plan.code->plan();
  const RingCursor& at = posts_->position();
  burst::TxRingCall call = call_;
  call.count = at.count() + uint64_t{written - 1} * writes.packet_slots;
  call.ids = ledger_.NextIds() - (written - 1);
  uint32_t word = descriptor == 0 ? 0 : plan.burst->plain.descriptors[0].copy_bytes / kWord;
  for (uint32_t offset = 0; offset < bytes; offset += kWord, ++word) {
    const uint64_t bits =
        burst::TxRingBurst::Word(writes, word, packet, call, plan.image[at.phase()]);
    std::memcpy(to + offset, &bits, kWord);
  }
}

void RingTxDriver::KeepBellSlowly(const Plan& plan, const TxPacket& packet, uint32_t written,
                                  bool reported) {
  const burst::TxRingPlan& writes = plan.code->plan();
  const burst::TxRingImage& image = plan.image[posts_->position().phase()];
  DescriptorBytes bell;
  const uint32_t last = plan.burst->plain.count - 1;
  const uint32_t bytes =
      std::min(posts_->BellBytes(), plan.burst->plain.descriptors[last].copy_bytes);
  CopyOf(plan, packet, written, last, bytes, bell.bytes);
  for (uint32_t i = 0; i < bytes / kWord && reported; ++i) {
    uint64_t bits;
    std::memcpy(&bits, bell.bytes + size_t{kWord} * i, kWord);
    bits |= image.report[writes.kept_word + i];
    std::memcpy(bell.bytes + size_t{kWord} * i, &bits, kWord);
  }
  posts_->SetBell(bell.bytes);
}

// What Publish may have to write again.
void RingTxDriver::KeepUnreported(const Plan& plan, const TxPacket& packet, uint32_t written) {
  const TxPlain& plain = plan.burst->plain;
  const TxPlain::Descriptor& reporter = plain.descriptors[plain.reporter];
  CopyOf(plan, packet, written, plain.reporter, reporter.copy_bytes, unreported_.image.bytes);
  unreported_.id = ledger_.NextId();
  RingCursor at = posts_->position();
  at.SkipSlots((written - 1) * plain.slots + plain.reporter);
  unreported_.field = plain_report_;
  unreported_.at = at;
  unreported_.form = reporter.form;
  unreported_.bytes = reporter.bytes;
}

bool RingTxDriver::WritePrefixes(const Plan& plan, const uint32_t* ids, uint32_t packets) {
  if (program_.prefix_bytes == 0) return false;
  bool any = false;
  for (uint32_t i = 0; i < packets; ++i) {
    const uint32_t id = *(ids - 1 - i);
    if (prefixes_[id] == plan.prefix) continue;
    any = true;
    Packet packet;
    packet.plan = &plan;
    packet.id = id;
    WritePrefix(packet);
  }
  return any;
}

bool RingTxDriver::FindContext(Plan* plan) {
  const uint32_t named = plan->place;
  if (!plan->FindContext(contexts_, program_.requests)) return false;
  if (plan->place != named) MakeImages(plan);
  return plan->code != nullptr;
}

void RingTxDriver::FindEasy() { easy_ = std::min(PlainRoom(ledger_.Free()), PartRoom()); }

uint32_t RingTxDriver::PushRun(std::span<const TxPacket> packets, const TxRequest& request) {
  Plan& plan = PlanFor(request);
  if (plan.code == nullptr) return 0;
  if (plan.context != TxProgram::kNoContext && plan.context != program_.prefix &&
      plan.seen_at != contexts_.changes() && !FindContext(&plan)) {
    return 0;
  }
  const auto most = static_cast<uint32_t>(packets.size());
  const uint32_t until = UntilReport();
  if (most > easy_) FindEasy();
  if (most > easy_ || most > until || most == 0) [[unlikely]] {
    return PushRuns(plan, packets.first(PlainRoom(most)));
  }
  const uint32_t written = WritePart(plan, packets, most == until);
  easy_ -= written;
  if (written == most) [[likely]] {
    CountUnreported(most, most == until);
    return most;
  }
  CountUnreported(written, false);
  if (!WritePrefixes(plan, ledger_.NextIds(), most - written)) return written;
  return written + PushRuns(plan, packets.subspan(written));
}

uint32_t RingTxDriver::PushRuns(const Plan& plan, std::span<const TxPacket> packets) {
  const auto most = static_cast<uint32_t>(packets.size());
  easy_ = 0;
  uint32_t done = 0;
  while (done < most) {
    const uint32_t until = UntilReport();
    const uint32_t run = std::min(most - done, until);
    const uint32_t written = WriteRun(plan, packets.subspan(done, run), run == until);
    done += written;
    CountUnreported(written, written == until);
    if (written < run) break;
  }
  return done;
}

AccessReport RingTxDriver::Access() const {
  if (bursts_.empty()) return AccessReport::Engine();
  return AccessReport::Burst(bursts_.front().code->code_status());
}

}  // namespace qsplit::dataplane
