// What a Region is made of: a sealed memfd's mapping, registered.
#ifndef QSPLIT_CLIENT_LIB_SRC_REGION_PARTS_H_
#define QSPLIT_CLIENT_LIB_SRC_REGION_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace qsplit::internal {

class Core;

struct RegionParts {
  std::shared_ptr<Core> core;
  uint64_t id = 0;
  std::span<std::byte> bytes;  // of mmap; the Region unmaps it
  uint64_t page_bytes = 0;
  bool read_only = false;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_REGION_PARTS_H_
