// The common case of a transmit queue of any protocol, in bursts: see burst/tx_ring.h.
#include <algorithm>
#include <cstring>

#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kWord = 8;
constexpr size_t kKeys = 64;  // that are looked at together

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

// Packets came back that are as plain_packet_ says.
[[gnu::always_inline]] inline void RingTxDriver::FreePlain(uint32_t packets) {
  owed_ -= packets * plain_owed_;
  posts_->Free(packets * plain_packet_.slots);
}

uint32_t RingTxDriver::TakeByAddress(std::span<uint32_t> cookies) {
  uint32_t count = 0;
  while (count < cookies.size()) {
    const auto most = static_cast<uint32_t>(
        std::min<size_t>(cookies.size() - count, completions_->ReadyInBurst()));
    if (most == 0) break;
    const uint32_t run = takes_->TakeExpected(
        done_slots_, completions_->position().index(), std::min(most, addresses_.InOrder()),
        addresses_.buffers(), addresses_.First(), cookies.data() + count);
    if (run == 0) {
      TakeAnyAddress(most, cookies.data(), &count);
      continue;
    }
    count += run;
    addresses_.TookInOrder(run);
    ledger_.FinishElsewhere(run);
    FreePlain(run);
    completions_->Skip(run, takes_->done().step_slots);
  }
  addresses_.Rewind();
  completions_->Publish();
  return count;
}

void RingTxDriver::TakeAnyAddress(uint32_t most, uint32_t* cookies, uint32_t* count) {
  // Behind one that is not the next there may be those that are.
  most = addresses_.InOrder() != 0 ? 1 : std::min<uint32_t>(most, kKeys);
  const RingCursor& at = completions_->position();
  uint64_t keys[kKeys];
  const uint32_t n = takes_->Take(done_slots_, at.index(), most, at.phase(), keys);
  for (const uint64_t key : std::span(keys).first(n)) {
    AddressLedger::Buffer buffer;
    if (!addresses_.Take(key, &buffer)) continue;
    if (buffer.IsPacket()) {
      cookies[(*count)++] = buffer.cookie;
      ledger_.FinishElsewhere(1);
      FreePlain(1);
    } else {
      TakeId(buffer.id - AddressLedger::kFirstId, cookies, count);
    }
  }
  completions_->Skip(n, takes_->done().step_slots);
}

// One that the ledger may know by this number.
void RingTxDriver::TakeId(uint32_t id, uint32_t* cookies, uint32_t* count) {
  if (!IsPublished(id)) return;
  if (ledger_[id].pending > 1) return CompleteNamed(false, id);
  if (times_.Waits(id)) times_.Settle(id, ledger_[id].cookie);
  FreeSlots(ledger_[id]);
  cookies[(*count)++] = ledger_.FinishNow(id);
}

// Completions of the common case from position() on, up to the ring's end, as many as may be there.
[[gnu::always_inline]] inline uint32_t RingTxDriver::MostDone() {
  const RingCursor& at = completions_->position();
  uint32_t most = (at.slot_count() - at.index()) >> (takes_->done().step_slots - 1);
  // What stands in slots that are not the device's is no completion.
  if (rings_.CompletesInOwnSlots()) {
    most = static_cast<uint32_t>(std::min<uint64_t>(most, published_packets_ - ledger_.Finished()));
  }
  if (completions_->CellDecides()) most = std::min(most, completions_->Ready());
  return most;
}

uint32_t RingTxDriver::TakeNumbers(std::span<uint32_t> cookies) {
  const RingCursor& at = completions_->position();
  const uint32_t step_slots = takes_->done().step_slots;
  const auto wanted = static_cast<uint32_t>(cookies.size());
  uint32_t count = 0;
  while (count < wanted) {
    const uint32_t most = std::min(MostDone(), wanted - count);
    if (most == 0) break;
    numbers_.published = published_packets_;
    numbers_.free = ledger_.NextFree();
    const uint32_t run = takes_->TakeRemembered(done_slots_, at.index(), most, at.phase(), numbers_,
                                                cookies.data() + count);
    ledger_.TookRemembered(run);
    FreePlain(run);
    count += run;
    completions_->Skip(run, step_slots);
    if (run == most) continue;  // at the ring's end it may go on at its beginning
    // Another one may have another number of slots, from which one would have to go on.
    if (rings_.CompletesInOwnSlots()) {
      if (run == 0 || at.index() != 0) break;
      continue;
    }
    const std::optional<uint32_t> other = TakeOther(&cookies[count]);
    if (!other.has_value()) break;
    count += *other;
  }
  completions_->Publish();
  return count;
}

std::optional<uint32_t> RingTxDriver::TakeOther(uint32_t* cookie) {
  const RingCursor& at = completions_->position();
  uint64_t key;
  if (takes_->Take(done_slots_, at.index(), 1, at.phase(), &key) == 0) return std::nullopt;
  uint32_t count = 0;
  TakeId(ledger_.ById(key), cookie, &count);
  completions_->Skip(1, takes_->done().step_slots);
  return count;
}

[[gnu::always_inline]] inline bool RingTxDriver::FinishRun(uint64_t slot,
                                                           std::span<uint32_t> cookies,
                                                           uint32_t* count) {
  const uint32_t id = ledger_.Oldest();
  if (id == TxLedger::kNone) return false;
  const TxLedger::Packet& run = ledger_[id];
  const uint32_t slots = run.run * run.slots;
  if (slots == 0 || run.first + uint64_t{slots} - 1 != slot || run.end_count > published_slots_) {
    return false;
  }
  owed_ -= run.owed;
  posts_->Free(slots);
  if (run.run <= cookies.size() - *count && ledger_.CanFinishRunNow(run)) {
    *count += ledger_.FinishRunNow(id, &cookies[*count]);
  } else {
    ledger_.Finish(id);
  }
  return true;
}

uint32_t RingTxDriver::TakePositions(std::span<uint32_t> cookies) {
  const RingCursor& at = completions_->position();
  const uint32_t step_slots = takes_->done().step_slots;
  uint64_t keys[kKeys];
  uint32_t count = 0;
  for (;;) {
    const uint32_t most = std::min<uint32_t>(MostDone(), kKeys);
    if (most == 0) break;
    const uint32_t n = takes_->Take(done_slots_, at.index(), most, at.phase(), keys);
    for (const uint64_t key : std::span(keys).first(n)) {
      const uint64_t slot = posts_->IndexOf(key);
      if (!FinishRun(slot, cookies, &count)) CompleteUpTo(slot);
    }
    completions_->Skip(n, step_slots);
    // At the ring's end it may go on at its beginning.
    if (n != most && (n == 0 || at.index() != 0)) break;
  }
  completions_->Publish();
  return count;
}

AccessReport RingTxDriver::Access() const {
  if (bursts_.empty()) return AccessReport::Engine();
  return AccessReport::Burst(bursts_.front().code->code_status());
}

}  // namespace qsplit::dataplane
