#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "tests/fuzz/access_programs/drivers.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/fuzz/access_programs/reached.h"
#include "tests/fuzz/support/packets.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;  // NOLINT

constexpr uint32_t kWholeBuffer = QueueMemory::kBufferBytes;
constexpr uint32_t kMostBuffers = 64;  // in one act

struct RxTraits {
  using Driver = RxDriver;
  using Device = RxDevice;
  using DriverOptions = RxOptions;
  using DeviceOptions = RxDeviceOptions;
  static constexpr bool kEngineIsApart = false;
};

class RxQueue : public EachWay<RxTraits> {
 public:
  using EachWay::EachWay;

  void Post(Input& in) {
    const auto first = static_cast<uint32_t>(posted_);
    std::vector<RxBuffer> buffers(1 + in.Byte() % kMostBuffers);
    for (uint32_t i = 0; i < buffers.size(); ++i) {
      const uint32_t buffer = (first + i) % QueueMemory::kBuffers;
      buffers[i] = {QueueMemory::BufferIova(buffer), kWholeBuffer, first + i, nullptr};
    }
    if (const uint8_t odd = in.Byte(); odd < 0x40) {
      RxBuffer& one = buffers[in.Below(buffers.size())];
      if (odd % 2 == 0) one.bytes = static_cast<uint32_t>(in.Value());
      if (odd % 2 == 1) one.address = Iova(in.Value());
    }
    const uint32_t count = Same([&](Way& way) {
      for (uint32_t i = 0; i < buffers.size(); ++i) {
        buffers[i].memory = way.memory->Buffer((first + i) % QueueMemory::kBuffers);
      }
      return way.driver->Post(buffers);
    });
    posted_ += count;
    ReachIf(posted_ > driver().Capacity(),
            IsCompiled() ? Reached::kRxDriverAroundEnd : Reached::kRxDriverEngine);
  }
  void Publish() {
    Same([](Way& way) { return way.driver->Publish(); });
  }
  void Poll(Input& in) {
    const size_t most = in.Byte() % (kMostBuffers + 1);
    std::array<std::vector<RxCompletion>, kWays> out;
    const uint32_t count = Same([&](Way& way) {
      out[way.number].resize(most);
      return way.driver->Poll(out[way.number]);
    });
    for (const auto& said : out) {
      for (uint32_t k = 0; k < count; ++k) MUST(IsSame(said[k], out.front()[k]));
    }
    ReachIf(count != 0, IsCompiled() ? Reached::kRxDriverCompiled : Reached::kRxDriverEngine);
  }

  // Packets of a buffer each, all of one kind; what cannot be fetched together one by one.
  void Complete(Input& in) {
    const auto most = static_cast<uint32_t>(in.Below(kMostBuffers + 1));
    const RxMetadata meta = in.Byte() % 2 == 0 ? RxMetadata() : TakeMetadata(in);
    std::vector<RxPlain> packets(most);
    for (RxPlain& packet : packets) {
      packet = {static_cast<uint32_t>(in.Value()) % kWholeBuffer,
                static_cast<uint32_t>(in.Value())};
    }
    Same([&](Way& way) {
      std::vector<PlainBuffer> plain(most);
      const uint32_t count = way.device->FetchPlain(plain);
      if (count != 0) way.device->CompletePlain(meta, std::span(packets).first(count));
      if (count != 0 && way.device->Access().mode == AccessMode::kCompiled) {
        Reach(Reached::kRxDeviceCompiled);
      }
      FoundBuffers found;
      for (const PlainBuffer& one : std::span(plain).first(count))
        found.Add(one.address.value, one.bytes);
      uint32_t done = count;
      RingFault fault = RingFault::kNone;
      for (; done < most; ++done) {
        PostedBuffer buffer;
        fault = way.device->Fetch(&buffer);
        if (fault != RingFault::kNone) break;
        found.Add(buffer.address.value, buffer.bytes);
        RxResult result{std::min(packets[done].length, buffer.bytes), true, meta};
        result.meta.hash = packets[done].hash;
        way.device->Complete(result);
      }
      way.device->Publish();
      return std::tuple(done, fault, found);
    });
  }
  // One of two buffers, where a packet may go on.
  void CompleteLong(Input& in) {
    const RxMetadata meta = TakeMetadata(in);
    const auto length = static_cast<uint32_t>(in.Value());
    Same([&](Way& way) {
      uint32_t done = 0;
      RingFault fault = RingFault::kNone;
      for (bool last = false; !last; ++done) {
        PostedBuffer buffer;
        fault = way.device->Fetch(&buffer, done == 0);
        if (fault != RingFault::kNone) break;
        last = done == 1 || !way.device->PacketMayGoOn();
        way.device->Complete({std::min(length, buffer.bytes), last, meta});
      }
      way.device->Publish();
      return std::pair(done, fault);
    });
  }

 private:
  uint64_t posted_ = 0;
};

}  // namespace

void RunRxDrivers(const layout::VerifiedLayout& layout, uint32_t queue,
                  std::span<const uint32_t> choices, Input& in) {
  const uint8_t how = in.Byte();
  RxOptions options;
  options.buffer_bytes = kWholeBuffer;
  if (how >= 0x80) options.wanted = RxFields(static_cast<uint32_t>(in.Number(2)));
  RxDeviceOptions device_options;
  device_options.buffer_bytes = kWholeBuffer;
  RxQueue rx(layout, queue, choices, options, device_options, in);
  while (rx.has_drivers() && !in.Empty()) {
    uint8_t act = in.Byte() % 16;
    if (!rx.has_devices() && act >= 8) act = 15;
    if (act < 3) {
      rx.Post(in);
    } else if (act < 5) {
      rx.Publish();
    } else if (act < 8) {
      rx.Poll(in);
    } else if (act < 11) {
      rx.Complete(in);
    } else if (act == 11) {
      rx.CompleteLong(in);
    } else {
      rx.Scribble(in);
    }
  }
}

}  // namespace qsplit::fuzz
