// Two layouts of NICs that do not exist, for tests of everything that is driven by layouts. Both
// complete in place, have a receive and a transmit queue, and pass the verifier; they agree in as
// little as two such layouts can.
//
//                    test.simple                          test.big
//   slot             16 bytes                             32 bytes
//   words            little endian                        big endian
//   done             bit 0 of the last word               bit 31 of the first word
//   receive          length in one word, hash type,       length in two places, CRC included; ok
//   bits
//                    checked + bad bits, flow mark        and inverted checked bits; timestamp in
//                    two
//                                                         places; buffer length in units of 16
//                                                         bytes
//   transmit         done only where reported; eight      done on each; one sticky context with
//                    indexed contexts; TSO, VLAN in       offsets; VLAN in the data descriptor;
//                    length the context                          0 means 65536; address halves
//                    swapped
//   doorbell         register, little, producer index     register, big, producer count & 0xffff
//   slots            8..4096 step 8, one reserved         8..4096, powers of two, none reserved
#ifndef QSPLIT_TESTS_SUPPORT_SAMPLE_LAYOUTS_H_
#define QSPLIT_TESTS_SUPPORT_SAMPLE_LAYOUTS_H_

#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout::testing {

// The layouts, verified; a failure ends the test program with the verifier's words.
VerifiedLayout SimpleLayout();
VerifiedLayout BigLayout();

// The same as canonical messages, to be taken apart.
v1::Layout SimpleMessage();
v1::Layout BigMessage();

}  // namespace qsplit::layout::testing

#endif  // QSPLIT_TESTS_SUPPORT_SAMPLE_LAYOUTS_H_
