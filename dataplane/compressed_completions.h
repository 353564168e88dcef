// Compressed completions (Ring.compressed): blocks of small ones that take over from a full one,
// the title, what they do not say themselves. Both directions.
//
//   slot     t        t+1           …  t+per     …          a block of n completions takes n slots
//            title    array 0          array 1   …          array k > 0 stands in slot t + k * per
//
// Works on private copies, and through a ring's reader or writer. Immutable after compiling; never
// allocates then. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_COMPRESSED_COMPLETIONS_H_
#define QSPLIT_DATAPLANE_COMPRESSED_COMPLETIONS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/completion_reader.h"
#include "dataplane/completion_writer.h"
#include "dataplane/condition.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

class CompressedCompletions {
 public:
  // Of a ring that has them. forms: those of its reader or writer.
  static absl::StatusOr<CompressedCompletions> Compile(const QueueScope& scope,
                                                       const RingShape& ring,
                                                       const RingForms& forms);

  // Driver. Whether a completion that was read is a title.
  bool IsTitle(uint32_t form, const std::byte* copy) const {
    return form == title_form_ && when_.Holds(copy);
  }
  // Completions in the title's block; 0: more than the ring can hold, or none.
  uint32_t Count(const std::byte* title) const;
  // Calls `each` with every completion of the block in full, in the title's form. The title stands
  // at the reader's position; the caller takes the block's slots afterwards.
  template <typename F>
  void Expand(const CompletionReader& reader, const std::byte* title, uint32_t count,
              F&& each) const {
    DescriptorBytes array;
    for (uint32_t i = 0; i < count; ++i) {
      if (i % per_slot_ == 0) reader.ReadRaw(i == 0 ? 1 : i, array.bytes, array_bytes_);
      DescriptorBytes full;
      CopyDescriptor(full.bytes, title, copy_bytes_);
      Merge(array.bytes + size_t{i % per_slot_} * mini_bytes_, full.bytes);
      each(full.bytes);
    }
  }

  // Device. Whether two full completions of the title's form may stand in one block.
  bool Alike(const DescriptorBytes& a, const DescriptorBytes& b) const;
  uint32_t title_form() const { return title_form_; }
  // Writes at least two completions that are alike as one block, at the writer's position. False,
  // and nothing written: one says what the small form cannot, or the title cannot count them.
  bool Write(std::span<const DescriptorBytes> full, CompletionWriter* writer) const;

 private:
  struct Taken {
    FieldAccess mini;
    FieldAccess title;
  };
  void Merge(const std::byte* mini, std::byte* full) const;

  uint32_t title_form_ = 0;  // position among the ring's forms
  uint32_t copy_bytes_ = 0;  // of the title, in whole words
  uint32_t mini_bytes_ = 0;
  uint32_t per_slot_ = 1;
  uint32_t array_bytes_ = 0;
  uint32_t slot_count_ = 0;
  Condition when_;
  std::vector<FieldStore> mark_;
  FieldAccess count_;
  std::vector<Taken> taken_;   // that the small form says itself
  DescriptorBytes inherited_;  // the title's bits that it does not
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_COMPRESSED_COMPLETIONS_H_
