#include "tests/support/heap_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

#include "dataplane/cache_line.h"

namespace {

using qsplit::testing::HeapBlock;

// Written down without help of the heap.
std::array<HeapBlock, 1 << 14> blocks;
size_t block_count = 0;
bool recorded = false;

void* Take(size_t bytes, size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), std::max<size_t>(bytes, 1)) !=
      0) {
    std::abort();
  }
  if (recorded) {
    if (block_count == blocks.size()) std::abort();
    blocks[block_count++] = {static_cast<std::byte*>(memory), bytes, alignment};
  }
  return memory;
}

void Give(void* memory) {
  for (size_t i = block_count; recorded && i > 0; --i) {
    if (blocks[i - 1].memory != memory) continue;
    blocks[i - 1] = blocks[--block_count];
    break;
  }
  std::free(memory);
}

}  // namespace

void* operator new(size_t bytes) { return Take(bytes, alignof(std::max_align_t)); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return Take(bytes, static_cast<size_t>(alignment));
}
// A sanitizer has its own of these too, and wants what it gave itself.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return Take(bytes, alignof(std::max_align_t));
}
void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Take(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { Give(memory); }
void operator delete(void* memory, size_t) noexcept { Give(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Give(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Give(memory); }

namespace qsplit::testing {

HeapBlocks HeapBlocks::TakenBy(const std::function<void()>& make) {
  HeapBlocks taken;
  block_count = 0;
  recorded = true;
  make();
  recorded = false;
  taken.blocks_.assign(blocks.begin(), blocks.begin() + static_cast<ptrdiff_t>(block_count));
  for (const HeapBlock& block : taken.blocks_) {
    taken.before_.emplace_back(block.memory, block.memory + block.bytes);
  }
  return taken;
}

uint32_t HeapBlocks::ExpectOwnLines(const std::string& name) const {
  using dataplane::kCacheLineBytes;
  uint32_t changed = 0;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const HeapBlock& block = blocks_[i];
    const std::vector<std::byte>& before = before_[i];
    const auto differs = std::mismatch(before.begin(), before.end(), block.memory).first;
    if (differs == before.end()) continue;
    ++changed;
    EXPECT_TRUE(block.alignment >= kCacheLineBytes && block.bytes % kCacheLineBytes == 0)
        << name << ": byte " << differs - before.begin() << " of " << block.bytes
        << " bytes that were taken with alignment " << block.alignment
        << " is written while packets pass";
  }
  return changed;
}

}  // namespace qsplit::testing
