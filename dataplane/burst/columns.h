// How a plan of records is carried out without machine code: column by column over a burst, so that
// each step of the plan is one short loop and is looked up once for many descriptors.
//
// Works on private copies of descriptors' words only. Never allocates. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_COLUMNS_H_
#define QSPLIT_DATAPLANE_BURST_COLUMNS_H_

#include <cstdint>

#include "dataplane/burst/record_plan.h"
#include "dataplane/rx_driver.h"

namespace qsplit::dataplane::burst {

// Words of so many descriptors: word w of number i at [w][i].
struct WordColumns {
  alignas(64) uint64_t word[kMaxWords][kColumn];
};

// The numbers that they have in these pieces. Columns hold kColumn numbers, of which so many are
// written, or one more.
void ReadNumbers(const std::vector<Piece>& pieces, const WordColumns& words, uint32_t count,
                 uint64_t* numbers);
// The lengths that they say, less what is to be taken off; more than UINT32_MAX where it says less
// than that.
void ReadLengths(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                 uint64_t* lengths);
// Writes `meta` of so many completions.
void ReadMetadata(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                  RxCompletion* out);

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_COLUMNS_H_
