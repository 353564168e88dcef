// qsplit layout decode and encode: descriptors to and from hex.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/context.h"
#include "cli/layout_source.h"
#include "descriptor-lang/emit/codec.h"

namespace qsplit::cli {
namespace {

using layout::VerifiedLayout;

void PrintOut(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string FormNames(const VerifiedLayout& layout) {
  std::vector<std::string> names;
  for (const v1::Form& form : layout.message().forms()) {
    names.push_back(absl::StrCat(form.name(), " (", form.size_bytes(), " bytes)"));
  }
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<uint32_t> FindForm(const VerifiedLayout& layout, const std::string& name) {
  const std::optional<uint32_t> form = layout.FormIndex(name);
  if (form.has_value()) return *form;
  return absl::NotFoundError(absl::StrCat("layout ", layout.name(), " has no descriptor '", name,
                                          "'; it has ", FormNames(layout)));
}

// The words of the command line, or stdin for a single "-".
absl::StatusOr<std::vector<uint8_t>> ReadBytes(const std::vector<std::string>& words) {
  std::string text = absl::StrJoin(words, " ");
  if (text == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  return layout::ParseHex(text);
}

struct Words {
  std::string layout;
  std::string form;
  std::vector<std::string> rest;
};

absl::Status RunDecode(Context& context, const Words& words) {
  auto layout = GetLayout(context, words.layout);
  if (!layout.ok()) return layout.status();
  auto bytes = ReadBytes(words.rest);
  if (!bytes.ok()) return bytes.status();
  std::vector<uint32_t> forms;
  if (words.form.empty()) {
    forms = layout::FormsOf(*layout, *bytes);
    if (forms.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the ", bytes->size(), " bytes are of no descriptor of layout ", layout->name(),
          ", which has ", FormNames(*layout), "; name one with --form to read them all the same"));
    }
  } else {
    auto form = FindForm(*layout, words.form);
    if (!form.ok()) return form.status();
    forms.push_back(*form);
  }
  for (size_t i = 0; i < forms.size(); ++i) {
    auto decoded = layout::Decode(*layout, forms[i], *bytes);
    if (!decoded.ok()) return decoded.status();
    if (context.wants_json()) {
      PrintOut(layout::DecodedJson(*layout, *decoded));
    } else {
      PrintOut(absl::StrCat(i > 0 ? "\n" : "", layout::DecodedText(*layout, *decoded)));
    }
  }
  return absl::OkStatus();
}

absl::Status RunEncode(Context& context, const Words& words) {
  auto layout = GetLayout(context, words.layout);
  if (!layout.ok()) return layout.status();
  auto form = FindForm(*layout, words.form);
  if (!form.ok()) return form.status();
  auto bytes = layout::Encode(*layout, *form, words.rest);
  if (!bytes.ok()) return bytes.status();
  PrintOut(layout::HexText(*bytes));
  return absl::OkStatus();
}

}  // namespace

void AddLayoutBytesVerbs(CLI::App& object, Context& context) {
  auto decoded = std::make_shared<Words>();
  CLI::App* decode =
      AddVerb(object, context, "decode", "a descriptor's bytes, in hex, as named values",
              "  qsplit layout decode NAME 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
              "  xxd -p -l 16 -s 64 ring.bin | qsplit layout decode NAME --form RxWriteBack -\n"
              "  qsplit -j layout decode nic.layout --form TxData - < descriptor.hex",
              [&context, decoded] { return RunDecode(context, *decoded); });
  decode->add_option("LAYOUT", decoded->layout, kLayoutHelp)->required();
  decode->add_option("HEX", decoded->rest, "the bytes, or - for stdin")->required();
  decode->add_option("--form", decoded->form,
                     "the descriptor that stands there; without it, all that it can be");

  auto encoded = std::make_shared<Words>();
  CLI::App* encode =
      AddVerb(object, context, "encode", "named values as a descriptor's bytes, in hex",
              "  qsplit layout encode NAME TxData buffer_address=0x10000 buffer_length=60 eop=1\n"
              "  qsplit layout encode NAME FORM part[0].address=4096     # parts by their number",
              [&context, encoded] { return RunEncode(context, *encoded); });
  encode->add_option("LAYOUT", encoded->layout, kLayoutHelp)->required();
  encode->add_option("FORM", encoded->form, "the descriptor")->required();
  encode->add_option("FIELD=VALUE", encoded->rest,
                     "values as decode shows them; fields left out are 0 or their constant");
}

}  // namespace qsplit::cli
