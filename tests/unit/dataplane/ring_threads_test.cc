// Both sides of the ring layer at once, each in its thread, with words written and read without any
// other synchronisation than the rings: for the thread sanitizer.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "dataplane/command_ring.h"
#include "tests/unit/dataplane/ring_layouts.h"
#include "tests/unit/dataplane/ring_memory.h"

namespace qsplit::dataplane {
namespace {

using testing::RingLayout;
using testing::RingMemory;

class RingThreads : public ::testing::TestWithParam<std::shared_ptr<const RingLayout>> {};

TEST_P(RingThreads, BytesWrittenBeforeAHandoverAreSeenAfterIt) {
  constexpr uint32_t kCommands = 20000;
  const RingLayout& layout = *GetParam();
  RingMemory memory(layout.queue(), 16);
  const QueueShape shape = *ShapeQueue(layout.layout, layout.queue(), memory.view());
  const auto driver = *CommandDriver::Create(shape);
  const auto device = *CommandDevice::Create(shape);
  const v1::Form& form = layout.layout.forms(static_cast<int>(layout.command));
  const v1::Form& done = layout.layout.forms(static_cast<int>(layout.completion));
  std::vector<std::byte> command(form.size_bytes());
  for (const v1::Field& field : form.fields()) {
    if (field.constraint() != v1::CONSTRAINT_CONSTANT) continue;
    DescriptorBytes image{};
    std::memcpy(image.bytes, command.data(), command.size());
    FieldAccess::Compile(field, form.size_bytes())->StoreRaw(image.bytes, field.constant());
    std::memcpy(command.data(), image.bytes, command.size());
  }
  const std::vector<std::byte> result(done.size_bytes());
  // What a command's argument names: plain memory, written by the driver, then by the device.
  std::vector<uint32_t> words(64);

  std::thread device_thread([&] {
    for (uint32_t i = 0; i < kCommands;) {
      Command fetched;
      const RingFault fault = device->Fetch(&fetched);
      if (fault == RingFault::kEmpty) {
        device->Publish();
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(fault, RingFault::kNone);
      uint32_t word;
      std::memcpy(&word, fetched.bytes.data() + 4, 4);
      ASSERT_EQ(words[word % 64], word);
      words[word % 64] = ~word;
      while (!device->Complete(fetched.handle, layout.completion, result)) {
        ASSERT_EQ(device->fault(), RingFault::kNone);
        std::this_thread::yield();
      }
      device->Publish();
      ++i;
    }
  });
  uint32_t sent = 0;
  for (uint32_t back = 0; back < kCommands;) {
    while (sent < kCommands && sent - back < 64) {
      std::memcpy(command.data() + 4, &sent, 4);
      words[sent % 64] = sent;
      if (!driver->Post(layout.command, command, sent)) break;
      ++sent;
    }
    driver->Publish();
    CommandCompletion completion;
    uint32_t burst = 0;
    while (driver->Poll(&completion)) {
      ASSERT_TRUE(completion.has_command);
      ASSERT_EQ(completion.cookie, back);
      ASSERT_EQ(words[back % 64], ~back);
      ++back;
      ++burst;
    }
    driver->Acknowledge();
    if (burst == 0) std::this_thread::yield();
  }
  device_thread.join();
}

std::vector<std::shared_ptr<const RingLayout>> Layouts() {
  std::vector<std::shared_ptr<const RingLayout>> layouts;
  for (const auto& layout : testing::RingLayouts()) {
    // Commands whose arguments stand at byte 4, and have no parts.
    if (layout->layout.forms(static_cast<int>(layout->command)).contains_size() == 0) {
      layouts.push_back(layout);
    }
  }
  return layouts;
}

INSTANTIATE_TEST_SUITE_P(Protocols, RingThreads, ::testing::ValuesIn(Layouts()),
                         [](const auto& param) { return param.param->name; });

}  // namespace
}  // namespace qsplit::dataplane
