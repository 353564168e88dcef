// The most that a layout may have of anything. The verifier refuses more, and it counts before it
// does any work that grows faster than the count; the compiler refuses the same with a line number.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_LIMITS_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_LIMITS_H_

#include <cstdint>

namespace qsplit::layout {

inline constexpr uint32_t kMaxLayoutBytes = 1u << 20;  // of the serialized message
inline constexpr uint32_t kMaxNameBytes = 64;          // of any name
inline constexpr uint32_t kMaxEnumerations = 256;
inline constexpr uint32_t kMaxEnumerationValues = 4096;
inline constexpr uint32_t kMaxFeatures = 32;
inline constexpr uint32_t kMaxFeatureChoices = 64;
inline constexpr uint32_t kMaxForms = 256;
inline constexpr uint32_t kMaxFormBytes = 4096;
inline constexpr uint32_t kMaxExtendedFormBytes = 65536;  // with appended parts
inline constexpr uint32_t kMaxSlotBytes = 1u << 20;
inline constexpr uint32_t kMaxFields = 512;  // of a form
inline constexpr uint32_t kMaxFieldParts = 16;
inline constexpr uint32_t kMaxContainedForms = 32;
inline constexpr uint32_t kMaxContainedCount = 4096;
inline constexpr uint32_t kMaxFormSlots = 256;
inline constexpr uint32_t kMaxConjunctions = 16;
inline constexpr uint32_t kMaxComparisons = 16;  // of a conjunction
inline constexpr uint32_t kMaxQueues = 16;
inline constexpr uint32_t kMaxRings = 8;  // of a queue
inline constexpr uint32_t kMaxSlots = 1u << 20;
inline constexpr uint32_t kMaxAlignmentBytes = 1u << 30;
inline constexpr uint32_t kMaxDoorbells = 8;  // of a ring, for each side
inline constexpr uint32_t kMaxDoorbellTerms = 8;
inline constexpr uint32_t kMaxCells = 16;            // of a ring
inline constexpr uint32_t kMaxCompletionRules = 16;  // of a ring
inline constexpr uint32_t kMaxFills = 64;            // of a ring
inline constexpr uint32_t kMaxCellOffsetBytes = 1u << 30;
inline constexpr uint32_t kMaxIndexPlus = 1;           // either way, what a cell's index is off by
inline constexpr uint32_t kMaxCompressedEntries = 64;  // in a slot
inline constexpr uint32_t kMaxContextRules = 16;       // of a queue
inline constexpr uint32_t kMaxContexts = 65536;
inline constexpr uint32_t kMaxPrefixBytes = 65535;
inline constexpr uint32_t kMaxBuffersPerDescriptor = 64;
inline constexpr uint32_t kMaxSources = 64;
inline constexpr uint32_t kMaxSourceBytes = 1024;
inline constexpr uint32_t kMaxTitleBytes = 256;
inline constexpr uint32_t kMaxNotes = 16384;
inline constexpr uint32_t kMaxNotePathBytes = 160;
inline constexpr uint32_t kMaxNoteBytes = 4096;

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_LIMITS_H_
