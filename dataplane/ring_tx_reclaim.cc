// How packets come back: see ring_tx_driver.h. What the device wrote may be anything.
#include <cstring>

#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {

void RingTxDriver::FreeSlots(const TxLedger::Packet& packet) {
  owed_ -= packet.owed;
  if (table_) {
    for (uint32_t slot = packet.first; slot != TableWriter::kNone; slot = table_next_[slot]) {
      table_->Free(slot);
    }
  }
  // A head tells of slots itself.
  if (rings_.how != TxReturn::kHead) posts_->Free(packet.slots);
}

void RingTxDriver::Finish(uint32_t id) {
  if (times_.Waits(id)) [[unlikely]] {
    times_.Settle(id, ledger_[id].cookie);
  }
  FreeSlots(ledger_[id]);
  ledger_.Finish(id);
}

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
  posts_->FreeUpTo(finished);
  head_->Acknowledge();
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
      return addresses_.Take(value, &buffer) ? buffer.id : TxLedger::kNone;
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
    if (own && !IsPublished(ledger_.Oldest())) break;  // what stands there is not the device's
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

uint32_t RingTxDriver::PollKeys(std::span<uint32_t> cookies) {
  const bool by_address = rings_.key == v1::COMPLETION_KEY_ADDRESS;
  uint32_t count = 0;
  uint32_t alone = 0;
  const auto take = [&](uint64_t key, const std::byte* completion = nullptr) {
    AddressLedger::Buffer buffer;
    if (by_address) [[likely]] {
      if (!addresses_.Take(key, &buffer)) return count < cookies.size();
      if (buffer.id == kAlone) [[likely]] {
        cookies[count++] = buffer.cookie;
        ++alone;
        return count < cookies.size();
      }
      key = buffer.id;
    }
    if (TakeKey(key, completion, &cookies[count])) ++count;
    return count < cookies.size();
  };
  if (!cookies.empty()) {
    if (only_key_is_word_ && completions_->plain_words()) {
      completions_->TakeWords(take);
    } else {
      DescriptorBytes copy;
      for (uint32_t left = completions_->Ready(); left > 0; --left) {
        completions_->TakePlain(copy.bytes);
        if (!take(only_key_->Load(copy.bytes), copy.bytes)) break;
      }
    }
  }
  owed_ -= alone * plain_owed_;
  posts_->Free(alone * plain_packet_.slots);
  ledger_.FinishElsewhere(alone);
  addresses_.Rewind();
  completions_->Publish();
  return count;
}

// The key may be an address's owner by now.
bool RingTxDriver::TakeKey(uint64_t key, const std::byte* completion, uint32_t* cookie) {
  const bool by_slot = rings_.key == v1::COMPLETION_KEY_INDEX;
  const uint32_t id =
      by_slot ? ledger_.BySlot(key % rings_.descriptors->slot_count) : ledger_.ById(key);
  if (!IsPublished(id)) return false;
  if (ledger_[id].pending > 1) {
    CompleteNamed(false, id);
    return false;
  }
  if (times_.Waits(id)) [[unlikely]] {
    if (completion != nullptr) times_.Note(id, 0, completion);
    times_.Settle(id, ledger_[id].cookie);
  }
  FreeSlots(ledger_[id]);
  *cookie = ledger_.FinishNow(id);
  return true;
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
  if (posts_->SlotsReturnByCell()) posts_->Room();
}

uint32_t RingTxDriver::Reclaim(std::span<uint32_t> cookies) {
  if (only_key_ != nullptr) {
    const uint32_t count = PollKeys(cookies);
    if (posts_->SlotsReturnByCell()) posts_->Room();
    return count;
  }
  uint32_t count = 0;
  for (const bool again : {true, false}) {
    while (count < cookies.size() && ledger_.TakeCookie(&cookies[count])) ++count;
    if (again && count < cookies.size()) Poll();
  }
  return count;
}

}  // namespace qsplit::dataplane
