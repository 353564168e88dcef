// A form that names one buffer with its length, and maybe the descriptor that goes on with the
// packet: what chains are made of, compiled for checking. Its descriptors have two words: the
// address stands in the first one, all the rest in the second.
//
// Works on private words. Compiled once at open, immutable; the region map that it is given
// remembers lookups, so one thread for each map.
#ifndef QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_
#define QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/guard/guarded_queue.h"
#include "daemon/guard/region_map.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pair.h"
#include "daemon/guard/word_pattern.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/queue_shape.h"
#include "dataplane/types.h"

namespace qsplit::guard {

class BufferForm {
 public:
  // UNIMPLEMENTED: a form without one address and one length, or with fields that a guard cannot
  // check, or in the wrong word, by name. INVALID_ARGUMENT: regions that it cannot say.
  static absl::StatusOr<BufferForm> Compile(const dataplane::QueueScope& scope, uint32_t form,
                                            v1::Direction direction, const GuardOptions& options,
                                            const RegionMap& regions);

  bool Matches(const WordPair& words) const { return pattern_.Matches(words.low, words.high); }
  // Checks private words of that form, clears what has no meaning and puts the device's address in.
  // The buffer's bytes; 0: it is not good, for the reason in *fault, and the address is still the
  // client's.
  uint64_t Check(WordPair* words, RegionMap* regions, device::FaultKind* fault) const {
    *words = *words & kept_;
    const uint64_t iova = Address(*words);
    const uint64_t bytes = Length(*words);
    if (bytes - min_bytes_ > max_bytes_ - min_bytes_ || (iova & alignment_mask_) != 0)
        [[unlikely]] {
      *fault = device::FaultKind::kBadDescriptor;
      return 0;
    }
    uint64_t device_iova = 0;
    const RegionMap::Verdict verdict =
        regions->Translate(iova, bytes, device_writes_, &device_iova);
    if (verdict != RegionMap::Verdict::kReachable) [[unlikely]] {
      *fault = verdict == RegionMap::Verdict::kReadOnly ? device::FaultKind::kReadOnly
                                                        : device::FaultKind::kUnmapped;
      return 0;
    }
    words->low = (words->low ^ iova) | device_iova;
    return bytes;
  }
  // Its descriptors that are a packet each, as a plan: what must hold, but for the address's
  // alignment and the least length, and where the numbers stand; the tag is noted. *image: what the
  // device sees beside them and what `posted` says. False: they are more than that.
  bool PlanPlain(const WordCondition& posted, dataplane::burst::SlotReadPlan* plan,
                 std::array<uint64_t, 2>* image) const;
  // Check for the numbers of such a descriptor: the device's address takes the place of the
  // client's. False: it is not good, and nothing is changed.
  bool CheckPlain(dataplane::PlainBuffer* plain, RegionMap* regions) const {
    uint64_t device_iova = 0;
    if (plain->bytes < min_bytes_ || (plain->address.value & alignment_mask_) != 0 ||
        regions->Translate(plain->address.value, plain->bytes, device_writes_, &device_iova) !=
            RegionMap::Verdict::kReachable) {
      return false;
    }
    plain->address = dataplane::Iova(device_iova);
    return true;
  }
  uint64_t Address(const WordPair& words) const { return words.low & address_mask_; }
  uint64_t Length(const WordPair& words) const { return length_.In(words.high); }
  // Of words that Check found good.
  bool HasNext(const WordPair& words) const { return next_present_.In(words.high) != 0; }
  uint64_t NextIndex(const WordPair& words) const { return next_index_.In(words.high); }
  uint64_t Tag(const WordPair& words) const { return tag_.In(words.high); }

  bool has_next_present() const { return next_present_.there(); }
  bool has_next_index() const { return next_index_.there(); }
  bool has_tag() const { return tag_.there(); }

 private:
  WordPattern<2> pattern_;
  WordPair kept_;
  uint64_t address_mask_ = 0;
  WordField length_;
  WordField next_present_;
  WordField next_index_;
  WordField tag_;
  bool device_writes_ = false;
  uint64_t min_bytes_ = 1;
  uint64_t max_bytes_ = 0;
  uint64_t alignment_mask_ = 0;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_
