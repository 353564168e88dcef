#include "daemon/journal/journal.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace qsplit::journal {
namespace {

using ::testing::HasSubstr;

class JournalFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "journal-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder_ + "/journal";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Journal> Open() {
    auto journal = Journal::Open(path_);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : nullptr;
  }
  std::string Bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void Write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(JournalFile, WhatIsNotDoneIsThereAtTheNextStart) {
  auto journal = Open();
  const auto first = journal->Add("pci-driver", {{"function", "0000:01:00.0"}});
  const auto second = journal->Add("other", {{"of", "b c"}});
  const auto third = journal->Add("pci-driver", {{"function", "0000:02:00.0"}});
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_TRUE(journal->Done(*first).ok());
  EXPECT_EQ(journal->Done(*first).code(), absl::StatusCode::kNotFound);
  const auto before = journal->Records();
  journal.reset();
  journal = Open();
  EXPECT_EQ(journal->Records(), before);
  ASSERT_EQ(journal->Records("pci-driver").size(), 1u);
  EXPECT_EQ(journal->Records("pci-driver")[0].fields.at("function"), "0000:02:00.0");
  EXPECT_GT(*journal->Add("x", {}), *third);
}

TEST_F(JournalFile, IsTheDaemonsAlone) {
  const mode_t former = ::umask(0);
  const auto journal = Open();
  ::umask(former);
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

TEST_F(JournalFile, ACrashAtAnyByteLosesNoRecordThatWasAdded) {
  std::string bytes;
  std::vector<std::pair<size_t, std::vector<Record>>> states;  // length of the file, what it says
  {
    const auto journal = Open();
    const auto note = [&] { states.emplace_back(Bytes().size(), journal->Records()); };
    note();
    ASSERT_TRUE(journal->Add("a", {{"x", "1 2"}}).ok());
    note();
    ASSERT_TRUE(journal->Add("b", {}).ok());
    note();
    ASSERT_TRUE(journal->Done(1).ok());
    note();
    ASSERT_TRUE(journal->Replace(2, "b", {{"y", "now"}}).ok());
    note();
    EXPECT_EQ(journal->Replace(2, "b", {}).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(journal->Records(), states.back().second);
    bytes = Bytes();
  }
  for (size_t length = 0; length <= bytes.size(); ++length) {
    Write(bytes.substr(0, length));
    const auto journal = Open();
    ASSERT_NE(journal, nullptr) << length;
    std::vector<Record> expected;
    for (const auto& [whole, records] : states) {
      if (whole <= length) expected = records;
    }
    EXPECT_EQ(journal->Records(), expected) << length;
    // And what comes next is not written behind a torn line.
    ASSERT_TRUE(journal->Add("c", {}).ok());
    EXPECT_EQ(ParseText(Bytes(), path_)->records.size(), expected.size() + 1) << length;
  }
}

TEST_F(JournalFile, ALineThatDoesNotFitOnTheDiskIsTakenBack) {
  const auto journal = Open();
  ASSERT_TRUE(journal->Add("a", {}).ok());
  // A file that may not grow stands for a disk that is full.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  rlimit tight = former;
  tight.rlim_cur = Bytes().size() + 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto refused = journal->Add("b", {{"long", "of more than ten bytes"}});
  const absl::Status kept = journal->Done(1);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(path_));
  EXPECT_FALSE(kept.ok());
  EXPECT_EQ(Bytes().back(), '\n');
  EXPECT_EQ(Open()->Records(), journal->Records()) << "record a, and it alone";
  EXPECT_EQ(journal->Records().size(), 1u);
}

TEST_F(JournalFile, AddsWorkAgainWhenTheDiskHasRoom) {
  const auto journal = Open();
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  rlimit tight = former;
  tight.rlim_cur = Bytes().size() + 3;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  EXPECT_FALSE(journal->Add("a", {}).ok());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  ASSERT_TRUE(journal->Add("b", {}).ok());
  ASSERT_EQ(Open()->Records().size(), 1u);
  EXPECT_EQ(Open()->Records()[0].kind, "b");
}

TEST_F(JournalFile, DoesNotGrowWithWhatIsDone) {
  const auto journal = Open();
  const auto kept = journal->Add("kept", {{"x", "y"}});
  const std::string value(10000, 'v');
  for (int i = 0; i < 30; ++i) {
    const auto id = journal->Add("passing", {{"value", value}});
    ASSERT_TRUE(id.ok()) << id.status();
    ASSERT_TRUE(journal->Done(*id).ok());
  }
  EXPECT_LT(Bytes().size(), size_t{100} << 10);
  ASSERT_EQ(Open()->Records().size(), 1u);
  EXPECT_EQ(Open()->Records()[0].id, *kept);
}

TEST_F(JournalFile, DamageIsRefusedAndTheFileIsLeftAsItIs) {
  Write("qsplit journal 1\n+ 1 a #0000000000000000\n");
  const std::string before = Bytes();
  const auto journal = Journal::Open(path_);
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(journal.status().message()), HasSubstr(path_ + ":2: "));
  EXPECT_EQ(Bytes(), before);
}

TEST_F(JournalFile, WhatIsNoFileIsRefused) {
  std::filesystem::create_directory(path_);
  EXPECT_EQ(Journal::Open(path_).status().code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("/etc/passwd", path_);
  EXPECT_FALSE(Journal::Open(path_).ok()) << "a link leads to somebody else's file";
}

}  // namespace
}  // namespace qsplit::journal
