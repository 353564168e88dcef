// Names and numbers as emitted headers write them.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_HEADER_NAMES_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_HEADER_NAMES_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace qsplit::layout {

std::string Underscored(std::string_view name);  // "maker.family" to "maker_family"
std::string Snake(std::string_view name);        // "RxWriteBack" to "rx_write_back"
std::string Upper(std::string name);             // "rx" to "RX"
// A name that may be a word of C++, or of the headers themselves, gets an underscore.
std::string Safe(const std::string& name);
// "7u", "0x100000000ull".
std::string Number(uint64_t value);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_HEADER_NAMES_H_
