// Pieces of a layout in the words of the language, so that the compiler reads them again: what
// EmitQdl is made of.
//
// Pure functions of a verified layout's message. Any thread may call them.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_QDL_TEXT_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_QDL_TEXT_H_

#include <string>
#include <string_view>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// `queue receive { … }` with its rings, cells and doorbells.
std::string QdlQueue(const v1::Layout& layout, const v1::Queue& queue);

// " with Strip = on with Mode = wide"; empty for none.
std::string QdlFeatures(const v1::Layout& layout,
                        const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& choices);
// " in first"; empty for each.
std::string QdlPosition(v1::PacketPosition position);
// "  // …"; empty for no note.
std::string QdlNote(const v1::Layout& layout, std::string_view path);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_QDL_TEXT_H_
