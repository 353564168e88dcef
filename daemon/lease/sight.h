// Whose leases, regions and rules a caller may see: its own session's, with `all` those of every
// session of its uid, and with policy's admin everybody's. Plain value; any thread.
#ifndef QSPLIT_DAEMON_LEASE_SIGHT_H_
#define QSPLIT_DAEMON_LEASE_SIGHT_H_

#include <cstdint>

#include "daemon/session/session_table.h"

namespace qsplit::lease {

struct Sight {
  enum class Reach : uint8_t { kSession, kUid, kAll };

  Reach reach = Reach::kSession;
  session::SessionId session = 0;
  uint32_t uid = 0;

  bool Sees(session::SessionId other_session, uint32_t other_uid) const {
    return reach == Reach::kAll || (reach == Reach::kUid && uid == other_uid) ||
           session == other_session;
  }
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_SIGHT_H_
