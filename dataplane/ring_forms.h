// The forms that may stand in a ring's slots on one side's behalf, compiled: how long each is, when
// its bytes say that the slot has changed hands, and how a descriptor gets from shared slots into a
// private copy and back without ever being half there.
//
//   writing   last slot … second slot, first slot but its last word │ last word, release
//   reading   last word, acquire ─► condition ─► all the rest ─► which form ─► its condition
//
// Bytes of a descriptor's further slots stay where they are when the ring has gone on; where a
// later descriptor may begin there, the layout sees to it that they do not look handed over (a
// phase in each slot, or a fill).
//
// The slots belong to both sides; what is read may be any bytes. Everything is checked on the
// private copy. Never allocates after Compile. Immutable; any thread.
#ifndef QSPLIT_DATAPLANE_RING_FORMS_H_
#define QSPLIT_DATAPLANE_RING_FORMS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/field_access.h"
#include "dataplane/form_match.h"
#include "dataplane/ring_condition.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_shape.h"
#include "dataplane/slot_memory.h"

namespace qsplit::dataplane {

// How many bytes a descriptor of a form has, with its appended parts.
class FormExtent {
 public:
  static absl::StatusOr<FormExtent> Compile(const RingShape& shape, uint32_t form);

  bool Fixed() const { return parts_.empty(); }
  uint32_t FixedBytes() const { return fixed_bytes_; }
  // Of a private copy that has the fixed bytes. 0: a count says more parts than the form may have,
  // or than kMaxDescriptorBytes hold.
  uint32_t Bytes(const std::byte* descriptor) const {
    return parts_.empty() ? fixed_bytes_ : Count(descriptor);
  }

 private:
  struct Part {
    uint32_t stride = 0;
    uint32_t max_count = 0;
    bool counted = false;
    bool counts_buffers = false;  // the field counts buffers, not parts
    uint32_t own_buffers = 0;     // in the container
    uint32_t part_buffers = 1;    // in each part
    FieldAccess count;
  };
  uint32_t Count(const std::byte* descriptor) const;

  uint32_t fixed_bytes_ = 0;
  std::vector<Part> parts_;
};

struct RingForm {
  uint32_t form = 0;   // index in Layout.forms
  uint32_t bytes = 0;  // without appended parts
  // Read at once: whole slots where parts follow.
  uint32_t read_bytes = 0;
  uint32_t slots = 1;    // at least
  bool context = false;  // a context form of the queue
  FormExtent extent;
  // The slot has changed hands; always true where the slot's bytes do not say it.
  RingCondition when;
  // Word of the first slot that is written after everything else.
  uint32_t last_word = 0;
};

class RingForms {
 public:
  static constexpr int kNotYet = -1;     // the slot is still the other side's
  static constexpr int kUndefined = -2;  // it has changed hands, with bytes of no form

  // when: null where slots change hands by other means than their bytes.
  static absl::StatusOr<RingForms> Compile(const RingShape& shape, std::span<const uint32_t> forms,
                                           const v1::Condition* when);

  uint32_t size() const { return static_cast<uint32_t>(forms_.size()); }
  const RingForm& operator[](uint32_t form) const { return forms_[form]; }
  // Whether the slots' bytes say when they change hands.
  bool BytesDecide() const { return bytes_decide_; }
  // Whether each form is a slot, no more and no less.
  bool EachIsOneSlot() const { return each_is_one_slot_; }
  // Whether any bytes are of the one form that there is.
  bool HasOneForm() const { return has_one_form_; }
  // Position of a form of the layout (index in Layout.forms) among these; kUndefined.
  int Find(uint32_t layout_form) const;

  // Slots that this many bytes of a form take.
  uint32_t SlotsOf(uint32_t form, uint32_t bytes) const {
    if (bytes <= slot_bytes_) [[likely]] {
      return forms_[form].slots;
    }
    const uint32_t needed = (bytes + slot_bytes_ - 1) / slot_bytes_;
    return needed > forms_[form].slots ? needed : forms_[form].slots;
  }

  // Which form private bytes are of: as the first descriptor of a packet or one of the rest.
  int Match(const std::byte* descriptor, bool first) const {
    if (has_one_form_) return 0;
    const Matcher& matcher = first ? first_ : rest_;
    const int match = matcher.forms.Match(descriptor);
    if (match == FormMatcher::kNone) return kUndefined;
    return static_cast<int>(matcher.position[static_cast<size_t>(match)]);
  }

  // Whether Match(…, true) answers `form` for all bytes in which some bits have certain values;
  // these are added then.
  bool IsBits(uint32_t form, std::byte* mask, std::byte* value) const;
  // Whether bytes that Read gave cannot be read again from the same slot one turn later, where the
  // phase is another.
  bool TellsTurns() const { return has_common_ && common_when_.TellsPhases(); }

  // The cheap half of Read: false if there is certainly nothing. Reads one word (of `copy`, only
  // that word is written) where one decides.
  bool Peek(const SlotMemory& slots, const RingCursor& at, std::byte* copy) const {
    if (!has_common_) return true;
    slots.ReadWordAcquire(at.index(), common_word_, copy);
    return common_when_.Holds(copy, at);
  }
  // The descriptor that begins at the cursor, into a private copy of kMaxDescriptorBytes: position
  // of its form, kNotYet, kUndefined. The copy holds the fixed part; see ReadRest.
  int Read(const SlotMemory& slots, const RingCursor& at, bool first, std::byte* copy) const {
    if (has_common_) [[likely]] {
      slots.ReadWordAcquire(at.index(), common_word_, copy);
      if (!common_when_.Holds(copy, at)) return kNotYet;
      slots.ReadAllBut(at.index(), common_word_, copy, first_slot_bytes_);
      const int form = Match(copy, first);
      if (form < 0 || forms_[static_cast<uint32_t>(form)].read_bytes <= slot_bytes_) [[likely]] {
        return form;
      }
      ReadSlots(slots, at, 1, forms_[static_cast<uint32_t>(form)].read_bytes, copy);
      return form;
    }
    if (!bytes_decide_ && one_slot_bytes_ != 0) {
      slots.Read(at.index(), copy, one_slot_bytes_);
      return Match(copy, first);
    }
    return ReadSlowly(slots, at, first, copy);
  }
  // Reads the appended parts of a copy that Read gave, and returns how many bytes it has all in
  // all; 0: its counts are out of range, or it is longer than kMaxDescriptorBytes.
  uint32_t ReadRest(const SlotMemory& slots, const RingCursor& at, uint32_t form,
                    std::byte* copy) const {
    const RingForm& f = forms_[form];
    if (f.extent.Fixed()) [[likely]] {
      return f.bytes;
    }
    return ReadParts(slots, at, f, copy);
  }

  // Sets all bits that Read looks at of a descriptor of this form. False: those are not bits of one
  // slot with a word that hands over.
  bool MarkBits(uint32_t form, bool first, std::byte* mask) const;
  // The word that hands over, where one does; kNoWord.
  static constexpr uint32_t kNoWord = UINT32_MAX;
  uint32_t HandoverWord() const { return has_common_ ? common_word_ : kNoWord; }

  // Makes the bytes say that the slot is the other side's, at the cursor (phase, sequence, own bit
  // …); nothing where bytes do not decide.
  void Sign(uint32_t form, std::byte* image, const RingCursor& at) const {
    if (bytes_decide_) forms_[form].when.MakeTrue(image, at);
  }
  // Writes a signed descriptor. hold_last: all but the last word, whose store hands it over; the
  // caller stores it with SlotMemory::WriteWordRelease.
  void Write(const SlotMemory& slots, const RingCursor& at, uint32_t form, const std::byte* image,
             uint32_t bytes, bool hold_last) const {
    const RingForm& f = forms_[form];
    if (bytes > slot_bytes_) [[unlikely]] {
      WriteSlots(slots, at, image, bytes);
      bytes = slot_bytes_;
    }
    if (hold_last) {
      slots.WriteAllBut(at.index(), f.last_word, image, bytes);
    } else {
      slots.WriteWithLast(at.index(), f.last_word, image, bytes);
    }
  }

 private:
  struct Matcher {
    FormMatcher forms;
    std::vector<uint32_t> position;  // of its forms, among forms_
  };
  int ReadSlowly(const SlotMemory& slots, const RingCursor& at, bool first, std::byte* copy) const;
  uint32_t ReadParts(const SlotMemory& slots, const RingCursor& at, const RingForm& form,
                     std::byte* copy) const;
  // Reads (writes) the slots of a descriptor of `bytes` bytes from its `from`-th on (all but the
  // first, the last one first).
  void ReadSlots(const SlotMemory& slots, const RingCursor& at, uint32_t from, uint32_t bytes,
                 std::byte* copy) const;
  void WriteSlots(const SlotMemory& slots, const RingCursor& at, const std::byte* image,
                  uint32_t bytes) const;
  static absl::StatusOr<Matcher> CompileMatcher(const RingShape& shape,
                                                const std::vector<RingForm>& forms,
                                                v1::PacketPosition except);
  absl::Status FindWords(const RingShape& shape);

  std::vector<RingForm> forms_;
  Matcher first_;
  Matcher rest_;
  uint32_t slot_bytes_ = 0;
  uint32_t one_slot_bytes_ = 0;    // if each is one: of the longest form
  uint32_t first_slot_bytes_ = 0;  // read of the first slot, for the longest form
  bool bytes_decide_ = false;
  bool each_is_one_slot_ = true;
  bool has_one_form_ = false;
  // The same comparison of one word decides for all forms.
  bool has_common_ = false;
  uint32_t common_word_ = 0;
  RingCondition common_when_;
};

// A form's bytes as ConstantImage says.
absl::StatusOr<DescriptorBytes> FormImage(const RingShape& shape, uint32_t form);

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_FORMS_H_
