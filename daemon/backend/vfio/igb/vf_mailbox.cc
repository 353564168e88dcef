#include "daemon/backend/vfio/igb/vf_mailbox.h"

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

constexpr uint32_t kClearedByReading =
    kVfmailboxPfMessage | kVfmailboxPfAcknowledged | kVfmailboxPfResetDone;
constexpr absl::Duration kPollInterval = absl::Microseconds(200);

}  // namespace

void VfMailbox::Start(RegisterWindow& registers) {
  registers.Read32(kVfmailbox);
  seen_ = 0;
}

uint32_t VfMailbox::ReadFlags(const RegisterWindow& registers) {
  const uint32_t flags = registers.Read32(kVfmailbox);
  if (flags == kGone) return 0;
  seen_ |= flags & kClearedByReading;
  return flags | seen_;
}

bool VfMailbox::TakeFlag(const RegisterWindow& registers, uint32_t flag) {
  const bool set = (ReadFlags(registers) & flag) != 0;
  seen_ &= ~flag;
  return set;
}

bool VfMailbox::WaitForFlag(const RegisterWindow& registers, uint32_t flag, absl::Time deadline) {
  while (!TakeFlag(registers, flag)) {
    if (function_.Now() >= deadline) return false;
    function_.Sleep(kPollInterval);
  }
  return true;
}

bool VfMailbox::Lock(RegisterWindow& registers, absl::Time deadline) {
  while (true) {
    registers.Write32(kVfmailbox, kVfmailboxVfOwns);
    if ((ReadFlags(registers) & kVfmailboxVfOwns) != 0) return true;
    if (function_.Now() >= deadline) return false;
    function_.Sleep(kPollInterval);
  }
}

MailboxWords VfMailbox::ReadLocked(RegisterWindow& registers) {
  MailboxWords words;
  for (uint32_t i = 0; i < words.size(); ++i) words[i] = registers.Read32(Mailbox(0) + 4 * i);
  registers.Write32(kVfmailbox, kVfmailboxAcknowledge);  // gives the lock back as well
  return words;
}

absl::StatusOr<MailboxWords> VfMailbox::Ask(RegisterWindow& registers, const MailboxWords& question,
                                            absl::Time deadline) {
  const uint32_t kind = question[0] & kMessageKindMask;
  const auto no_answer = [&](const char* what) {
    return absl::UnavailableError(absl::StrCat("mailbox: the PF ", what, " (message 0x",
                                               absl::Hex(question[0]), "); does a driver run it?"));
  };
  if (!Lock(registers, deadline)) return no_answer("does not let go of it");
  // What it said before is about to be overwritten.
  TakeFlag(registers, kVfmailboxPfMessage);
  TakeFlag(registers, kVfmailboxPfAcknowledged);
  for (uint32_t i = 0; i < question.size(); ++i) {
    registers.Write32(Mailbox(0) + 4 * i, question[i]);
  }
  registers.Write32(kVfmailbox, kVfmailboxRequest);  // gives the lock back as well
  if (!WaitForFlag(registers, kVfmailboxPfAcknowledged, deadline)) {
    return no_answer("does not read it");
  }
  // Between question and answer the PF may say something of its own, as that the link has changed.
  while (WaitForFlag(registers, kVfmailboxPfMessage, deadline)) {
    if (!Lock(registers, deadline)) break;
    const MailboxWords answer = ReadLocked(registers);
    const bool answers = (answer[0] & (kMessageAck | kMessageNack)) != 0;
    if (answers && (answer[0] & kMessageKindMask) == kind) return answer;
  }
  return no_answer("does not answer");
}

std::optional<MailboxWords> VfMailbox::TakeMessage(RegisterWindow& registers) {
  if ((ReadFlags(registers) & kVfmailboxPfMessage) == 0) return std::nullopt;
  if (!Lock(registers, function_.Now())) return std::nullopt;  // later, then
  seen_ &= ~kVfmailboxPfMessage;
  return ReadLocked(registers);
}

bool VfMailbox::PfInReset(const RegisterWindow& registers) {
  return (ReadFlags(registers) & kVfmailboxPfInReset) != 0;
}

bool VfMailbox::TakePfResetDone(const RegisterWindow& registers) {
  return TakeFlag(registers, kVfmailboxPfResetDone);
}

}  // namespace qsplit::vfio::igb
