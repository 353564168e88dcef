// Times at which packets left, on their way from a queue's driver to the program: numbered in the
// order in which Send took the packets that asked.
//
// Private memory, all of it taken at construction; the times are whatever a device said. One
// thread, the pair's.
#ifndef QSPLIT_CLIENT_LIB_SRC_TX_TIMESTAMPS_H_
#define QSPLIT_CLIENT_LIB_SRC_TX_TIMESTAMPS_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/cache_line.h"
#include "dataplane/tx_driver.h"
#include "qsplit/tx_queue.h"

namespace qsplit::internal {

class TxTimestamps {
 public:
  // Cookies of the queue's packets are less than `cookies`.
  TxTimestamps(const dataplane::TxDriver& driver, uint32_t cookies)
      : possible_(driver.ReturnsTimes()),
        numbers_(possible_ ? cookies : 0),
        answers_(possible_ ? kRings * std::max(driver.Capacity(), kFewest) : kFewest) {}

  // Whether the device answers; else it is not asked.
  bool possible() const { return possible_; }
  // Packets on their way that asked.
  uint32_t waiting() const { return waiting_; }

  // The device has a packet that asked.
  void Asked(uint32_t cookie) {
    numbers_[cookie] = asked_++;
    ++waiting_;
  }
  // One that asked was dropped, or is on its way in a device that does not answer. Returns how many
  // answers gave way to it.
  uint32_t AskedInVain() { return Keep({asked_++, std::nullopt}); }
  // Takes all that the driver has, before cookies of packets that are back are used again. Returns
  // how many older answers gave way.
  uint32_t Collect(dataplane::TxDriver& driver);
  size_t Take(std::span<TxTimestamp> out);

 private:
  static constexpr uint32_t kFewest = 64;
  // A ring full of packets may come back before a program's next Send, and those that this one
  // sends before the program asks.
  static constexpr uint32_t kRings = 2;
  uint32_t Keep(const TxTimestamp& answer);

  const bool possible_;
  dataplane::CacheLineVector<uint64_t> numbers_;  // by cookie
  uint64_t asked_ = 0;
  uint32_t waiting_ = 0;
  dataplane::CacheLineVector<TxTimestamp> answers_;  // a ring
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_TX_TIMESTAMPS_H_
