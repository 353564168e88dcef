// Tables for people: columns as wide as their widest cell, numbers to the right.
//
// Pure but for Print. Cells that came from elsewhere (a program's name) are made harmless: control
// bytes, and marks that turn the direction of writing, become '?', so that nobody writes escape
// sequences to an operator's terminal.
#ifndef QSPLIT_CLI_TABLE_H_
#define QSPLIT_CLI_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace qsplit::cli {

// Text without control bytes and without bytes that are no UTF-8.
std::string Harmless(absl::string_view text);

class Table {
 public:
  enum class Align : uint8_t { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as columns.
  void Row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Title line and rows; with no rows the title line alone.
  std::string Text() const;
  void Print() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "name: value" lines with the values in one column.
class Sheet {
 public:
  void Line(std::string name, absl::string_view value);
  std::string Text() const;
  void Print() const;

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_TABLE_H_
