// Packets for the client's tests: built from bytes in a pool of their own, without a device.
#ifndef QSPLIT_TESTS_UNIT_CLIENT_PACKETS_H_
#define QSPLIT_TESTS_UNIT_CLIENT_PACKETS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client-lib/src/packet_access.h"
#include "qsplit/packet.h"

namespace qsplit::testing_support {

// A pool in ordinary memory; its iova is 0x10000.
class TestPool {
 public:
  explicit TestPool(uint32_t buffers = 16, uint32_t buffer_bytes = 256)
      : memory_(std::make_shared<std::vector<std::byte>>(size_t{buffers} * buffer_bytes)),
        pool_(new internal::BufferPool(*memory_, buffer_bytes, 0x10000, this, memory_)) {}
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): only packets that outlive it still have it
  ~TestPool() { internal::BufferPool::Abandon(pool_); }

  internal::BufferPool* get() { return pool_; }

  // A packet over segments of these sizes, each beginning `offset` bytes into its buffer; the sizes
  // add up to bytes.size().
  Packet Make(std::string_view bytes, std::vector<uint32_t> sizes = {}, uint32_t offset = 0) {
    if (sizes.empty()) sizes = {static_cast<uint32_t>(bytes.size())};
    uint32_t first = internal::BufferPool::kNone;
    uint32_t last = first;
    size_t at = 0;
    for (const uint32_t size : sizes) {
      const uint32_t buffer = pool_->Take();
      pool_->link(buffer) = {internal::BufferPool::kNone, offset, size};
      std::memcpy(pool_->data(buffer) + offset, bytes.data() + at, size);
      at += size;
      if (first == internal::BufferPool::kNone) {
        first = buffer;
      } else {
        pool_->link(last).next = buffer;
      }
      last = buffer;
    }
    Packet packet;
    internal::PacketAccess::Fill(packet, pool_, first, static_cast<uint32_t>(bytes.size()),
                                 static_cast<uint32_t>(sizes.size()));
    return packet;
  }

 private:
  std::shared_ptr<std::vector<std::byte>> memory_;
  internal::BufferPool* pool_;
};

// All bytes of a packet.
inline std::string Text(const Packet& packet) {
  std::string bytes(packet.length(), '\0');
  packet.CopyTo({reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
  return bytes;
}

// "0a 0b 0c" as bytes; white space is ignored.
inline std::string Hex(std::string_view text) {
  std::string bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    digits.push_back(c);
    if (digits.size() == 2) {
      bytes.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
      digits.clear();
    }
  }
  return bytes;
}

}  // namespace qsplit::testing_support

#endif  // QSPLIT_TESTS_UNIT_CLIENT_PACKETS_H_
