#include "daemon/linux/vfio_facts.h"

#include <gmock/gmock.h>
#include <linux/vfio.h>

#include <cstring>
#include <random>

namespace qsplit::linux_sys {
namespace {

using ::testing::HasSubstr;

// An answer of the kernel's, put together piece by piece.
class Answer {
 public:
  template <typename T>
  size_t Add(const T& value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    Put(at, value);
    return at;
  }
  template <typename T>
  void Put(size_t at, const T& value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  size_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }
  void Cut(size_t bytes) { bytes_.resize(bytes); }

 private:
  std::vector<std::byte> bytes_;
};

constexpr uint32_t kMapped =
    VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP;

vfio_region_info Region(uint32_t flags, uint32_t cap_offset = 0) {
  return {.argsz = 0,
          .flags = flags,
          .index = 3,
          .cap_offset = cap_offset,
          .size = 0x20000,
          .offset = uint64_t{3} << 40};
}

// A region with a capability that does not matter here, and areas.
Answer Sparse(const std::vector<vfio_region_sparse_mmap_area>& areas) {
  Answer answer;
  answer.Add(Region(kMapped | VFIO_REGION_INFO_FLAG_CAPS, sizeof(vfio_region_info)));
  answer.Add(vfio_info_cap_header{.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
                                  .version = 1,
                                  .next = sizeof(vfio_region_info) + 8});
  answer.Add(vfio_info_cap_header{.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1, .next = 0});
  answer.Add(static_cast<uint32_t>(areas.size()));
  answer.Add(uint32_t{0});
  for (const auto& area : areas) answer.Add(area);
  return answer;
}

TEST(VfioFacts, ARegionIsAsItsFlagsSay) {
  Answer answer;
  answer.Add(Region(kMapped));
  const auto region = ParseVfioRegion(answer.bytes());
  ASSERT_TRUE(region.ok()) << region.status();
  EXPECT_EQ(region->index, 3u);
  EXPECT_EQ(region->length_bytes, 0x20000u);
  EXPECT_EQ(region->fd_offset_bytes, uint64_t{3} << 40);
  EXPECT_TRUE(region->readable);
  EXPECT_TRUE(region->writable);
  ASSERT_EQ(region->mappable.size(), 1u);
  EXPECT_EQ(region->mappable[0].length_bytes, 0x20000u);
  answer.Put(0, Region(VFIO_REGION_INFO_FLAG_READ));
  const auto config = ParseVfioRegion(answer.bytes());
  EXPECT_FALSE(config->writable);
  EXPECT_TRUE(config->mappable.empty());
}

TEST(VfioFacts, ARegionsAreasAreThoseOfTheCapability) {
  const auto region = ParseVfioRegion(Sparse({{0, 0x3000}, {0x8000, 0x1000}, {0, 0}}).bytes());
  ASSERT_TRUE(region.ok()) << region.status();
  ASSERT_EQ(region->mappable.size(), 2u);
  EXPECT_EQ(region->mappable[1].offset_bytes, 0x8000u);
  EXPECT_EQ(region->mappable[1].length_bytes, 0x1000u);
  EXPECT_TRUE(ParseVfioRegion(Sparse({}).bytes())->mappable.empty()) << "none of it";
}

TEST(VfioFacts, AreasOutsideOfTheRegionAreRefused) {
  for (const vfio_region_sparse_mmap_area area :
       {vfio_region_sparse_mmap_area{0, 0x20001}, {0x20000, 1}, {UINT64_MAX, 2}, {8, UINT64_MAX}}) {
    EXPECT_EQ(ParseVfioRegion(Sparse({area}).bytes()).status().code(), absl::StatusCode::kInternal);
  }
}

TEST(VfioFacts, AnAnswerThatIsCutAnywhereIsRefused) {
  const Answer whole = Sparse({{0, 0x3000}, {0x8000, 0x1000}});
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    Answer cut = whole;
    cut.Cut(bytes);
    EXPECT_FALSE(ParseVfioRegion(cut.bytes()).ok()) << bytes;
  }
  EXPECT_FALSE(ParseDmaSpace(std::span(whole.bytes()).first(8)).ok());
}

TEST(VfioFacts, ChainsThatGoBackOrOutEnd) {
  Answer answer = Sparse({});
  const auto first = static_cast<uint32_t>(sizeof(vfio_region_info));
  // To itself, back into the fixed part, out of the answer, and beyond all that there is.
  for (const uint32_t next : {first, 8u, uint32_t(answer.size()), UINT32_MAX}) {
    answer.Put(first, vfio_info_cap_header{.id = 99, .version = 1, .next = next});
    const auto region = ParseVfioRegion(answer.bytes());
    EXPECT_EQ(region.status().code(), absl::StatusCode::kInternal) << next;
    EXPECT_THAT(std::string(region.status().message()), HasSubstr("malformed"));
  }
}

TEST(VfioFacts, CountsThatDoNotFitAreRefused) {
  Answer answer = Sparse({{0, 0x1000}});
  const size_t count_at = sizeof(vfio_region_info) + 2 * sizeof(vfio_info_cap_header);
  for (const uint32_t count : {2u, 0x10000001u, UINT32_MAX}) {
    answer.Put(count_at, count);
    EXPECT_FALSE(ParseVfioRegion(answer.bytes()).ok()) << count;
  }
}

Answer DmaAnswer() {
  Answer answer;
  vfio_iommu_type1_info info{};
  info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
  info.iova_pgsizes = 0x40201000;
  info.cap_offset = sizeof info;
  answer.Add(info);
  answer.Add(vfio_info_cap_header{
      .id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1, .next = sizeof info + 48});
  answer.Add(uint32_t{2});
  answer.Add(uint32_t{0});
  answer.Add(vfio_iova_range{0, 0xfedfffff});
  answer.Add(vfio_iova_range{0xfef00000, 0x7fffffffff});
  answer.Add(vfio_info_cap_header{.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1, .next = 0});
  answer.Add(uint32_t{65535});
  return answer;
}

TEST(VfioFacts, TheAddressSpaceIsWhatTheCapabilitiesSay) {
  const auto space = ParseDmaSpace(DmaAnswer().bytes());
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_EQ(space->page_sizes, 0x40201000u);
  ASSERT_EQ(space->ranges.size(), 2u);
  EXPECT_EQ(space->ranges[0].last, 0xfedfffffu);
  EXPECT_EQ(space->ranges[1].first, 0xfef00000u);
  EXPECT_EQ(space->mappings_left, 65535u);
  Answer old;
  old.Add(vfio_iommu_type1_info{});
  EXPECT_TRUE(ParseDmaSpace(old.bytes())->ranges.empty());
  EXPECT_EQ(ParseDmaSpace(old.bytes())->mappings_left, std::nullopt);
}

// Whatever the bytes are, what comes out lies within what was said; memory errors are the
// sanitizers' to find.
TEST(VfioFacts, NoBytesLeadAstray) {
  std::mt19937 random(4);
  const Answer region = Sparse({{0, 0x3000}, {0x8000, 0x1000}});
  const Answer space = DmaAnswer();
  for (int i = 0; i < 20000; ++i) {
    for (const Answer& good : {region, space}) {
      std::vector<std::byte> bytes(good.bytes().begin(), good.bytes().end());
      for (int change = 0; change < 3; ++change) {
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      }
      bytes.resize(bytes.size() - random() % 8);
      if (const auto parsed = ParseVfioRegion(bytes); parsed.ok()) {
        for (const VfioArea& area : parsed->mappable) {
          ASSERT_LE(area.offset_bytes, parsed->length_bytes);
          ASSERT_LE(area.length_bytes, parsed->length_bytes - area.offset_bytes);
        }
      }
      if (const auto parsed = ParseDmaSpace(bytes); parsed.ok()) {
        for (const IovaRange& range : parsed->ranges) ASSERT_LE(range.first, range.last);
      }
    }
  }
}

TEST(VfToken, TextAndBytesAreInOneOrder) {
  const std::string text = "bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3";
  const auto token = ParseVfToken(text);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ((*token)[0], 0xbd);
  EXPECT_EQ((*token)[15], 0xf3);
  EXPECT_EQ(VfTokenText(*token), text);
}

TEST(VfToken, OtherTextIsRefusedWithoutRepeatingIt) {
  for (const char* text :
       {"", "bd8d9d2b5a5f4f5aa211f591514ba1f3", "bd8d9d2b-5a5f-4f5a-a211-f591514ba1f",
        "bd8d9d2b-5a5f-4f5a-a211-f591514ba1f33", "bd8d9d2b-5a5f-4f5a-a211-f591514ba1g3",
        "bd8d9d2b-5a5f-4f5a-a211+f591514ba1f3", "-d8d9d2b-5a5f-4f5a-a211-f591514ba1f3"}) {
    const auto token = ParseVfToken(text);
    ASSERT_FALSE(token.ok()) << text;
    EXPECT_EQ(std::string(token.status().message()).find("bd8d"), std::string::npos);
  }
}

}  // namespace
}  // namespace qsplit::linux_sys
