// A VF made of memory, and the mailbox between it and its PF as the hardware has it: flags that
// clear when they are read, a lock that either side can hold. One thread.
#ifndef QSPLIT_TESTS_UNIT_VFIO_IGB_FAKE_VF_H_
#define QSPLIT_TESTS_UNIT_VFIO_IGB_FAKE_VF_H_

#include <cstdint>
#include <functional>

#include "daemon/backend/vfio/igb/vf_message.h"
#include "tests/unit/vfio/igb/fake_pf.h"

namespace qsplit::test {

class FakeVf : public FakeFunction {
 public:
  FakeVf(FakePf& of, uint32_t vf) : pf(of), number(vf), bar(AddBar(0, 0x4000)) {
    using namespace vfio::igb;
    bar.Poke(kStatus, kStatusLinkUp | 2u << kStatusSpeedShift);
    bar.OnRead(kStatus, [this] { return gone ? kGone : bar.Peek(kStatus); });
    bar.OnWrite(kCtrl, [this](uint32_t value) {
      if ((value & kCtrlReset) != 0) FunctionReset();
    });
    bar.OnRead(kVfmailbox, [this] {
      if (gone) return kGone;
      const uint32_t value = flags;
      flags &= ~(kVfmailboxPfMessage | kVfmailboxPfAcknowledged | kVfmailboxPfResetDone);
      return value;
    });
    bar.OnWrite(kVfmailbox, [this](uint32_t value) { VfWrites(value); });
    for (uint32_t i = 0; i < 16; ++i) {
      bar.OnRead(Mailbox(0) + 4 * i, [this, i] { return pf.bar.Peek(Mailbox(number) + 4 * i); });
      bar.OnWrite(Mailbox(0) + 4 * i,
                  [this, i](uint32_t value) { pf.bar.Poke(Mailbox(number) + 4 * i, value); });
    }
    pf.bar.OnWrite(Pfmailbox(number), [this](uint32_t value) { PfWrites(value); });
    const auto clear_ones = [this](uint32_t offset) {
      return [this, offset](uint32_t value) { pf.bar.Poke(offset, pf.bar.Peek(offset) & ~value); };
    };
    pf.bar.OnWrite(kMbvficr, clear_ones(kMbvficr));
    pf.bar.OnWrite(kVflre, clear_ones(kVflre));
    pf.bar.OnWrite(kCtrlExt, [this](uint32_t value) {
      pf.bar.Poke(kCtrlExt, value);
      if ((value & kCtrlExtPfResetDone) != 0) PfResetDone();
    });
  }

  // What the PF's software reset does to its VFs, and its end.
  void PfReset() {
    flags = vfio::igb::kVfmailboxPfInReset;
    StopQueues();
  }
  void PfResetDone() {
    flags = (flags & ~vfio::igb::kVfmailboxPfInReset) | vfio::igb::kVfmailboxPfResetDone;
  }
  void FunctionReset() {
    ++function_resets;
    StopQueues();
    SetPf(vfio::igb::kVflre, 1u << number);
    pf.bar.Poke(vfio::igb::kVfre, pf.bar.Peek(vfio::igb::kVfre) & ~(1u << number));
    pf.bar.Poke(vfio::igb::kVfte, pf.bar.Peek(vfio::igb::kVfte) & ~(1u << number));
  }
  void StopQueues() {
    for (const uint32_t control : {0x2828u, 0x2928u, 0x3828u, 0x3928u}) bar.Poke(control, 0);
  }
  uint32_t Reg(uint32_t offset) const { return bar.Peek(offset); }

  FakePf& pf;
  uint32_t number;
  FakeWindow& bar;
  uint32_t flags = 0;  // VMailbox
  int function_resets = 0;
  bool gone = false;

 private:
  void SetPf(uint32_t offset, uint32_t bits) { pf.bar.Poke(offset, pf.bar.Peek(offset) | bits); }
  void VfWrites(uint32_t value) {
    using namespace vfio::igb;
    if ((value & kVfmailboxRequest) != 0) SetPf(kMbvficr, 1u << number);
    if ((value & kVfmailboxAcknowledge) != 0) SetPf(kMbvficr, 1u << (16 + number));
    if ((value & kVfmailboxVfOwns) == 0) {
      flags &= ~kVfmailboxVfOwns;
    } else if ((pf.bar.Peek(Pfmailbox(number)) & kPfmailboxPfOwns) == 0) {
      flags |= kVfmailboxVfOwns;
    }
  }
  void PfWrites(uint32_t value) {
    using namespace vfio::igb;
    if ((value & kPfmailboxStatus) != 0) flags |= kVfmailboxPfMessage;
    if ((value & kPfmailboxAcknowledge) != 0) flags |= kVfmailboxPfAcknowledged;
    const bool taken = (value & kPfmailboxPfOwns) != 0 && (flags & kVfmailboxVfOwns) == 0;
    pf.bar.Poke(Pfmailbox(number), taken ? kPfmailboxPfOwns : 0);
  }
};

// A PF that answers as it is told to, in place of a driver: Linux's, or a broken one.
class ScriptedPf {
 public:
  using Answer = std::function<vfio::igb::MailboxWords(const vfio::igb::MailboxWords&)>;
  ScriptedPf(FakeVf& of, Answer with) : vf(of), answer(std::move(with)) {
    vf.on_sleep = [this] { Serve(); };
  }
  void Serve() {
    using namespace vfio::igb;
    if ((vf.pf.bar.Peek(kMbvficr) >> vf.number & 1) == 0) return;
    vf.pf.bar.Write32(kMbvficr, 1u << vf.number);
    MailboxWords words;
    for (uint32_t i = 0; i < 16; ++i) words[i] = vf.pf.bar.Peek(Mailbox(vf.number) + 4 * i);
    asked.push_back(words);
    vf.pf.bar.Write32(Pfmailbox(vf.number), kPfmailboxAcknowledge);
    if (silent) return;
    Say(answer(words));
  }
  void Say(const vfio::igb::MailboxWords& words) {
    using namespace vfio::igb;
    for (uint32_t i = 0; i < 16; ++i) vf.pf.bar.Poke(Mailbox(vf.number) + 4 * i, words[i]);
    vf.pf.bar.Write32(Pfmailbox(vf.number), kPfmailboxStatus);
  }

  FakeVf& vf;
  Answer answer;
  bool silent = false;
  std::vector<vfio::igb::MailboxWords> asked;
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_UNIT_VFIO_IGB_FAKE_VF_H_
