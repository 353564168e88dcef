// Diagrams, pages and formats of every layout: whole, and safe whatever a spec's words are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "descriptor-lang/emit/diagram.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/outputs.h"
#include "descriptor-lang/layout/bit_layout.h"

namespace qsplit::layout {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<VerifiedLayout> All() {
  std::vector<VerifiedLayout> layouts;
  for (const auto& entry : std::filesystem::directory_iterator(QSPLIT_LAYOUT_DIR)) {
    if (entry.path().extension() != ".layout") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    layouts.push_back(VerifiedLayout::FromBytes(bytes).value());
  }
  return layouts;
}

// Every bit of every field stands in exactly one box, and boxes of a layer keep apart.
TEST(Diagram, HasEachBitOfEachFieldOnce) {
  for (const VerifiedLayout& layout : All()) {
    for (int f = 0; f < layout.message().forms_size(); ++f) {
      const v1::Form& form = layout.message().forms(f);
      const Diagram diagram = DrawForm(layout.message(), static_cast<uint32_t>(f));
      std::vector<uint32_t> drawn(static_cast<size_t>(form.fields_size()), 0);
      uint32_t bytes = 0;
      for (const DiagramRow& row : diagram.rows) {
        EXPECT_EQ(row.first_byte, bytes) << layout.name() << " " << form.name();
        bytes += row.bytes;
        for (const auto& layer : row.layers) {
          uint32_t column = 0;
          for (const DiagramBox& box : layer) {
            EXPECT_GE(box.column, column) << layout.name() << " " << form.name();
            column = box.column + box.columns;
            EXPECT_LE(column, kDiagramBits);
            if (box.field == DiagramBox::kNoField) continue;
            const bool folded = row.bytes > kDiagramBytes;
            drawn[box.field] += folded ? row.bytes * 8 : box.columns;
          }
        }
      }
      EXPECT_EQ(bytes, form.size_bytes());
      for (int i = 0; i < form.fields_size(); ++i) {
        const v1::Field& field = form.fields(i);
        const uint32_t end = field.bytes().byte_offset() + field.bytes().length();
        const uint32_t bits =
            field.parts().empty()
                ? 8 * (std::min(end, form.size_bytes()) - field.bytes().byte_offset())
                : BitWidth(field);
        EXPECT_EQ(drawn[static_cast<size_t>(i)], bits)
            << layout.name() << " " << form.name() << "." << field.name();
      }
    }
  }
}

// A telephone's lines have 16 bits: each says which ones of a longer number.
TEST(Svg, PartsOfANumberSayWhichBitsTheyAre) {
  size_t seen = 0;
  for (const VerifiedLayout& layout : All()) {
    for (int f = 0; f < layout.message().forms_size(); ++f) {
      const std::string svg = FormSvg(layout, static_cast<uint32_t>(f));
      for (const v1::Field& field : layout.message().forms(f).fields()) {
        if (field.parts_size() != 1 || BitWidth(field) != 64 || field.name().size() > 20) continue;
        if (field.parts(0).byte_offset() % kDiagramBytes != 0) continue;
        for (const char* bits : {"[63:48]", "[47:32]", "[31:16]", "[15:0]", "[63:32]", "[31:0]"}) {
          EXPECT_THAT(svg, HasSubstr(field.name() + bits)) << layout.name();
        }
        ++seen;
      }
    }
  }
  EXPECT_GT(seen, 20u);
}

TEST(Diagram, FitsATerminal) {
  for (const VerifiedLayout& layout : All()) {
    const std::string text = EmitDiagram(layout);
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = text.find('\n', begin);
      const std::string line = text.substr(begin, end - begin);
      if (line.find("byte 0 at the left") == std::string::npos) {
        EXPECT_LE(line.size(), 80u) << layout.name() << ": " << line;
      }
      begin = end + 1;
    }
  }
}

TEST(Outputs, AreTheSameEachTimeAndNeverEmpty) {
  for (const VerifiedLayout& layout : All()) {
    for (const Output& output : Outputs()) {
      const std::string once = output.emit(layout);
      EXPECT_FALSE(once.empty()) << layout.name() << " " << output.name;
      EXPECT_EQ(once, output.emit(layout)) << layout.name() << " " << output.name;
      EXPECT_EQ(once.back(), '\n') << layout.name() << " " << output.name;
    }
  }
}

TEST(Html, NeedsNothingFromElsewhere) {
  for (const VerifiedLayout& layout : All()) {
    const std::string page = EmitHtml(layout);
    for (const char* word : {"<script", "<link", "src=", "@import", "url("}) {
      EXPECT_THAT(page, Not(HasSubstr(word))) << layout.name();
    }
    EXPECT_THAT(page, HasSubstr("name=\"viewport\""));
    for (const v1::Form& form : layout.message().forms()) {
      EXPECT_THAT(page, HasSubstr("id=\"" + form.name() + "\""));
    }
  }
  const std::string index = EmitHtmlIndex(All());
  for (const VerifiedLayout& layout : All()) {
    EXPECT_THAT(index, HasSubstr("href=\"" + layout.name() + ".html\""));
  }
}

// Titles and notes come from whoever wrote the spec.
TEST(Outputs, WordsOfASpecAreNeverMarkup) {
  v1::Layout message = All().front().message();
  message.mutable_documentation()->set_title("</title><script>alert(1)</script>\n*/ #error \"'\\");
  v1::Note* const note = message.mutable_documentation()->mutable_notes()->Mutable(0);
  note->set_text("<img src=x onerror=alert(1)> & \"quoted\" \\\nreturn 1;");
  const auto layout = VerifiedLayout::FromMessage(message);
  ASSERT_TRUE(layout.ok()) << layout.status();
  for (const Output& output : Outputs()) {
    const std::string text = output.emit(*layout);
    if (output.name == "html" || output.name == "svg") {
      EXPECT_THAT(text, Not(HasSubstr("<script"))) << output.name;
      EXPECT_THAT(text, Not(HasSubstr("<img"))) << output.name;
    }
    if (output.name == "c" || output.name == "c++" || output.name == "bpf") {
      EXPECT_THAT(text, Not(HasSubstr("\nreturn 1;"))) << output.name;
      EXPECT_THAT(text, Not(HasSubstr("\n*/"))) << output.name;
      EXPECT_THAT(text, Not(HasSubstr("\\\n"))) << output.name;
    }
  }
}

}  // namespace
}  // namespace qsplit::layout
