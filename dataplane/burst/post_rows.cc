#include "dataplane/burst/post_rows.h"

#include <algorithm>
#include <vector>

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;
constexpr uint32_t kPair = 2;  // words
// Where a buffer's numbers stand, side by side.
constexpr uint32_t kAddressAt = 0;
constexpr uint32_t kBytesAt = 8;
constexpr uint32_t kNumberAt = 12;

// Adds pieces of a number of so many bits.
bool AddPieces(const std::vector<Piece>& pieces, uint32_t from, uint64_t all,
               std::array<PostRows::Half, PostRows::kMostHalves>* halves) {
  return std::all_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
    const uint32_t word = piece.word % kPair;
    PostRows::Half& half = (*halves)[piece.word / kPair];
    half.mask[word] |= piece.Put(~uint64_t{0});
    return (piece.mask << piece.place & ~all) == 0 &&
           AddMoveBack(piece, from, word * kWord, &half.moves);
  });
}

template <typename Plan>
void AddImage(const Plan& plan, const PhaseBits& phase, uint32_t words,
              std::array<PostRows::Half, PostRows::kMostHalves>* halves) {
  for (uint32_t w = 0; w < words; ++w) {
    PostRows::Half& half = (*halves)[w / kPair];
    half.offset = w / kPair * kPair * kWord;
    half.image[0][w % kPair] = plan.image[w];
    half.image[1][w % kPair] = plan.image[w] ^ phase[w];
  }
}

}  // namespace

std::unique_ptr<const PostRows> PostRows::Make(const RxBurstPlan& plan, Instructions which) {
  const uint32_t words = plan.slot_bytes / kWord;
  if (which != Instructions::kOfThisProcessor || !plan.posts || words % kPair != 0 ||
      words > kMaxWords) {
    return nullptr;
  }
  auto rows = std::make_unique<PostRows>();
  rows->slot_bytes = plan.slot_bytes;
  rows->half_count = rows->again_count = words / kPair;
  rows->same_bytes = plan.buffer_bytes;
  AddImage(plan, {}, words, &rows->halves);
  if (!AddPieces(plan.address, kAddressAt, UINT64_MAX, &rows->halves) ||
      !AddPieces(plan.length, kBytesAt, UINT32_MAX, &rows->halves) || !rows->FindPostOwnSlots()) {
    return nullptr;
  }
  return rows;
}

std::unique_ptr<const PostRows> PostRows::Make(const RxRingPlan& plan, Instructions which) {
  if (which != Instructions::kOfThisProcessor || !plan.posts || plan.post_words % kPair != 0) {
    return nullptr;
  }
  auto rows = std::make_unique<PostRows>();
  rows->slot_bytes = plan.post_slot_bytes;
  rows->half_count = rows->again_count = plan.post_words / kPair;
  rows->same_bytes = plan.buffer_bytes;
  rows->keeps_address = plan.keeps_address;
  rows->keeps_memory = plan.keeps_memory;
  rows->handover_word = plan.handover_word;
  AddImage(plan, plan.image_phase, plan.post_words, &rows->halves);
  if (!AddPieces(plan.address, kAddressAt, UINT64_MAX, &rows->halves) ||
      !AddPieces(plan.length, kBytesAt, UINT32_MAX, &rows->halves) ||
      !AddPieces(plan.number, kNumberAt, UINT32_MAX, &rows->halves)) {
    return nullptr;
  }
  if (plan.words_stay) {
    // First those that differ from one buffer to the next, or may.
    const auto* const end = std::partition(
        rows->halves.begin(), rows->halves.begin() + rows->half_count, [&](const Half& half) {
          const uint32_t word = half.offset / kWord;
          const auto differs = [&](uint32_t w) {
            return plan.Varies(w) ||
                   std::any_of(plan.length.begin(), plan.length.end(),
                               [&](const Piece& piece) { return piece.word == w; });
          };
          return differs(word) || differs(word + 1);
        });
    rows->again_count = static_cast<uint32_t>(end - rows->halves.begin());
  }
  return rows->FindPostRing() ? std::move(rows) : nullptr;
}

#if !defined(__x86_64__)
bool PostRows::FindPostOwnSlots() { return false; }
bool PostRows::FindPostRing() { return false; }
#endif

}  // namespace qsplit::dataplane::burst
