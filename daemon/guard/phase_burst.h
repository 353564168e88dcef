// Plain descriptors of a ring with a phase in bursts: packets of one descriptor, read, checked and
// written by plans that are compiled when the queue is opened (dataplane/burst/slot_reader.h,
// slot_writer.h), as machine code where it can be had.
//
//   shadow slots ──► addresses, lengths, tags (private) ──► regions, tags ──► real slots
//                    each word once; bits that must hold    one by one        the first one last
//
// What is not plain is neither good nor bad: it is left to the engine, which reads it anew.
// Never: allocates after Make, decides that a descriptor is wrong. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_PHASE_BURST_H_
#define QSPLIT_DAEMON_GUARD_PHASE_BURST_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/guard/buffer_form.h"
#include "daemon/guard/guarded_queue.h"
#include "daemon/guard/region_map.h"
#include "daemon/guard/word_field.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/burst/slot_writer.h"
#include "dataplane/burst_cache.h"
#include "dataplane/cache_line.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/types.h"

namespace qsplit::guard {

class alignas(dataplane::kCacheLineBytes) PhaseBurst {
 public:
  static constexpr uint32_t kMost = 32;

  struct Options {
    GuardOptions::Checks checks{};
    // As GuardOptions', and how the code is found there: what the ring is like.
    dataplane::BurstCache* bursts = nullptr;
    std::string key;
  };
  // Of a ring with descriptors of this form, which posted says are handed over. UNIMPLEMENTED:
  // nothing is plain, or it is not asked for. Where no code can be made, which see
  // CodeMemory::Create: a burst would take longer than one by one.
  static absl::StatusOr<std::unique_ptr<PhaseBurst>> Make(const BufferForm& form,
                                                          const WordCondition& posted,
                                                          uint32_t slot_count,
                                                          const Options& options);
  bool IsCompiled() const { return reader_->code_status().ok() && writer_->code_status().ok(); }

  // Reads plain descriptors from the cursor on, at most `most` and kMost; how many. Their numbers
  // are bytes() and tag() until the next call.
  uint32_t Read(const std::byte* shadow, const dataplane::RingCursor& at, uint32_t most);
  uint32_t bytes(uint32_t i) const { return plain_[i].bytes; }
  uint32_t tag(uint32_t i) const { return tags_[plain_[i].slot]; }
  // Whether its buffer is good; the device's address takes the place of the client's.
  bool Translate(uint32_t i, RegionMap* regions) { return form_.CheckPlain(&plain_[i], regions); }
  // Writes the first `count` of those that were read.
  void Write(std::byte* real, const dataplane::RingCursor& at, uint32_t count);

 private:
  explicit PhaseBurst(const BufferForm& form) : form_(form) {}

  BufferForm form_;
  std::shared_ptr<const dataplane::burst::SlotReader> reader_;
  std::shared_ptr<const dataplane::burst::SlotWriter> writer_;
  dataplane::burst::SlotImage image_[2] = {};  // by phase
  std::array<dataplane::PlainBuffer, kMost> plain_;
  dataplane::CacheLineVector<uint32_t> tags_;  // by slot
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_PHASE_BURST_H_
