#include <algorithm>
#include <vector>

#include "dataplane/command_ring.h"
#include "dataplane/ring_shape.h"
#include "descriptor-lang/emit/codec.h"
#include "tests/fuzz/device_ring/both_sides.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;  // NOLINT

// One of the forms that may stand in the queue's rings, its constants in place, some bytes changed.
struct Descriptor {
  uint32_t form = 0;
  std::vector<std::byte> bytes;
};
Descriptor MakeDescriptor(const Case& on, bool posted, Input& in) {
  std::vector<uint32_t> forms;
  const auto queue = static_cast<int>(on.memory.view().layout_queue);
  for (const v1::Ring& ring : on.layout.message().queues(queue).rings()) {
    const auto& some = posted ? ring.post_forms() : ring.complete_forms();
    forms.insert(forms.end(), some.begin(), some.end());
  }
  Descriptor made;
  if (forms.empty()) return made;
  made.form = forms[in.Below(forms.size())];
  const auto image = layout::Encode(on.layout, made.form, {});
  MUST(image.ok());
  for (const uint8_t byte : *image) made.bytes.push_back(std::byte(byte));
  if (in.Byte() % 4 == 0) made.bytes.resize(made.bytes.size() + in.Below(512));  // parts
  for (uint8_t changes = in.Byte() % 8; changes > 0 && !made.bytes.empty(); --changes) {
    const uint64_t at = in.Below(made.bytes.size());
    made.bytes[at] = std::byte(in.Byte());
  }
  return made;
}

// The driver's side, which knows what it posted.
class Driver {
 public:
  explicit Driver(CommandDriver& driver) : driver_(driver) {}

  void Post(const Descriptor& command) {
    const uint32_t outstanding = driver_.Outstanding();
    if (driver_.Post(command.form, command.bytes, posted_.size())) {
      posted_.push_back(true);
      MUST(driver_.Outstanding() == outstanding + 1);
      MUST(driver_.Outstanding() <= driver_.Capacity());
    } else {
      MUST(driver_.Outstanding() == outstanding);
    }
  }
  void Publish() { driver_.Publish(); }
  void Poll(Input& in) {
    CommandCompletion done;
    for (uint8_t most = 1 + in.Byte() % 32; most > 0; --most) {
      const uint32_t outstanding = driver_.Outstanding();
      if (!driver_.Poll(&done)) break;
      MUST(done.bytes.size() <= kMaxDescriptorBytes);
      Touch(done.bytes);
      if (!done.has_command) continue;
      // Each command comes back once, whatever the device says.
      MUST(done.cookie < posted_.size() && posted_[done.cookie]);
      posted_[done.cookie] = false;
      MUST(done.commands >= 1 && done.commands <= outstanding);
      MUST(driver_.Outstanding() == outstanding - done.commands);
    }
    driver_.Acknowledge();
  }

 private:
  CommandDriver& driver_;
  std::vector<bool> posted_;  // by cookie, and not come back
};

}  // namespace

void RunCommands(const Case& on, Input& in) {
  const v1::Layout& message = on.layout.message();
  const v1::Queue& queue = message.queues(static_cast<int>(on.memory.view().layout_queue));
  auto shape = ShapeQueue(message, queue, on.memory.view());
  if (!shape.ok()) return;
  auto made_driver = CommandDriver::Create(*shape);
  auto made_device = CommandDevice::Create(*shape);
  if (!made_driver.ok()) return;
  Driver driver(**made_driver);
  CommandDevice* const device = made_device.ok() ? made_device->get() : nullptr;
  std::vector<Command::Handle> handles;
  Faults faults;
  while (!in.Empty()) {
    uint8_t act = in.Byte() % 16;
    // Where no software can be the device, only what is hostile is left of it.
    if (device == nullptr && act >= 7) act = 15;
    switch (act) {
      case 0:
      case 1:
      case 2:
        driver.Post(MakeDescriptor(on, true, in));
        break;
      case 3:
      case 4:
        driver.Publish();
        break;
      case 5:
      case 6:
        driver.Poll(in);
        break;
      case 7:
      case 8: {
        Command command;
        const RingFault fault = device->Fetch(&command);
        faults.Check(fault, false);
        if (fault != RingFault::kNone) break;
        MUST(command.bytes.size() <= kMaxDescriptorBytes);
        Touch(command.bytes);
        handles.push_back(command.handle);
        break;
      }
      case 9:
      case 10: {
        if (handles.empty()) break;
        const uint64_t which = in.Below(handles.size());
        const Descriptor with = MakeDescriptor(on, false, in);
        if (device->Complete(handles[which], with.form, with.bytes)) {
          handles.erase(handles.begin() + static_cast<ptrdiff_t>(which));
        }
        break;
      }
      case 11: {
        const uint8_t what = in.Byte();
        if (what % 4 == 0) {
          const Descriptor event = MakeDescriptor(on, false, in);
          device->Event(event.form, event.bytes);
        }
        device->Publish();
        device->SetNeedWakeup(what % 2 == 0);
        break;
      }
      default:
        on.memory.Scribble(in);
    }
  }
}

}  // namespace qsplit::fuzz
