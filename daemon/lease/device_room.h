// A device and all that the broker keeps about it: who holds which queue, which rules stand, what
// its layouts offer, and the thread that makes its slow calls. Private to daemon/lease.
//
// The broker's lock guards all of it but the thread, whose jobs take that lock themselves.
#ifndef QSPLIT_DAEMON_LEASE_DEVICE_ROOM_H_
#define QSPLIT_DAEMON_LEASE_DEVICE_ROOM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "daemon/device/device.h"
#include "daemon/lease/job_thread.h"
#include "daemon/lease/layout_offer.h"
#include "daemon/steering/rule_table.h"

namespace qsplit::lease {

using device::LeaseId;

struct DeviceRoom {
  explicit DeviceRoom(std::shared_ptr<device::Device> tenant) { Seat(std::move(tenant)); }

  // The room is this device's from now on; nothing is leased.
  void Seat(std::shared_ptr<device::Device> tenant);

  const std::string& name() const { return device->info().name; }
  // Some lease holds a queue of it.
  bool Leased() const;
  // Queues that no new lease can have: leased, or an operator's rule sends to it, or the device is
  // leased whole.
  std::vector<bool> RxTaken() const;
  std::vector<bool> TxTaken() const;
  // The lease has its queues from now on; none has them any more.
  void Take(const device::QueueRequest& queues);
  void GiveBack(LeaseId lease);
  // The queue of that number, of either direction, could not be had: until then it is a lease's
  // last choice, and does not count as free.
  void Avoid(uint32_t queue, absl::Time until) { avoided_until[queue] = until; }
  std::vector<bool> Avoided(absl::Time now) const;
  // Adds how many leased queues each thread of its worker works for.
  void CountByThread(std::vector<uint32_t>* leased) const;
  // The lease of these queues and regions has been closed.
  void NoteFormer(const std::string& tenant, const device::QueueRequest& queues);
  // How many queues are free; none of them is to be avoided.
  uint32_t FreeRx(absl::Time now) const { return Free(RxTaken(), now); }
  uint32_t FreeTx(absl::Time now) const { return Free(TxTaken(), now); }
  // Lets the counters of these queues begin at `now`.
  void Rebase(const device::QueueRequest& queues, const device::DeviceCounters& now);

  std::shared_ptr<device::Device> device;
  std::vector<LayoutOffer> offers;  // one for each layout of the device
  steering::RuleTable rules{0};
  std::vector<LeaseId> rx_holder;  // by queue; 0: free
  std::vector<LeaseId> tx_holder;
  // The device's counters when each queue last changed hands: what a former holder's traffic was is
  // not told to the next.
  std::vector<device::QueueCounters> rx_base, tx_base;
  std::map<uint32_t, absl::Time> avoided_until;
  // Whose the lease was that was closed last, of a queue; what that tenant keeps counts as his.
  struct Former {
    std::string tenant;
    LeaseId lease = 0;
    uint64_t pinned_bytes = 0;  // the lease's
    bool rx = false;
    bool tx = false;
  };
  std::map<uint32_t, Former> former;
  // Leases that the thread is to close; one that the device is too busy for holds up the rest, for
  // each may take its time to say so.
  uint32_t closings = 0;
  bool busy = false;
  std::unique_ptr<JobThread> jobs = std::make_unique<JobThread>();

 private:
  std::vector<bool> Taken(const std::vector<LeaseId>& holders) const;
  uint32_t Free(const std::vector<bool>& taken, absl::Time now) const;
};

// What was counted since `base`.
device::QueueCounters Since(const device::QueueCounters& now, const device::QueueCounters& base);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_DEVICE_ROOM_H_
