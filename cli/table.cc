#include "cli/table.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace qsplit::cli {
namespace {

// Length of the UTF-8 sequence at the start of `text`, 0 if there is none.
size_t SequenceLength(absl::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80                    ? 1
                        : lead >= 0xc2 && lead < 0xe0  ? 2
                        : lead >= 0xe0 && lead < 0xf0  ? 3
                        : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                       : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  // Not the shortest form, a surrogate, or past U+10FFFF: terminals differ in what they make of it.
  const auto second = static_cast<unsigned char>(length > 1 ? text[1] : 0);
  const bool wrong = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
                     (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90);
  return wrong ? 0 : length;
}

// Marks that turn the direction of writing, by which a line can be made to read as another.
bool TurnsDirection(absl::string_view sequence) {
  constexpr std::array<absl::string_view, 12> kMarks = {"\u061c", "\u200e", "\u200f", "\u202a",
                                                        "\u202b", "\u202c", "\u202d", "\u202e",
                                                        "\u2066", "\u2067", "\u2068", "\u2069"};
  return std::find(kMarks.begin(), kMarks.end(), sequence) != kMarks.end();
}

// Columns that the text takes: sequences, not bytes.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void Put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace

std::string Harmless(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    // C1 control characters are the two-byte sequences c2 80 .. c2 9f.
    const bool c1 = length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (length == 0 || byte < 0x20 || byte == 0x7f || c1 ||
        TurnsDirection(text.substr(i, length))) {
      out += '?';
      i += std::max<size_t>(length, 1);
    } else {
      absl::StrAppend(&out, text.substr(i, length));
      i += length;
    }
  }
  return out;
}

void Table::Row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = Harmless(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Text() const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = Width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, Width(row[c]));
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string& cell = cell_of(c);
      const std::string pad(widths[c] - Width(cell), ' ');
      if (c > 0) text += "  ";
      text += columns_[c].align == Align::kRight ? pad + cell : cell + pad;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line([&](size_t c) -> const std::string& { return columns_[c].title; });
  for (const auto& row : rows_) line([&](size_t c) -> const std::string& { return row[c]; });
  return out;
}

void Table::Print() const { Put(Text()); }

void Sheet::Line(std::string name, absl::string_view value) {
  lines_.emplace_back(std::move(name), Harmless(value));
}

std::string Sheet::Text() const {
  size_t width = 0;
  for (const auto& [name, value] : lines_) width = std::max(width, Width(name));
  std::string out;
  for (const auto& [name, value] : lines_) {
    out += name + ':' + std::string(width - Width(name) + 2, ' ') + value + '\n';
  }
  return out;
}

void Sheet::Print() const { Put(Text()); }

}  // namespace qsplit::cli
