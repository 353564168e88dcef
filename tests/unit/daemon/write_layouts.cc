// write_layouts FOLDER: puts the tests' sample layouts there as the compiler would, for tests that
// start the real daemon.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/sample_layouts.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_layouts FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder(argv[1]);
  std::filesystem::create_directories(folder);
  for (const auto& layout :
       {qsplit::layout::testing::SimpleLayout(), qsplit::layout::testing::BigLayout()}) {
    std::ofstream out(folder / (layout.name() + ".layout"), std::ios::binary);
    out << layout.canonical_bytes();
    if (!out.flush()) return 1;
  }
  return 0;
}
