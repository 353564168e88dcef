// A region's slice in ordinary memory, as queues and a device that a test plays see it.
#ifndef QSPLIT_TESTS_UNIT_CLIENT_MEMORY_H_
#define QSPLIT_TESTS_UNIT_CLIENT_MEMORY_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/types.h"
#include "qsplit/buffer_pool.h"

namespace qsplit::testing_support {

inline constexpr uint64_t kIova = 0x7'0000'0000;

// Buffers in ordinary memory, as a region's slice.
class Memory {
 public:
  Memory(uint32_t buffers, uint32_t buffer_bytes, const void* owner)
      : bytes_(std::make_shared<std::vector<std::byte>>(size_t{buffers} * buffer_bytes)),
        pool(new internal::BufferPool(*bytes_, buffer_bytes, kIova, owner, bytes_)) {}
  ~Memory() { internal::BufferPool::Abandon(pool); }

  // What the device sees there; fails the test outside of the region.
  std::byte* At(dataplane::Iova at, uint64_t length) {
    const bool inside = at.value >= kIova && at.value + length <= kIova + bytes_->size();
    EXPECT_TRUE(inside) << "an address outside of the region";
    return inside ? bytes_->data() + (at.value - kIova) : nullptr;
  }

 private:
  std::shared_ptr<std::vector<std::byte>> bytes_;

 public:
  internal::BufferPool* const pool;
};

}  // namespace qsplit::testing_support

#endif  // QSPLIT_TESTS_UNIT_CLIENT_MEMORY_H_
