// How packets come back: see ring_tx_driver.h. What the device wrote may be anything.
#include <algorithm>
#include <cstring>

#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {

void RingTxDriver::FreeChain(uint32_t first) {
  for (uint32_t slot = first; slot != TableWriter::kNone; slot = table_next_[slot]) {
    table_->Free(slot);
  }
}

[[gnu::always_inline]] inline void RingTxDriver::FreeHere(const TxLedger::Packet& packet) {
  owed_ -= packet.owed;
  if (table_) [[unlikely]] {
    FreeChain(packet.first);
  }
  // A head tells of slots itself.
  if (rings_.how != TxReturn::kHead) posts_->Free(packet.slots * std::max(packet.run, 1u));
}

void RingTxDriver::FreeSlots(const TxLedger::Packet& packet) { FreeHere(packet); }

[[gnu::always_inline]] inline void RingTxDriver::FinishHere(uint32_t id) {
  if (times_.Waits(id)) [[unlikely]] {
    times_.Settle(id, ledger_[id].cookie);
  }
  FreeHere(ledger_[id]);
  ledger_.Finish(id);
}

void RingTxDriver::Finish(uint32_t id) { FinishHere(id); }

void RingTxDriver::NoteSlot(uint32_t id) {
  // Its slots are ours again since the head was read, with acquire.
  const RingShape& ring = *rings_.posts;
  const uint32_t bytes = ring.ring->slot_bytes();
  DescriptorBytes copy;
  std::memcpy(copy.bytes, ring.view.slots + size_t{ledger_[id].first} * bytes, bytes);
  times_.NoteSlot(id, copy.bytes);
}

void RingTxDriver::PollHead() {
  if (head_->Poll(published_slots_) != RingFault::kNone) return;
  const uint64_t finished = head_->finished();
  for (uint32_t id = ledger_.Oldest(); IsPublished(id) && ledger_[id].end_count <= finished;
       id = ledger_.Oldest()) {
    if (times_.in_slots() && times_.Waits(id)) NoteSlot(id);
    Finish(id);
  }
  if (const uint32_t id = ledger_.Oldest(); IsPublished(id) && ledger_[id].run > 1) {
    FinishPart(id, Whole(static_cast<uint32_t>(finished - ledger_[id].begin_count)));
  }
  posts_->FreeUpTo(finished);
  head_->Acknowledge();
}

// The first packets of a run.
void RingTxDriver::FinishPart(uint32_t id, uint32_t packets) {
  if (packets == 0) return;
  TxLedger::Packet& run = ledger_[id];
  const uint32_t slots = packets * run.slots;
  // If not each of them is reported, the last one is at most.
  const uint32_t owed = coalesces_ ? 0 : packets * plain_owed_;
  owed_ -= owed;
  run.owed -= owed;
  run.begin_count += slots;
  run.first = (run.first + slots) % posts_->slot_count();
  if (rings_.how != TxReturn::kHead) posts_->Free(slots);
  ledger_.FinishPart(id, packets);
}

void RingTxDriver::CompleteUpTo(uint64_t slot, uint32_t form, const std::byte* completion) {
  uint32_t id = ledger_.Oldest();
  if (!IsPublished(id) || slot >= posts_->slot_count()) return;
  // The slot's count, among those that are published.
  const uint64_t from = ledger_[id].first;
  const uint64_t count =
      ledger_[id].begin_count + (slot >= from ? slot - from : slot + posts_->slot_count() - from);
  if (count >= published_slots_) return;
  for (; IsPublished(id) && ledger_[id].begin_count <= count; id = ledger_.Oldest()) {
    const TxLedger::Packet& packet = ledger_[id];
    if (packet.run > 1) {
      const uint32_t part = Whole(static_cast<uint32_t>(count - packet.begin_count)) + 1;
      if (part < packet.run) return FinishPart(id, part);
    }
    if (completion != nullptr && packet.end_count > count && times_.Waits(id)) {
      times_.Note(id, form, completion);
    }
    FinishHere(id);
  }
}

void RingTxDriver::PollInPlace() {
  DescriptorBytes copy;
  ReadCompletion read;
  for (;;) {
    // The next packet that is reported stands for all before it.
    uint32_t id = ledger_.Oldest();
    while (IsPublished(id) && rings_.only_where_reported && !ledger_[id].reported) {
      id = ledger_.Next(id);
    }
    if (!IsPublished(id)) return;
    const RingCursor& at = completions_->position();
    const uint32_t before = at.DescriptorSlots(at.count(), ledger_[id].last_count);
    if (before != 0) completions_->Take(before);
    const RingFault fault = completions_->Read(copy.bytes, &read);
    // Done is done, whatever else stands there.
    if (fault != RingFault::kNone && fault != RingFault::kUndefinedForm) return;
    completions_->Take(1);
    if (fault == RingFault::kNone && times_.Waits(id)) times_.Note(id, read.form, copy.bytes);
    while (ledger_.Oldest() != id) Finish(ledger_.Oldest());
    Finish(id);
  }
}

uint32_t RingTxDriver::Named(v1::CompletionKey key, uint64_t value) {
  AddressLedger::Buffer buffer;
  switch (key) {
    case v1::COMPLETION_KEY_TAG:
      return ledger_.ById(value);
    case v1::COMPLETION_KEY_INDEX:
      return ledger_.BySlot(value);
    case v1::COMPLETION_KEY_ADDRESS:
      // Packets that are nothing else do not come this way.
      return addresses_.Take(value, &buffer) && !buffer.IsPacket()
                 ? buffer.id - AddressLedger::kFirstId
                 : TxLedger::kNone;
    default:
      return ledger_.Oldest();
  }
}

void RingTxDriver::CompleteNamed(bool cumulative, uint32_t id) {
  if (cumulative) {
    while (ledger_.Oldest() != id) Finish(ledger_.Oldest());
    Finish(id);
    return;
  }
  TxLedger::Packet& packet = ledger_[id];
  if (--packet.pending == 0) {
    Finish(id);
  } else {
    // One of several.
    packet.owed -= completion_slots_;
    owed_ -= completion_slots_;
  }
}

void RingTxDriver::PollCompletions() {
  const bool own = rings_.CompletesInOwnSlots();
  DescriptorBytes copy;
  ReadCompletion read;
  for (uint32_t i = 0; i < completions_->slot_count(); ++i) {
    // What stands there is not the device's.
    if (own && ledger_.Finished() == published_packets_) break;
    const RingFault fault = completions_->Read(copy.bytes, &read);
    if (fault == RingFault::kUndefinedForm && !own) {
      completions_->Take(1);
      continue;
    }
    if (fault != RingFault::kNone) break;
    CompletionTarget target;
    uint32_t id = TxLedger::kNone;
    if (rules_.Find(read.form, copy.bytes, completions_->position(), &target) &&
        target.ring == rings_.descriptors->ring_index) {
      if (NamesPositions() && target.key == v1::COMPLETION_KEY_INDEX) {
        completions_->Take(read.slots);
        CompleteUpTo(target.value, read.form, copy.bytes);
        continue;
      }
      if (target.key == v1::COMPLETION_KEY_TAG &&
          ledger_.IsRemembered(target.value, published_packets_)) {
        completions_->Take(own ? plain_packet_.slots : read.slots);
        owed_ -= plain_owed_;
        posts_->Free(plain_packet_.slots);
        ledger_.FinishRememberedLater(target.value);
        continue;
      }
      id = Named(target.key, target.value);
      if (!IsPublished(id)) id = TxLedger::kNone;
    }
    // Over whose slots it stands, nobody knows: there is no going on from there.
    if (own && id == TxLedger::kNone) break;
    completions_->Take(own ? ledger_[id].slots : read.slots);
    if (id == TxLedger::kNone) continue;
    if (times_.Waits(id)) times_.Note(id, read.form, copy.bytes);
    CompleteNamed(target.cumulative, id);
  }
  // As many packets are out as completions have room: the device never waits for this.
  completions_->Publish();
}

void RingTxDriver::Poll() {
  switch (rings_.how) {
    case TxReturn::kHead:
      PollHead();
      break;
    case TxReturn::kInPlace:
      PollInPlace();
      break;
    default:
      PollCompletions();
  }
}

uint32_t RingTxDriver::ReclaimMore(std::span<uint32_t> cookies, uint32_t count) {
  // A completion that says when its packet left is the engine's to read.
  if (takes_ != nullptr && (alone_ || !times_.AnyWaits())) {
    const std::span<uint32_t> rest = cookies.subspan(count);
    count += alone_                            ? TakeByAddress(rest)
             : memory_ == burst::TxMemory::kId ? TakeNumbers(rest)
                                               : TakePositions(rest);
    count += ledger_.TakeCookies(cookies.subspan(count));
    // What bursts do not know may follow.
    if (count < cookies.size() && !takes_->done().tests.empty()) Poll();
  } else {
    Poll();
  }
  return count + ledger_.TakeCookies(cookies.subspan(count));
}

}  // namespace qsplit::dataplane
