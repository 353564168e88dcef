// A layout of a NIC that does not exist with choices to make when a queue is set up: test.simple
// (sample_layouts.h) with two features on its receive queue.
//
//   Word   hash    each small completion has a hash and its type
//          mark    a flow mark in their place
//   Size   small   ring descriptors, slots of 16 bytes
//          large   ring large_descriptors, slots of 32 bytes, with both words and a timestamp
#ifndef QSPLIT_TESTS_SUPPORT_CHOOSY_LAYOUT_H_
#define QSPLIT_TESTS_SUPPORT_CHOOSY_LAYOUT_H_

#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout::testing {

// Verified; a failure ends the test program with the verifier's words.
VerifiedLayout ChoosyLayout();
// The same as a canonical message, to be taken apart.
v1::Layout ChoosyMessage();

}  // namespace qsplit::layout::testing

#endif  // QSPLIT_TESTS_SUPPORT_CHOOSY_LAYOUT_H_
