#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "tests/fuzz/device_ring/both_sides.h"
#include "tests/fuzz/support/packets.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;  // NOLINT

constexpr uint32_t kBufferBytes = QueueMemory::kBufferBytes;

// The driver's side, which knows what it posted.
class Driver {
 public:
  Driver(RxDriver driver, QueueMemory& memory) : driver_(std::move(driver)), memory_(memory) {}

  void Post(Input& in) {
    std::vector<RxBuffer> buffers(1 + in.Byte() % 8);
    for (size_t i = 0; i < buffers.size(); ++i) {
      const auto cookie = static_cast<uint32_t>(posted_.size() + i);
      const uint32_t buffer = cookie % QueueMemory::kBuffers;
      buffers[i] = {QueueMemory::BufferIova(buffer), kBufferBytes, cookie, memory_.Buffer(buffer)};
    }
    const uint32_t room = driver_.Room();
    const uint32_t count = driver_.Post(buffers);
    MUST(count <= buffers.size() && count <= room);
    posted_.resize(posted_.size() + count, true);
  }
  void Publish() { driver_.Publish(); }
  void Poll(Input& in) {
    std::vector<RxCompletion> out(1 + in.Byte() % 64);
    const uint32_t count = driver_.Poll(out);
    MUST(count <= out.size());
    for (uint32_t i = 0; i < count; ++i) {
      // Each buffer comes back once, whatever the device says.
      MUST(out[i].cookie < posted_.size() && posted_[out[i].cookie]);
      posted_[out[i].cookie] = false;
      MUST(uint64_t{out[i].offset} + out[i].length <= kBufferBytes);
    }
    MUST(driver_.Outstanding() <= driver_.Capacity());
    MUST(driver_.Outstanding() ==
         static_cast<size_t>(std::count(posted_.begin(), posted_.end(), true)));
    MUST(driver_.Room() <= driver_.Capacity());
  }

 private:
  RxDriver driver_;
  QueueMemory& memory_;
  std::vector<bool> posted_;  // by cookie, and not come back
};

}  // namespace

void RunReceive(const Case& on, Input& in) {
  const uint8_t how = in.Byte();
  const uint32_t buffer_bytes = how % 8 != 7 ? kBufferBytes : 0;
  RxOptions driver_options;
  driver_options.buffer_bytes = buffer_bytes;
  if (how >= 0x80) driver_options.wanted = RxFields(static_cast<uint32_t>(in.Number(2)));
  RxDeviceOptions device_options;
  device_options.buffer_bytes = buffer_bytes;
  device_options.memory = on.memory.device_memory();
  auto made_driver = RxDriver::Create(on.layout, on.memory.view(), driver_options);
  auto device = RxDevice::Create(on.layout, on.memory.view(), device_options);
  if (!made_driver.ok()) return;
  Driver driver(*std::move(made_driver), on.memory);
  const uint32_t slots = QueueMemory::kMaxBytes;  // no queue has more
  bool honest = on.known;
  Faults faults;
  while (!in.Empty()) {
    uint8_t act = in.Byte() % 16;
    // Where no software can be the device, only what is hostile is left of it.
    if (!device.ok() && act >= 6) act = 15;
    switch (act) {
      case 0:
      case 1:
        driver.Post(in);
        break;
      case 2:
      case 3:
        driver.Publish();
        break;
      case 4:
      case 5:
        driver.Poll(in);
        break;
      case 6: {
        // Packets of a buffer each, as many as there are.
        std::array<PlainBuffer, 4> plain;
        const uint32_t count = device->FetchPlain(std::span(plain).first(in.Below(5)));
        MUST(device->Fetched() <= slots);
        std::array<RxPlain, 4> packets;
        for (uint32_t i = 0; i < count; ++i) {
          MUST(plain[i].bytes > 0);
          packets[i] = {static_cast<uint32_t>(in.Value()), static_cast<uint32_t>(in.Value())};
        }
        const uint32_t fetched = device->Fetched();
        MUST(fetched >= count);
        if (count == 0) break;
        const RxMetadata meta = in.Byte() % 2 == 0 ? RxMetadata() : TakeMetadata(in);
        device->CompletePlain(meta, std::span(packets).first(count));
        MUST(device->Fetched() == fetched - count);
        break;
      }
      case 7: {
        PostedBuffer buffer;
        const uint8_t what = in.Byte();
        const auto packet_bytes = static_cast<uint32_t>(what % 4 == 0 ? 0 : in.Value());
        const RingFault fault = device->Fetch(&buffer, what % 8 < 4, packet_bytes);
        if (fault == RingFault::kNone) MUST(buffer.bytes > 0);
        if (fault == RingFault::kNone && buffer.memory != nullptr) {
          std::memset(buffer.memory, what, buffer.bytes);
        }
        faults.Check(fault, honest);
        MUST(device->Fetched() <= slots && device->PeekAvailable() <= slots);
        break;
      }
      case 8:
      case 9: {
        const uint32_t fetched = device->Fetched();
        RxResult result;
        result.length = static_cast<uint32_t>(in.Value());
        const uint8_t flags = in.Byte();
        result.last = flags % 2 == 0;
        if (flags % 4 >= 2) result.meta = TakeMetadata(in);
        const bool done = device->Complete(result);
        MUST(fetched > 0 || !done);
        MUST(device->Fetched() <= fetched);
        break;
      }
      case 10: {
        const uint8_t what = in.Byte();
        if (what % 4 == 0) device->Skip();
        if (what % 4 == 1) device->Unfetch();
        if (what % 4 >= 2) device->SetNeedWakeup(what % 4 == 2);
        if (what >= 0x40) device->Publish();
        device->PacketMayGoOn();
        break;
      }
      default:
        on.memory.Scribble(in);
        honest = false;
    }
  }
}

}  // namespace qsplit::fuzz
