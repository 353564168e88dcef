// The canonical form of a layout: the same bytes for the same meaning. The compiler makes it; the
// verifier accepts nothing else, so that one meaning has one digest.
//
// Pure functions; any thread may call them. They expect a layout within the limits of limits.h (the
// verifier counts before it compares) and survive any other: a reference that leads nowhere stays
// as it is, for the verifier to refuse.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_CANONICAL_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_CANONICAL_H_

#include <string>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// The same layout, in canonical form:
//  - enumerations, features, queues and cells by name, values by value; forms by name, a contained
//    form before its container; fields by position (bit_layout.h); parts of a container by offset;
//    contexts, feature choices, fill values, lists of fields and terms of sums ascending;
//    conjunctions and comparisons by their bytes, each once; the fields of a comparison in one
//    order. A ring's forms, its completion rules and its doorbells stay in the order given, which
//    means something: the first that fits is taken;
//  - references follow what they refer to;
//  - defaults written out: scale x1 + 0, constraint none, position each, slots 1, step 1, alignment
//    1, stride = size, count 1, rings ordered, phases that flip each pass, masks as wide as the
//    store, the byte order of single bytes little, barriers as the doorbell's target needs them,
//    packet rule and limits present;
//  - empty conditions and unknown fields gone; notes by path.
// Canonicalize(Canonicalize(x)) == Canonicalize(x).
v1::Layout Canonicalize(v1::Layout layout);

// The message's bytes, its fields in order of their numbers; documentation included.
std::string SerializeCanonical(const v1::Layout& layout);

// SHA-256 over the bytes without documentation; 32 bytes. The digest names the layout.
std::string LayoutDigest(const v1::Layout& layout);

// The digest as people write it: 64 lower-case hex digits.
std::string DigestHex(const std::string& digest);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_CANONICAL_H_
