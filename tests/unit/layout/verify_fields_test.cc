#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class FieldRefusal : public RefusalTest {};
TEST_P(FieldRefusal, IsRefused) { ExpectRefused(); }

v1::Bits& Part(L l, std::string_view field) { return *l.field("RxDone", field).mutable_parts(0); }

INSTANTIATE_TEST_SUITE_P(
    Bits, FieldRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"WordSize", [](L l) { Part(l, "length").set_word_bytes(5); },
         "RxDone.fields[7] length: word of 5 bytes; it must have 1, 2, 3, 4 or 8"},
        {"WordSizeZero", [](L l) { Part(l, "length").set_word_bytes(0); }, "word of 0 bytes"},
        {"ByteOrder", [](L l) { Part(l, "length").set_byte_order(v1::BYTE_ORDER_UNSPECIFIED); },
         "byte order 0 is neither little nor big"},
        {"ByteOrderUnknown",
         [](L l) { Part(l, "length").set_byte_order(static_cast<v1::ByteOrder>(9)); },
         "byte order 9"},
        {"BigSingleByte",
         [](L l) {
           l.field("TxContext", "l4_bytes").mutable_parts(0)->set_byte_order(v1::BYTE_ORDER_BIG);
         },
         "l4_bytes: the byte order of a single byte is written as little"},
        {"NoBits", [](L l) { Part(l, "length").set_bits(0); }, "length: no bits"},
        {"PastTheWord",
         [](L l) {
           Part(l, "done").set_lsb(31);
           Part(l, "done").set_bits(2);
         },
         "forms[0] RxDone.fields[9] done: lsb 31 + 2 bits exceed the 4-byte word"},
        {"PastTheWordByOverflow", [](L l) { Part(l, "done").set_lsb(UINT32_MAX); },
         "lsb 4294967295 + 1 bits exceed"},
        {"PastTheForm", [](L l) { Part(l, "length").set_byte_offset(15); },
         "word at byte 15 of 2 bytes exceeds the form's 16 bytes"},
        {"PastTheFormByOverflow", [](L l) { Part(l, "length").set_byte_offset(UINT32_MAX); },
         "exceeds the form's 16 bytes"},
        {"TooManyParts",
         [](L l) {
           for (int i = 0; i < 16; ++i)
             *l.field("RxDone", "length").add_parts() = Part(l, "length");
         },
         "17 parts exceed the limit of 16"},
        {"TooManyBits",
         [](L l) {
           v1::Field& field = l.field("RxPost", "buffer_address");
           *field.add_parts() = field.parts(0);
         },
         "buffer_address: 128 bits in all; a number has at most 64"},
        {"PartsShareBits",
         [](L l) { *l.field("RxDone", "length").add_parts() = Part(l, "length"); },
         "length: two of its parts share a bit of byte 8"},
        {"Neither", [](L l) { l.field("RxDone", "length").clear_parts(); },
         "either bits or a byte array, not neither"},
        {"Both", [](L l) { l.field("RxDone", "length").mutable_bytes()->set_length(1); },
         "either bits or a byte array, not both"},
        {"NoBytes", [](L l) { l.field("TxContext", "reserved_9").mutable_bytes()->set_length(0); },
         "byte array of no bytes"},
        {"BytesPastTheForm",
         [](L l) { l.field("TxContext", "reserved_9").mutable_bytes()->set_length(8); },
         "8 bytes at byte 9 exceed the form's 16 bytes"},
        {"BytesPastTheFormByOverflow",
         [](L l) { l.field("TxContext", "reserved_9").mutable_bytes()->set_length(UINT32_MAX); },
         "exceed the form's 16 bytes"},
        {"ScaledBytes", [](L l) { l.field("TxContext", "reserved_9").mutable_scale(); },
         "a byte array has no scale"},
        {"BytesConstant", [](L l) { l.field("TxContext", "reserved_9").set_constant(1); },
         "a byte array can only be constantly 0"},
    }),
    RefusalName);

INSTANTIATE_TEST_SUITE_P(
    Meaning, FieldRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoName", [](L l) { l.field("RxDone", "length").set_name(""); }, "name `` of 0 bytes"},
        {"BadName", [](L l) { l.field("RxDone", "length").set_name("a\x1b[2J"); },
         "name `a\\x1b[2J` of 5 bytes; a name is 1 to 64 letters, digits and _, no digit first"},
        {"DigitFirst", [](L l) { l.field("RxDone", "length").set_name("1st"); }, "name `1st`"},
        {"LongName", [](L l) { l.field("RxDone", "length").set_name(std::string(65, 'x')); },
         "of 65 bytes"},
        {"NameTwice", [](L l) { l.field("RxDone", "length").set_name("hash"); },
         "fields[7]: name hash is taken"},
        {"NoMultiplier",
         [](L l) { l.field("RxDone", "length").mutable_scale()->set_multiplier(0); },
         "scale multiplier 0"},
        {"NoScale", [](L l) { l.field("RxDone", "length").clear_scale(); }, "scale multiplier 0"},
        {"ScaleOverflow",
         [](L l) { l.field("RxPost", "buffer_address").mutable_scale()->set_multiplier(2); },
         "scale x2 + 0 of 64 bits exceeds 64 bits"},
        {"BiasOverflow",
         [](L l) { l.field("RxPost", "buffer_address").mutable_scale()->set_bias(1); },
         "scale x1 + 1 of 64 bits exceeds 64 bits"},
        {"SignedOverflow",
         [](L l) {
           l.field("RxPost", "buffer_address").set_is_signed(true);
           l.field("RxPost", "buffer_address").mutable_scale()->set_bias(1);
         },
         "exceeds 64 bits"},
        {"NoSuchEnumeration", [](L l) { l.field("RxDone", "hash_type").set_enumeration(2); },
         "hash_type: enumeration 2 of 2"},
        {"EnumerationWidth", [](L l) { l.field("RxDone", "hash_type").set_enumeration(1); },
         "4 bits, but its enumeration L4 is for 2"},
        {"UnknownRole", [](L l) { l.field("RxDone", "length").set_role("packet.size"); },
         "role `packet.size` is not in the vocabulary"},
        {"HostileRole",
         [](L l) { l.field("RxDone", "length").set_role("\n" + std::string(100000, 'x')); },
         "role `\\nxxx"},
        {"RoleForBytes", [](L l) { l.field("RxDone", "length").set_role("packet.inline"); },
         "role packet.inline is for a byte array"},
        {"RoleForNumbers",
         [](L l) { l.field("TxContext", "reserved_9").set_role("packet.length"); },
         "role packet.length is for a number"},
        {"WideFlag", [](L l) { l.field("RxDone", "flow_mark").set_role("timestamp.valid"); },
         "role timestamp.valid is a flag, but the field has 16 bits"},
        {"CodeWithoutNames", [](L l) { l.field("RxDone", "hash_type").clear_enumeration(); },
         "role hash.type needs an enumeration that names its values"},
        {"CodeWithForeignNames",
         [](L l) {
           int i = 0;
           for (auto& value : *l.message.mutable_enumerations(0)->mutable_values()) {
             value.set_name("x" + std::to_string(i++));
           }
         },
         "enumeration HashType has no name out of the vocabulary of hash.type"},
        {"WideInverted", [](L l) { l.field("RxDone", "length").set_inverted(true); },
         "inverted, but 16 bits wide"},
        {"ConstantWidth", [](L l) { l.field("TxData", "kind").set_constant(4); },
         "kind: constant 4 does not fit 2 bits"},
        {"ConstantOfNoConstraint", [](L l) { l.field("RxDone", "length").set_constant(4); },
         "constant 4 without the constraint"},
        {"NoConstraint",
         [](L l) { l.field("RxDone", "length").set_constraint(v1::CONSTRAINT_UNSPECIFIED); },
         "constraint 0 is none"},
        {"UnknownConstraint",
         [](L l) { l.field("RxDone", "length").set_constraint(static_cast<v1::Constraint>(4)); },
         "constraint 4 is none"},
        {"NoPosition",
         [](L l) { l.field("RxDone", "length").set_position(v1::PACKET_POSITION_UNSPECIFIED); },
         "position 0 is none"},
        {"UnknownPosition",
         [](L l) { l.field("RxDone", "length").set_position(static_cast<v1::PacketPosition>(-1)); },
         "position -1 is none"},
        {"NoSuchFeature", [](L l) { l.field("RxDone", "length").add_features()->set_feature(0); },
         "features[0]: feature 0 of 0"},
    }),
    RefusalName);

}  // namespace
}  // namespace qsplit::layout
