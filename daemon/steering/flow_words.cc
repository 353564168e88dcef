#include "daemon/steering/flow_words.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "daemon/steering/flow_match.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit::steering {
namespace {

constexpr size_t kMostMatches = 8;

// "52:54:00:00:00:01", "10.9.0.2", or 8 groups of 4 digits for 16 bytes.
std::string Address(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    switch (bytes.size()) {
      case 4:
        text += fmt::format("{}{}", i == 0 ? "" : ".", byte);
        break;
      case 6:
        text += fmt::format("{}{:02x}", i == 0 ? "" : ":", byte);
        break;
      default:
        text += fmt::format("{}{:02x}", i != 0 && i % 2 == 0 ? ":" : "", byte);
    }
  }
  return text;
}

std::string Masked(const v1::MaskedBytes& field) {
  const bool whole = std::all_of(field.mask().begin(), field.mask().end(),
                                 [](char byte) { return static_cast<uint8_t>(byte) == 0xff; });
  return Address(field.value()) + (whole ? "" : "/" + Address(field.mask()));
}

// All bits of the field of that name.
uint32_t WholeMask(std::string_view name) {
  if (name == "tos" || name == "l4-protocol") return 0xff;
  return name == "l4-bytes" || name == "spi" ? 0xffffffff : 0xffff;
}

std::string Masked(std::string_view name, const v1::MaskedNumber& field) {
  return field.mask() == WholeMask(name) ? fmt::format("{}", field.value())
                                         : fmt::format("{:#x}/{:#x}", field.value(), field.mask());
}

}  // namespace

std::string Words(const device::FlowMatch& match) {
  const v1::FlowMatch message = FromMatch(match);
  std::string text =
      v1::FlowType_Name(message.flow_type()).substr(std::string("FLOW_TYPE_").size());
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto* reflection = message.GetReflection();
  const auto* type = v1::FlowMatch::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    if (field->message_type() == nullptr || !reflection->HasField(message, field)) continue;
    std::string name = field->name();
    std::replace(name.begin(), name.end(), '_', '-');
    const google::protobuf::Message& value = reflection->GetMessage(message, field);
    const bool number = field->message_type() == v1::MaskedNumber::descriptor();
    text += " " + name + " " +
            (number ? Masked(name, static_cast<const v1::MaskedNumber&>(value))
                    : Masked(static_cast<const v1::MaskedBytes&>(value)));
  }
  return text;
}

std::string Words(std::span<const device::FlowMatch> matches) {
  std::string text;
  for (const device::FlowMatch& match : matches.first(std::min(matches.size(), kMostMatches))) {
    text += (text.empty() ? "" : "; ") + Words(match);
  }
  if (matches.size() > kMostMatches) {
    text += fmt::format("; and {} more", matches.size() - kMostMatches);
  }
  return text;
}

}  // namespace qsplit::steering
