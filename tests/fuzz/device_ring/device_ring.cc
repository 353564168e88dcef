// The input is a program for whoever shares a ring: it writes ring memory, doorbell and flags, and
// says what the honest side does in between. First the device's sides, which face a hostile driver,
// then the driver's sides, which face a hostile device. What must hold whatever the input is stands
// in the CHECKs; memory is the sanitizer's business.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/support/sample_layouts.h"

namespace {

using namespace qsplit;             // NOLINT
using namespace qsplit::dataplane;  // NOLINT

#define MUST(condition)                                                    \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

constexpr uint32_t kSlots = 16;
constexpr uint32_t kBufferBytes = 2048;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool Empty() const { return at_ >= size_; }
  uint8_t Byte() { return Empty() ? 0 : data_[at_++]; }
  uint64_t Number() {
    uint64_t value = 0;
    const size_t bytes = std::min<size_t>(8, size_ - std::min(at_, size_));
    std::memcpy(&value, data_ + at_, bytes);
    at_ += bytes;
    return value;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

// A ring of its exact size on the heap: the sanitizer sees every byte beyond.
struct Ring {
  Ring(const layout::VerifiedLayout& layout, v1::Direction direction)
      : slot_bytes(layout.FindQueue(direction)->rings(0).slot_bytes()),
        words(kSlots * slot_bytes / 8),
        cells(8) {}
  QueueView View() {
    RingView ring;
    ring.slots = reinterpret_cast<std::byte*>(words.data());
    ring.slot_count = kSlots;
    for (size_t i = 0; i < kMaxDoorbells; ++i) {
      ring.producer_doorbells[i] = reinterpret_cast<std::byte*>(&cells[i]);
    }
    ring.need_wakeup = reinterpret_cast<std::byte*>(&cells[4]);
    return QueueView::Single(ring);
  }
  // One hostile act.
  void Scribble(Input& in) {
    switch (in.Byte() % 5) {
      case 0:
        cells[0] = in.Number();
        break;
      case 1: {  // a plausible index, in both byte orders
        const uint32_t index = in.Byte() % (kSlots + 2);
        cells[0] = in.Byte() % 2 == 0 ? index : __builtin_bswap32(index);
        break;
      }
      case 2:
        words[in.Byte() % words.size()] = in.Number();
        break;
      case 3: {
        const uint32_t bit =
            (in.Byte() | uint32_t{in.Byte()} << 8) % static_cast<uint32_t>(words.size() * 64);
        words[bit / 64] ^= uint64_t{1} << (bit % 64);
        break;
      }
      case 4: {
        const size_t slot_words = slot_bytes / 8;
        const size_t from = in.Byte() % kSlots;
        const size_t to = in.Byte() % kSlots;
        std::memmove(&words[to * slot_words], &words[from * slot_words], slot_bytes);
        break;
      }
    }
  }

  uint32_t slot_bytes;
  std::vector<uint64_t> words;
  std::vector<uint64_t> cells;
};

RxMetadata Metadata(Input& in) {
  RxMetadata meta;
  meta.present = RxFields(static_cast<uint32_t>(in.Number()));
  meta.hash = static_cast<uint32_t>(in.Number());
  meta.hash_type = HashType(in.Byte() % kHashTypes);
  meta.l3 = L3Kind(in.Byte() % kL3Kinds);
  meta.l4 = L4Kind(in.Byte() % kL4Kinds);
  meta.vlan_tci = in.Byte();
  meta.timestamp = in.Number();
  return meta;
}

TxRequest Request(Input& in) {
  TxRequest request;
  request.wants = TxFeatures(in.Byte() & 0x1fu);
  request.l3 = L3Kind(in.Byte() % kL3Kinds);
  request.l4 = L4Kind(in.Byte() % kL4Kinds);
  request.l2_header_bytes = in.Byte();
  request.l3_header_bytes = in.Byte();
  request.l4_header_bytes = in.Byte();
  request.vlan_tci = in.Byte();
  request.segment_bytes = in.Byte();
  return request;
}

void FuzzRx(const layout::VerifiedLayout& layout, Input& in) {
  Ring ring(layout, v1::DIRECTION_RECEIVE);
  auto driver = *RxDriver::Create(layout, ring.View(), {});
  auto device = *RxDevice::Create(layout, ring.View(), {});
  while (!in.Empty()) {
    switch (in.Byte() % 8) {
      case 0:
        if (driver.Post(Iova(in.Number()), kBufferBytes, 100)) driver.Publish();
        break;
      case 1: {
        RxCompletion out[kSlots];
        const uint32_t count = driver.Poll(out);
        MUST(count <= driver.Capacity());
        for (uint32_t i = 0; i < count; ++i) {
          MUST(out[i].cookie == 100);
          MUST(uint64_t{out[i].offset} + out[i].length <= kBufferBytes);
        }
        MUST(driver.Outstanding() + driver.Room() == driver.Capacity());
        break;
      }
      case 2: {
        PostedBuffer buffer;
        if (device.Fetch(&buffer) == RingFault::kNone) {
          MUST(buffer.slot < kSlots && buffer.bytes > 0);
        }
        MUST(device.Fetched() <= kSlots);
        MUST(device.PeekAvailable() <= kSlots);
        break;
      }
      case 3: {
        RxResult result;
        result.length = static_cast<uint32_t>(in.Number());
        result.last = in.Byte() % 2 == 0;
        result.meta = Metadata(in);
        device.Complete(result);
        break;
      }
      case 4:
        device.Unfetch();
        break;
      default:
        ring.Scribble(in);
    }
  }
}

void FuzzTx(const layout::VerifiedLayout& layout, Input& in) {
  Ring ring(layout, v1::DIRECTION_TRANSMIT);
  auto driver = *TxDriver::Create(layout, ring.View(), {1u + in.Byte() % 4});
  auto device = *TxDevice::Create(layout, ring.View(), {});
  std::vector<TxHandle> handles;
  while (!in.Empty()) {
    switch (in.Byte() % 8) {
      case 0: {
        std::vector<TxSegment> segments(1 + in.Byte() % 4, {Iova(in.Number()), 60});
        const uint32_t room = driver.Room();
        if (driver.Push(segments, Request(in), 100) != PushResult::kPushed) {
          MUST(driver.Room() == room);
        }
        if (in.Byte() % 2 == 0) driver.Publish();
        break;
      }
      case 1: {
        uint32_t cookies[kSlots];
        const uint32_t before = driver.Outstanding();
        const uint32_t count = driver.Reclaim(cookies);
        MUST(count <= before && driver.Outstanding() == before - count);
        for (uint32_t i = 0; i < count; ++i) MUST(cookies[i] == 100);
        MUST(driver.Room() <= driver.Capacity());
        break;
      }
      case 2: {
        TxWork work;
        if (device.Fetch(&work) != RingFault::kNone) break;
        MUST(!work.segments.empty() && work.segments.size() <= kSlots);
        uint64_t bytes = 0;
        for (const TxSegment& segment : work.segments) bytes += segment.bytes;
        MUST(bytes == work.bytes);
        const TxRequest& r = work.request;
        MUST(!r.wants.Has(TxFeature::kL3Checksum) || r.l3_checksum_at >= r.l3_checksum_start);
        MUST(!r.wants.Has(TxFeature::kL4Checksum) || r.l4_checksum_at >= r.l4_checksum_start);
        MUST(!r.wants.Has(TxFeature::kSegment) || r.segment_bytes > 0);
        MUST(work.handle.slots <= kSlots && work.handle.first_slot < kSlots);
        handles.push_back(work.handle);
        break;
      }
      case 3:
        if (!handles.empty()) device.Complete(handles[in.Byte() % handles.size()]);
        break;
      case 4:
        device.Complete({in.Byte() % (2 * kSlots), in.Byte() % (2 * kSlots)});
        MUST(device.PeekAvailable() <= kSlots);
        break;
      default:
        ring.Scribble(in);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const layout::VerifiedLayout layouts[] = {layout::testing::SimpleLayout(),
                                                   layout::testing::BigLayout()};
  Input in(data, std::min<size_t>(size, 4096));
  const uint8_t choice = in.Byte();
  const layout::VerifiedLayout& layout = layouts[choice % 2];
  if (choice / 2 % 2 == 0) {
    FuzzRx(layout, in);
  } else {
    FuzzTx(layout, in);
  }
  return 0;
}
