// Completions of the common case of a transmit queue of any protocol, in bursts: see
// burst/tx_ring.h.
#include <algorithm>

#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {
namespace {

constexpr size_t kKeys = 64;  // that are looked at together

}  // namespace

// Packets came back that are as plain_packet_ says.
[[gnu::always_inline]] inline void RingTxDriver::FreePlain(uint32_t packets) {
  owed_ -= packets * plain_owed_;
  posts_->Free(packets * plain_packet_.slots);
}

[[gnu::always_inline]] inline uint32_t RingTxDriver::TakeByAddress(std::span<uint32_t> cookies) {
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

[[gnu::always_inline]] inline uint32_t RingTxDriver::TakeNumbers(std::span<uint32_t> cookies) {
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

uint32_t RingTxDriver::ReclaimMore(std::span<uint32_t> cookies, uint32_t count) {
  // A completion that says when its packet left is the engine's to read.
  if (takes_ == nullptr || (!alone_ && times_.AnyWaits())) {
    Poll();
    return count + ledger_.TakeCookies(cookies.subspan(count));
  }
  const std::span<uint32_t> rest = cookies.subspan(count);
  if (memory_ == burst::TxMemory::kId) {
    count += TakeNumbers(rest);
  } else {
    count += alone_ ? TakeByAddress(rest) : TakePositions(rest);
  }
  if (count == cookies.size()) return count;
  count += ledger_.TakeCookies(cookies.subspan(count));
  // What bursts do not know may follow.
  if (count == cookies.size() || takes_->done().tests.empty()) return count;
  Poll();
  return count + ledger_.TakeCookies(cookies.subspan(count));
}

}  // namespace qsplit::dataplane
