// What a driver says of itself: its name, and statistics by names of its own.
#include <linux/ethtool.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::linux_sys {
namespace {

constexpr char kStatistics[] = "statistics";
// The kernel writes as many strings and values as there are at that moment, however long the buffer
// is, and a driver has more of them when it has more queues: room for twice as many, and these.
constexpr size_t kMoreStatistics = 1024;

// From a field that is filled up with zeros, if there is room for any.
template <size_t kBytes>
std::string Text(const char (&field)[kBytes]) {
  return std::string(field, strnlen(field, kBytes));
}

}  // namespace

absl::StatusOr<DriverFacts> EthtoolLink::GetDriver() {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  if (absl::Status status = Ioctl(&info, "driver that names itself", "ETHTOOL_GDRVINFO");
      !status.ok()) {
    return status;
  }
  return DriverFacts{.driver = Text(info.driver), .bus = Text(info.bus_info)};
}

absl::StatusOr<std::vector<NicStatistic>> EthtoolLink::GetStatistics() {
  EthtoolCommand<ethtool_sset_info> sets(ETHTOOL_GSSET_INFO, sizeof(uint32_t));
  sets->sset_mask = uint64_t{1} << ETH_SS_STATS;
  if (absl::Status status = Ioctl(sets.head(), kStatistics, "ETHTOOL_GSSET_INFO"); !status.ok()) {
    return status;
  }
  const uint32_t count = sets->sset_mask != 0 ? sets->data[0] : 0;
  std::vector<NicStatistic> statistics(count);
  if (count == 0) return statistics;
  const size_t room = size_t{count} * 2 + kMoreStatistics;
  EthtoolCommand<ethtool_gstrings> names(ETHTOOL_GSTRINGS, room * ETH_GSTRING_LEN);
  names->string_set = ETH_SS_STATS;
  names->len = count;
  if (absl::Status status = Ioctl(names.head(), kStatistics, "ETHTOOL_GSTRINGS"); !status.ok()) {
    return status;
  }
  EthtoolCommand<ethtool_stats> values(ETHTOOL_GSTATS, room * sizeof(uint64_t));
  values->n_stats = count;
  if (absl::Status status = Ioctl(values.head(), kStatistics, "ETHTOOL_GSTATS"); !status.ok()) {
    return status;
  }
  if (names->len != count || values->n_stats != count) {
    return absl::UnavailableError(absl::StrCat(
        "netdev ", netdev_, ": the number of its statistics changed meanwhile; ask again"));
  }
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = reinterpret_cast<const char*>(names->data) + size_t{i} * ETH_GSTRING_LEN;
    statistics[i] = {.name = std::string(name, strnlen(name, ETH_GSTRING_LEN)),
                     .value = values->data[i]};
  }
  return statistics;
}

}  // namespace qsplit::linux_sys
