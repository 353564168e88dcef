// In which order the emitted loops read the words of a completion: the one that the device writes
// last is read first, wherever it stands, so that what is read behind it is not older.
#include <gtest/gtest.h>

#include <string>

#include "descriptor-lang/emit/emit.h"
#include "tests/unit/lang/compile_text.h"

namespace qsplit::layout {
namespace {

// A ring of completions of two words, with this condition.
std::string HeaderFor(const std::string& when) {
  const qdl::testing::Compiled compiled = qdl::testing::CompileText(R"(layout test.spec
source "none"
byte-order little
descriptor Buffer 16 bytes {
  @0 address u64 is buffer.address
  @8 id u32 is tag
}
descriptor Done 16 bytes {
  @0 low_kind u8
  @1 u8 { low_owner 0 }
  @4 length u16 is packet.length
  @8 id u32 is tag
  @12 high_kind u8
  @13 u8 { high_owner 0 }
}
queue receive {
  ring buffers {
    slots 8..64 step 8
    post Buffer
    doorbell register 4 bytes = producer index
  }
  ring completions {
    slots 8..64 step 8
    phase starts 1, flips each pass
    complete Done when )" + when + R"(
    completes buffers by tag id
  }
  packet is one descriptor
}
)");
  EXPECT_TRUE(compiled.layout.has_value()) << compiled.text;
  return compiled.layout.has_value() ? EmitCppHeader(*compiled.layout) : "";
}

// Where a loop reads a word of the slot.
size_t ReadOf(const std::string& loop, int word) {
  const std::string load = "__atomic_load_n(from + " + std::to_string(word) + ", ";
  const size_t at = loop.find(load);
  EXPECT_NE(at, std::string::npos) << loop;
  EXPECT_EQ(loop.find(load, at + 1), std::string::npos) << "read twice";
  return at;
}

class EmittedLoop : public ::testing::TestWithParam<const char*> {
 protected:
  // The loop's text.
  static std::string With(const std::string& when) {
    const std::string header = HeaderFor(when);
    const size_t begin = header.find(std::string("static uint32_t ") + GetParam() + "(");
    EXPECT_NE(begin, std::string::npos) << header;
    return header.substr(begin, header.find("return taken;", begin) - begin);
  }
};

TEST_P(EmittedLoop, ReadsTheWordWithThePhaseFirst) {
  const std::string low = With("high_kind == 3 and low_owner == phase");
  EXPECT_LT(ReadOf(low, 0), ReadOf(low, 1));
  const std::string high = With("low_kind == 3 and high_owner == phase");
  EXPECT_LT(ReadOf(high, 1), ReadOf(high, 0));
  // In whichever order the condition says it.
  const std::string other = With("high_owner == phase and low_kind == 3");
  EXPECT_LT(ReadOf(other, 1), ReadOf(other, 0));
}
INSTANTIATE_TEST_SUITE_P(Takes, EmittedLoop, ::testing::Values("poll", "receive"),
                         [](const auto& loop) { return std::string(loop.param); });

}  // namespace
}  // namespace qsplit::layout
