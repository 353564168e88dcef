// Plans that no spec has, at random: any pieces, tests and tables that a plan may be made of.
#ifndef QSPLIT_TESTS_UNIT_BURST_RANDOM_PLANS_H_
#define QSPLIT_TESTS_UNIT_BURST_RANDOM_PLANS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/burst/rx_burst.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::burst::testing {

using dataplane::testing::Random;

// Which the code of plan number n has: every other one runs on any processor of this kind.
inline Instructions InstructionsOf(uint32_t n) {
  return n % 2 == 0 ? Instructions::kOfThisProcessor : Instructions::kOfAll;
}

// Parts of plans. A number of so many bits, in one piece or in several.
std::vector<Piece> RandomPieces(uint32_t bits, uint32_t words, Random& random);
// What pieces of the words at `slot` say together.
uint64_t NumberAt(const std::vector<Piece>& pieces, const std::byte* slot);
RecordPlan RandomRecord(uint32_t words, Random& random);
// Where an address stands, and the largest that does.
std::vector<Piece> RandomAddress(uint32_t words, Random& random, uint64_t* most);
uint64_t RandomAddressUpTo(uint64_t most, uint64_t alignment_mask, Random& random);

RxBurstPlan RandomRxPlan(Random& random);

// A ring for such a plan: any bits, but for most slots those that its tests ask for.
// Where buffers are of one size, some slots say about as much.
std::vector<std::byte> RandomRing(const RxBurstPlan& plan, Random& random);
// Some of them have about as much room as the slot says that its packet has.
std::vector<PostedSlot> RandomPosted(const RxBurstPlan& plan, std::span<const std::byte> ring,
                                     Random& random);
// Buffers, most of which the plan can say.
std::vector<RxBuffer> RandomBuffers(const RxBurstPlan& plan, Random& random);
// Mostly a slot of the ring.
uint32_t RandomSlot(uint32_t slot_count, Random& random);

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_RANDOM_PLANS_H_
