// One ring in words, as the language writes it: for tables that people read.
//
// Pure functions of a verified layout's message. Any thread may call them.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_RING_TEXT_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_RING_TEXT_H_

#include <string>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// One statement a line, without line ends: slots, what is posted and completed and how it changes
// hands, cells, doorbells.
std::vector<std::string> RingLines(const v1::Layout& layout, const v1::Queue& queue,
                                   const v1::Ring& ring);

// "Strip = on, Mode = wide"; empty for none.
std::string FeatureText(const v1::Layout& layout,
                        const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& choices);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_RING_TEXT_H_
