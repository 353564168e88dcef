// The VF's end of the mailbox that it shares with its PF: one question, one answer.
//
//   VF: lock │ words │ REQ ──► PF reads, ACKs ──► PF: lock │ words │ STS ──► VF: lock │ reads │ ACK
//
// 7.10, 8.26 (VMailbox, VMBMEM). The flags that tell of the PF clear when they are read, so
// those that were seen and not yet used are kept here. What the PF writes is believed no further
// than an answer's shape; the PF may also be gone. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_MAILBOX_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_MAILBOX_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/vf_message.h"

namespace qsplit::vfio::igb {

class VfMailbox {
 public:
  explicit VfMailbox(FunctionAccess& function) : function_(function) {}

  // Forgets what was seen; after a reset of the VF.
  void Start(RegisterWindow& registers);

  // Asks, and waits for the answer of the same kind until `deadline`. UNAVAILABLE: none came.
  absl::StatusOr<MailboxWords> Ask(RegisterWindow& registers, const MailboxWords& question,
                                   absl::Time deadline);
  // A message of the PF's own accord; does not wait.
  std::optional<MailboxWords> TakeMessage(RegisterWindow& registers);

  bool PfInReset(const RegisterWindow& registers);
  // Whether the PF has come out of a reset since this was last asked.
  bool TakePfResetDone(const RegisterWindow& registers);

 private:
  uint32_t ReadFlags(const RegisterWindow& registers);
  bool TakeFlag(const RegisterWindow& registers, uint32_t flag);
  bool WaitForFlag(const RegisterWindow& registers, uint32_t flag, absl::Time deadline);
  bool Lock(RegisterWindow& registers, absl::Time deadline);
  MailboxWords ReadLocked(RegisterWindow& registers);

  FunctionAccess& function_;
  uint32_t seen_ = 0;
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_MAILBOX_H_
