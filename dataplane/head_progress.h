// Completion by a position (Ring.completed.cell of a ring with post forms): the device says how far
// it is, in a cell of memory or a register. What it may have written over descriptors that are done
// (a time) is not looked at here.
//
//   HeadWriter (device)   Finish(count) ──► cell ──► Poll ──► finished slots   HeadReader (driver)
//                         pending counts: Acknowledge, a consumer doorbell, takes them off again
//
// The device writes the cell, the driver reads it and trusts it no further than what it posted.
// Never: allocates after Create, locks, makes a system call. One thread at a time for each side.
#ifndef QSPLIT_DATAPLANE_HEAD_PROGRESS_H_
#define QSPLIT_DATAPLANE_HEAD_PROGRESS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "dataplane/doorbell.h"
#include "dataplane/post_reader.h"
#include "dataplane/post_writer.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_fault.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

class HeadWriter {
 public:
  // UNIMPLEMENTED: a pending count without RingView::counts_for_increments.
  static absl::StatusOr<HeadWriter> Create(const RingShape& shape);

  // So many more slots for descriptors (links are passed by themselves) are finished.
  void Finish(uint32_t slots) { at_.AdvanceDescriptorSlots(slots); }
  const RingCursor& position() const { return at_; }
  // Says so. Release: what was written before is visible to whom sees it. Once for each burst.
  void Publish() {
    if (published_ == at_.count()) return;
    published_ = at_.count();
    cell_.Store(at_);
  }

 private:
  HeadWriter() = default;
  RingCursor at_;
  uint64_t published_ = 0;
  ProgressWriter cell_;
};

class HeadReader {
 public:
  static absl::StatusOr<HeadReader> Create(const RingShape& shape);

  // Looks at the cell, with acquire. posted: count of the ring's slots that were written so far
  // (PostWriter::position().count()). kNone: there is news, see finished(). kEmpty: none.
  // kDoorbellOutOfRange: it says more than was posted, or an index that the ring does not have;
  // nothing changes.
  RingFault Poll(uint64_t posted);
  // Count of slots finished; for PostWriter::FreeUpTo.
  uint64_t finished() const { return at_.count(); }

  // Tells the device how much was seen, by consumer cells and doorbells, if the ring has any.
  // True: wake it.
  bool Acknowledge();

 private:
  HeadReader() = default;
  RingCursor at_;
  uint64_t acknowledged_ = 0;
  ProgressReader cell_;
  Doorbells doorbells_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_HEAD_PROGRESS_H_
