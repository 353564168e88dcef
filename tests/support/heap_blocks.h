// Which memory something takes from the heap, and what of it is written later: how tests see that
// threads which work beside each other write to no cache line of each other's.
//
// A program that links this has operator new and delete from here. One thread.
#ifndef QSPLIT_TESTS_SUPPORT_HEAP_BLOCKS_H_
#define QSPLIT_TESTS_SUPPORT_HEAP_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace qsplit::testing {

struct HeapBlock {
  std::byte* memory = nullptr;
  size_t bytes = 0;
  size_t alignment = 0;  // that was asked for
};

class HeapBlocks {
 public:
  // What `make` takes and keeps, and what stands there now. At most some thousand blocks.
  static HeapBlocks TakenBy(const std::function<void()>& make);

  // Fails the test for each block of which something changed since, unless it was taken in whole
  // cache lines. Returns how many changed. None may have been given back. name: of the owner.
  uint32_t ExpectOwnLines(const std::string& name) const;

 private:
  std::vector<HeapBlock> blocks_;
  std::vector<std::vector<std::byte>> before_;  // parallel
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_HEAP_BLOCKS_H_
