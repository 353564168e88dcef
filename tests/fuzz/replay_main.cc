// replay_main: runs a fuzzer's entry point over files, where libFuzzer is not linked in, so that
// every build replays the corpora as tests.
//
//   <fuzzer> FILE-OR-FOLDER...
//
// Exit status: 0 all inputs were survived; 1 there was no input (a corpus that vanished must not
// pass for a corpus that is clean), or a folder of inputs did not reach all that the fuzzer wants
// reached; 2 usage. A failing input ends the process by its own assertion
// or sanitizer; the file's name was printed before.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Optional in a fuzzer, as with libFuzzer.
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);
// Optional: whether the inputs so far reached everything that a corpus should, after saying what
// they did not; 0: yes.
extern "C" __attribute__((weak)) int FuzzerReplayed();

namespace {

void Replay(const std::filesystem::path& file) {
  std::printf("replay %s\n", file.c_str());
  std::fflush(stdout);
  std::ifstream in(file, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in),
                                std::istreambuf_iterator<char>()};
  // A copy of the exact size on the heap: the address sanitizer then sees every read past its end.
  const std::vector<uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
    return 2;
  }
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  size_t count = 0;
  bool folder = false;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path path(argv[i]);
    if (std::filesystem::is_directory(path)) {
      folder = true;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        if (!entry.is_regular_file()) continue;
        Replay(entry.path());
        ++count;
      }
    } else {
      Replay(path);
      ++count;
    }
  }
  std::printf("%zu inputs replayed\n", count);
  if (folder && FuzzerReplayed != nullptr && FuzzerReplayed() != 0) return 1;
  return count == 0 ? 1 : 0;
}
