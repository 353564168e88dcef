// When packets left, as the driver's side of a transmit queue learns it: which packets asked, where
// the answer to each stands, and what came back.
//
//   Want ──► waits ── Note: its completion says when ──► Settle: it is back ──► Take
//                                                         reads an answer in the packet's memory
//
// Completions and slots come as private copies. An answer in a packet's memory stands where the
// request did, and the device may write there at any moment: it is read once, into a private copy.
// Whatever it says is only a number. All memory is taken at Create. One thread at a time.
#ifndef QSPLIT_DATAPLANE_TX_TIMES_H_
#define QSPLIT_DATAPLANE_TX_TIMES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/cache_line.h"
#include "dataplane/field_access.h"
#include "dataplane/metadata.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_tx_program.h"
#include "dataplane/tx_rings.h"

namespace qsplit::dataplane {

// Where a form says when a packet left. Immutable; any thread.
class TimeField {
 public:
  // nullopt: the form does not say it.
  static absl::StatusOr<std::optional<TimeField>> Compile(const QueueScope& scope, uint32_t form);

  // Of a private copy of the form. nullopt: it says that it means nothing.
  std::optional<uint64_t> Load(const std::byte* bytes) const {
    if (valid_.has_value() && valid_->Load(bytes) == 0) return std::nullopt;
    if (!when_.Holds(bytes)) return std::nullopt;
    return time_.Load(bytes);
  }
  // The device's side: what does not fit into the field loses its upper bits.
  void Store(uint64_t time_ns, std::byte* bytes) const;
  // Bytes [first, end) of the form, if Store writes these bytes whole and no other; nullopt: it
  // leaves bits between its own as they are.
  std::optional<std::pair<uint32_t, uint32_t>> WholeBytes(uint32_t form_bytes) const;

 private:
  FieldAccess time_;
  std::optional<FieldAccess> valid_;
  Condition when_;
};

// Where a queue's packets get their times back, the same for both sides.
struct TimePlaces {
  // completions: forms of the ring that completes packets; null: a position alone tells.
  static absl::StatusOr<TimePlaces> Find(const QueueShape& queue, const TxRings& rings,
                                         const RingTxProgram& program,
                                         const RingForms* completions);

  bool Any() const { return before.has_value() || slot.has_value() || in_completions; }

  // In the request in front of a packet's bytes: bytes [before_first, before_end) of it.
  std::optional<TimeField> before;
  uint32_t before_first = 0;
  uint32_t before_end = 0;
  // In the first slot that a packet had, where a position alone tells that it is sent.
  std::optional<TimeField> slot;
  std::vector<std::optional<TimeField>> completions;  // by form
  bool in_completions = false;
  // No packet need ask: every completion says it.
  bool unasked = false;
};

class TxTimes {
 public:
  TxTimes() = default;
  // For so many packets at once.
  TxTimes(TimePlaces places, uint32_t packets);

  // Whether packets can ask, and get an answer.
  bool possible() const { return places_.Any(); }
  // Whether descriptors need not say it.
  bool unasked() const { return places_.unasked; }

  // Packet `id`, which is about to be published, asked. request: what stands in front of its bytes,
  // written already; null: nothing does.
  void Want(uint32_t id, const std::byte* request);
  bool AnyWaits() const { return waiting_ != 0; }
  bool Waits(uint32_t id) const { return waiting_ != 0 && entries_[id].waits; }
  // What its completion says, before it is settled.
  void Note(uint32_t id, uint32_t form, const std::byte* completion);
  // The same for its first slot, where in_slots.
  bool in_slots() const { return places_.slot.has_value(); }
  void NoteSlot(uint32_t id, const std::byte* slot) {
    entries_[id].noted = places_.slot->Load(slot);
  }
  // It is back: Take gives what is known.
  void Settle(uint32_t id, uint32_t cookie);

  // The oldest answers, at most out.size(), each once; returns how many. Of more than there are
  // packets that can be on their way, the newest are kept.
  uint32_t Take(std::span<TxTime> out);

 private:
  struct Entry {
    bool waits = false;
    std::optional<uint64_t> noted;
    const std::byte* request = nullptr;
    uint64_t unanswered = 0;  // what an answer that nobody wrote would say
  };
  std::optional<uint64_t> ReadBefore(const std::byte* request) const;

  TimePlaces places_;
  CacheLineVector<Entry> entries_;  // by packet
  uint32_t waiting_ = 0;
  CacheLineVector<TxTime> answers_;  // a ring
  uint64_t answers_begin_ = 0;
  uint64_t answers_end_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_TIMES_H_
