// Hex in, named values out, and back.
#include "descriptor-lang/emit/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "dataplane/field_access.h"
#include "descriptor-lang/emit/field_value.h"
#include "descriptor-lang/layout/bit_layout.h"

namespace qsplit::layout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

VerifiedLayout Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return VerifiedLayout::FromBytes(bytes).value();
}
VerifiedLayout Named(const std::string& name) {
  return Load(QSPLIT_LAYOUT_DIR "/" + name + ".layout");
}
std::vector<std::string> AllPaths() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(QSPLIT_LAYOUT_DIR)) {
    if (entry.path().extension() == ".layout") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}
std::string ErrorOf(std::string_view text) {
  return std::string(ParseHex(text).status().message());
}

const DecodedField& Find(const DecodedDescriptor& descriptor, std::string_view name) {
  static const DecodedField kNone;
  for (const DecodedField& field : descriptor.fields) {
    if (field.name == name) return field;
  }
  return kNone;
}

TEST(ParseHex, TakesWhatToolsPrint) {
  EXPECT_THAT(*ParseHex("00 1a\nFF"), ElementsAre(0x00, 0x1a, 0xff));
  EXPECT_THAT(*ParseHex("0x001aff"), ElementsAre(0x00, 0x1a, 0xff));
  EXPECT_THAT(*ParseHex("00:1a:ff"), ElementsAre(0x00, 0x1a, 0xff));
  EXPECT_THAT(*ParseHex("0x00, 0x1a"), ElementsAre(0x00, 0x1a));
  EXPECT_THAT(*ParseHex("00000000: 001a ff00\n00000004: 12"),
              ElementsAre(0x00, 0x1a, 0xff, 0x00, 0x12));
}

TEST(ParseHex, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf("0"), HasSubstr("odd number"));
  EXPECT_THAT(ErrorOf("0 0"), HasSubstr("one digit"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("no bytes"));
  EXPECT_THAT(ErrorOf("0g"), HasSubstr("character 2 is no hex digit"));
  EXPECT_THAT(ErrorOf(std::string(2 * kMaxDecodedBytes + 2, '0')), HasSubstr("more than"));
}

TEST(Decode, NamesValuesAndWhatTheyMean) {
  const VerifiedLayout layout = Named("intel.ixgbe.advanced");
  const uint32_t form = *layout.FormIndex("RxWriteBack");
  const auto bytes = ParseHex("07 01 00 00 78 56 34 12 23 00 00 00 dc 05 00 00");
  const auto decoded = Decode(layout, form, *bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(Find(*decoded, "length").value, "1500");
  EXPECT_EQ(Find(*decoded, "length").role, "packet.length");
  EXPECT_EQ(Find(*decoded, "rss_type").meaning, "udp4");
  EXPECT_EQ(Find(*decoded, "rss_hash").value, "305419896");
  EXPECT_TRUE(Find(*decoded, "rss_hash").valid);
  EXPECT_FALSE(Find(*decoded, "vlan_tag").valid);  // VP is not set
  const std::string text = DecodedText(layout, *decoded);
  EXPECT_THAT(text, HasSubstr("rss_type"));
  EXPECT_THAT(text, HasSubstr("7 udp4"));
  EXPECT_EQ(text.find("vlan_tag"), std::string::npos);
  EXPECT_THAT(DecodedJson(layout, *decoded), HasSubstr("\"name\":\"length\""));
  EXPECT_FALSE(Decode(layout, form, std::span(*bytes).first(15)).ok());
}

TEST(Encode, IsTheOtherWayRound) {
  const VerifiedLayout layout = Named("intel.ixgbe.advanced");
  const uint32_t form = *layout.FormIndex("TxData");
  const std::vector<std::string> words = {"buffer_address=0x10000", "buffer_length=60", "eop=1"};
  const auto bytes = Encode(layout, form, words);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(HexText(*bytes), "00 00 01 00 00 00 00 00 3c 00 30 21 00 00 00 00\n");
  EXPECT_TRUE(CanBe(layout.message(), form, *bytes));
}

TEST(Encode, SaysWhatIsWrong) {
  const VerifiedLayout layout = Named("intel.ixgbe.advanced");
  const uint32_t form = *layout.FormIndex("TxData");
  const auto error = [&](const std::vector<std::string>& words) {
    return std::string(Encode(layout, form, words).status().message());
  };
  EXPECT_THAT(error({"colour=1"}), HasSubstr("no field colour"));
  EXPECT_THAT(error({"eop"}), HasSubstr("no assignment"));
  EXPECT_THAT(error({"eop=2"}), HasSubstr("cannot say 2"));
  EXPECT_THAT(error({"eop=x"}), HasSubstr("no number"));
  EXPECT_THAT(error({"eop="}), HasSubstr("no number"));
  EXPECT_THAT(error({"dtyp=2"}), HasSubstr("always 3"));
  EXPECT_THAT(error({"eop=1", "eop=1"}), HasSubstr("twice"));
}

// A constant of a profile is not in every descriptor: bytes of any profile are of the form, and
// only the one that is named is written.
TEST(Codec, ConstantsOfFeaturesAreNotAlwaysThere) {
  const VerifiedLayout layout = Named("intel.ice.flex");
  const uint32_t form = *layout.FormIndex("RxWriteBack");
  for (const std::string word : {"nic_id=2", "nic_2_id=6", "comms_id=16", "ovs_id=22"}) {
    const auto bytes = Encode(layout, form, std::vector<std::string>{word});
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ((*bytes)[0] & 0x3f, std::stoi(word.substr(word.find('=') + 1)));
    EXPECT_TRUE(CanBe(layout.message(), form, *bytes)) << word;
  }
  EXPECT_FALSE(Encode(layout, form, std::vector<std::string>{"ovs_id=23"}).ok());
}

// Whatever a descriptor says, encoding what decoding shows gives the same bits of every field.
TEST(Codec, EncodeThenDecodeForEachFormOfEachLayout) {
  std::mt19937_64 random(7);
  size_t forms = 0;
  for (const std::string& path : AllPaths()) {
    const VerifiedLayout layout = Load(path);
    for (uint32_t f = 0; f < static_cast<uint32_t>(layout.message().forms_size()); ++f) {
      const v1::Form& form = layout.message().forms(static_cast<int>(f));
      ++forms;
      for (int run = 0; run < 20; ++run) {
        std::vector<uint8_t> bytes(form.size_bytes());
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        const auto decoded = Decode(layout, f, bytes);
        ASSERT_TRUE(decoded.ok()) << path << " " << form.name() << decoded.status();
        // One field each: others may lie on the same bits.
        for (const DecodedField& field : decoded->fields) {
          if (field.name.find('[') != std::string::npos ||
              field.name.find('.') != std::string::npos) {
            continue;
          }
          const v1::Field& known = *layout.FindField(f, std::string_view(field.name));
          if (known.constraint() == v1::CONSTRAINT_CONSTANT) continue;
          const std::vector<std::string> word = {field.name + "=" + field.value};
          const auto encoded = Encode(layout, f, word);
          ASSERT_TRUE(encoded.ok())
              << path << " " << form.name() << " " << word[0] << encoded.status();
          const auto again = Decode(layout, f, *encoded);
          ASSERT_TRUE(again.ok());
          EXPECT_EQ(Find(*again, field.name).value, field.value)
              << path << " " << form.name() << "." << field.name;
          if (!field.meaning.empty()) {
            const std::vector<std::string> name = {field.name + "=" + field.meaning};
            EXPECT_EQ(Encode(layout, f, name).value(), *encoded);
          }
        }
      }
    }
  }
  EXPECT_GT(forms, 10u);
}

// Bytes of a form with all its parts.
size_t BytesWithParts(const v1::Layout& layout, const v1::Form& form) {
  size_t bytes = form.size_bytes();
  for (const v1::ContainedForm& part : form.contains()) {
    const v1::Form& inner = layout.forms(static_cast<int>(part.form()));
    bytes = std::max<size_t>(bytes, size_t{part.byte_offset()} +
                                        size_t{part.max_count() - 1} * part.stride_bytes() +
                                        inner.size_bytes());
  }
  return bytes;
}

// Marks the field's bits; false: some of them were marked already.
bool Mark(const v1::Field& field, size_t base, std::vector<uint8_t>* marks) {
  const std::vector<ByteMask> masks = ByteMasks(field);
  for (const ByteMask& mask : masks) {
    const size_t at = base + mask.byte;
    if (at >= marks->size() || ((*marks)[at] & mask.mask) != 0) return false;
  }
  for (const ByteMask& mask : masks) (*marks)[base + mask.byte] |= mask.mask;
  return true;
}

// A whole descriptor, with its parts: what decoding shows of random bytes gives, all at once,
// those bytes again, in every bit that a valid field has; and decoding that shows it again.
TEST(Codec, DecodeThenEncodeForEachFormOfEachLayout) {
  std::mt19937_64 random(8);
  size_t forms = 0, parts = 0;
  for (const std::string& path : AllPaths()) {
    const VerifiedLayout layout = Load(path);
    const v1::Layout& message = layout.message();
    for (uint32_t f = 0; f < static_cast<uint32_t>(message.forms_size()); ++f) {
      const v1::Form& form = message.forms(static_cast<int>(f));
      ++forms;
      for (int run = 0; run < 25; ++run) {
        std::vector<uint8_t> bytes(BytesWithParts(message, form));
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        for (const v1::ContainedForm& part : form.contains()) {
          if (!part.has_count_field()) continue;
          WriteRaw(form.fields(static_cast<int>(part.count_field())), random() % 5, bytes);
        }
        const auto decoded = Decode(layout, f, bytes);
        ASSERT_TRUE(decoded.ok()) << decoded.status();
        std::vector<uint8_t> marks(bytes.size(), 0);
        std::vector<std::string> words;
        std::vector<const DecodedField*> said;
        for (const DecodedField& field : decoded->fields) {
          const v1::Field& known =
              message.forms(static_cast<int>(field.form)).fields(static_cast<int>(field.field));
          // Fields of several features lie on the same bits: one of them speaks.
          if (!field.valid || !Mark(known, field.base, &marks)) continue;
          words.push_back(field.name + "=" + field.value);
          said.push_back(&field);
          parts += field.name.find('.') != std::string::npos ? 1 : 0;
        }
        const auto encoded = Encode(layout, f, words);
        ASSERT_TRUE(encoded.ok()) << path << " " << form.name() << ": " << encoded.status();
        ASSERT_LE(encoded->size(), bytes.size());
        for (size_t i = 0; i < bytes.size(); ++i) {
          const uint8_t got = i < encoded->size() ? (*encoded)[i] : uint8_t{0};
          ASSERT_EQ(got & marks[i], bytes[i] & marks[i])
              << path << " " << form.name() << " byte " << i << " of " << HexText(bytes);
        }
        const auto again = Decode(layout, f, *encoded);
        ASSERT_TRUE(again.ok());
        for (const DecodedField* const field : said) {
          ASSERT_EQ(Find(*again, field->name).value, field->value)
              << path << " " << form.name() << "." << field->name;
        }
      }
    }
  }
  EXPECT_GT(forms, 100u);
  EXPECT_GT(parts, 1000u);
}

// The interpreter of the packet path and the one of these tools are two programs.
TEST(Decode, ReadsWhatTheDataPlaneReads) {
  std::mt19937_64 random(9);
  for (const std::string& path : AllPaths()) {
    const VerifiedLayout layout = Load(path);
    for (const v1::Form& form : layout.message().forms()) {
      // Room for the words that accesses may read.
      std::vector<uint8_t> bytes((form.size_bytes() + 15) / 8 * 8);
      for (int run = 0; run < 50; ++run) {
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        const auto* const memory = reinterpret_cast<const std::byte*>(bytes.data());
        for (const v1::Field& field : form.fields()) {
          if (field.parts().empty()) continue;
          v1::Field plain = field;
          plain.set_inverted(false);  // tools show the bits as they stand
          const auto access = dataplane::FieldAccess::Compile(plain, form.size_bytes());
          ASSERT_TRUE(access.ok()) << path << " " << access.status();
          const uint64_t raw = ReadRaw(field, bytes);
          EXPECT_EQ(raw, access->LoadRaw(memory)) << path << " " << field.name();
          EXPECT_EQ(ValueOf(field, raw), access->Load(memory)) << path << " " << field.name();
        }
      }
    }
  }
}

// cxgb4's count is of buffers: one of the descriptor itself, two of each part.
TEST(Decode, CountsPartsByTheirBuffers) {
  const VerifiedLayout layout = Named("chelsio.cxgb4");
  for (uint32_t f = 0; f < static_cast<uint32_t>(layout.message().forms_size()); ++f) {
    const v1::Form& form = layout.message().forms(static_cast<int>(f));
    if (form.contains().empty() || !form.contains(0).has_count_field()) continue;
    const std::string part = form.contains(0).name();
    for (const uint64_t buffers : {0u, 1u, 2u, 3u, 4u, 5u}) {
      std::vector<uint8_t> bytes(BytesWithParts(layout.message(), form));
      WriteRaw(form.fields(static_cast<int>(form.contains(0).count_field())), buffers, bytes);
      const auto decoded = Decode(layout, f, bytes);
      ASSERT_TRUE(decoded.ok());
      const std::string last = part + "[" + std::to_string(buffers / 2) + "].";
      const std::string before = part + "[" + std::to_string(buffers / 2 - 1) + "].";
      const auto has = [&](const std::string& prefix) {
        return std::any_of(
            decoded->fields.begin(), decoded->fields.end(),
            [&](const DecodedField& field) { return field.name.starts_with(prefix); });
      };
      EXPECT_FALSE(has(last)) << buffers;
      EXPECT_EQ(has(before), buffers >= 2) << buffers;
    }
  }
}

}  // namespace
}  // namespace qsplit::layout
