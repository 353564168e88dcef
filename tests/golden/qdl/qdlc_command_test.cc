// The program qdlc: exit status, streams and files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

struct Result {
  int status = -1;
  std::string out;
  std::string err;
};

class Qdlc : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / ("qdlc_test_" + std::to_string(getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result Run(const std::string& arguments) {
    const fs::path err = folder_ / "stderr";
    const std::string command =
        QSPLIT_BIN_DIR "/qdlc " + arguments + " 2>'" + err.string() + "' </dev/null";
    Result result;
    FILE* pipe = popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    for (size_t got = 0; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      result.out.append(buffer.data(), got);
    }
    const int status = pclose(pipe);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    result.err = Read(err);
    return result;
  }

  static std::string Read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  const std::string good_ = QSPLIT_SOURCE_DIR "/tests/golden/qdl/good/QDL0044.qdl";
  const std::string bad_ = QSPLIT_SOURCE_DIR "/tests/golden/qdl/bad/QDL0044.qdl";
  fs::path folder_;
};

TEST_F(Qdlc, WritesTheLayoutAndNothingElse) {
  const fs::path out = folder_ / "x.layout";
  const Result result = Run(good_ + " -o " + out.string());
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out + result.err, "");
  EXPECT_GT(fs::file_size(out), 100u);
  EXPECT_FALSE(fs::exists(out.string() + ".part"));
}

TEST_F(Qdlc, SameSpecSameBytes) {
  Run(good_ + " -o " + (folder_ / "a").string());
  Run(good_ + " -o " + (folder_ / "b").string());
  EXPECT_EQ(Read(folder_ / "a"), Read(folder_ / "b"));
}

// Neither folder nor name of the file, nor the time, go into a layout.
TEST_F(Qdlc, SameSpecSameBytesFromAnywhere) {
  size_t specs = 0;
  for (const auto& entry : fs::directory_iterator(QSPLIT_SOURCE_DIR "/descriptor-specs")) {
    if (entry.path().extension() != ".qdl") continue;
    fs::create_directories(folder_ / "here");
    fs::create_directories(folder_ / "there/below");
    const std::string name = entry.path().filename();
    fs::copy_file(entry.path(), folder_ / "here" / name);
    fs::copy_file(entry.path(), folder_ / "there/below/other.qdl");
    const std::string into = " -o " + folder_.string();
    EXPECT_EQ(Run((folder_ / "here" / name).string() + into + "/a").status, 0);
    EXPECT_EQ(Run((folder_ / "here/../there/below/other.qdl").string() + into + "/b").status, 0);
    EXPECT_EQ(Read(folder_ / "a"), Read(folder_ / "b")) << name;
    // And of the build, which is another run in another folder.
    EXPECT_EQ(Read(folder_ / "a"),
              Read(QSPLIT_LAYOUT_DIR "/" + entry.path().stem().string() + ".layout"))
        << name;
    fs::remove(folder_ / "there/below/other.qdl");
    ++specs;
  }
  EXPECT_GT(specs, 20u);
}

TEST_F(Qdlc, LeavesTheOldOutputWhenTheSpecIsBad) {
  std::ofstream(folder_ / "x.layout") << "old";
  const Result result = Run(bad_ + " -o " + (folder_ / "x.layout").string());
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("error[QDL0044]"));
  EXPECT_EQ(Read(folder_ / "x.layout"), "old");
}

TEST_F(Qdlc, CheckWritesNothing) {
  const Result result = Run(good_ + " --check");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out + result.err, "");
}

TEST_F(Qdlc, TextAndJsonGoToStdout) {
  EXPECT_THAT(Run(good_ + " --emit text").out, StartsWith("layout test.minimal\n"));
  EXPECT_THAT(Run(good_ + " --emit=json").out, StartsWith("{\n \"layout\": \"test.minimal\""));
  EXPECT_THAT(Run("--emit roles").out, HasSubstr("| `packet.length` |"));
}

TEST_F(Qdlc, ExplainsANumber) {
  const Result result = Run("--explain QDL0044");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, StartsWith("QDL0044 (error): "));
  EXPECT_THAT(result.out, HasSubstr("What to do: "));
}

TEST_F(Qdlc, UsageErrorsAreStatusTwo) {
  for (const std::string arguments :
       {"", "--emit", "--emit yaml x.qdl", "--explain QDL9999", "--explain x", "--sideways",
        "a.qdl b.qdl", "a.qdl", "--check=yes a.qdl"}) {
    const Result result = Run(arguments);
    EXPECT_EQ(result.status, 2) << arguments;
    EXPECT_THAT(result.err, HasSubstr("`qdlc --help` shows how to use it")) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
  }
}

TEST_F(Qdlc, HelpShowsAnExample) {
  const Result result = Run("--help");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("examples: qdlc "));
}

TEST_F(Qdlc, FilesThatCannotBeReadOrWrittenAreStatusOne) {
  const Result unread = Run((folder_ / "none.qdl").string() + " --check");
  EXPECT_EQ(unread.status, 1);
  EXPECT_THAT(unread.err, HasSubstr("cannot read"));
  const Result unwritten = Run(good_ + " -o " + (folder_ / "no/such/folder").string());
  EXPECT_EQ(unwritten.status, 1);
  EXPECT_THAT(unwritten.err, HasSubstr("cannot write"));
}

}  // namespace
