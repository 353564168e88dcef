// qsplit stats: counters of a device and of its queues, once or again and again.
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/words.h"
#include "google/protobuf/descriptor.h"
#include "qsplit/v1/stats.grpc.pb.h"

namespace qsplit::cli {
namespace {

uint64_t Drops(const v1::QueueStats& q) {
  return q.drops_no_descriptor() + q.drops_too_long() + q.drops_down() + q.drops_injected() +
         q.drops_source();
}

std::string QueueName(const v1::QueueStats& q) {
  return absl::StrCat(q.transmit() ? "tx " : "rx ", q.queue());
}

// Every number of a message as a line of `ethtool -S`: prefix_field: value.
void PrintCounters(const std::string& prefix, const google::protobuf::Message& message) {
  const auto* reflection = message.GetReflection();
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    if (field->is_repeated() ||
        field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_UINT64 ||
        field->name() == "time_ns" || field->name() == "lease_id") {
      continue;
    }
    std::printf("     %s%s: %lu\n", prefix.c_str(), field->name().c_str(),
                reflection->GetUInt64(message, field));
  }
}

void PrintStats(const v1::DeviceStats& stats, bool detail) {
  if (detail) {
    std::printf("NIC statistics:\n");
    PrintCounters("", stats);
    for (const v1::NamedCounter& counter : stats.more()) {
      std::printf("     %s: %lu\n", Harmless(counter.name()).c_str(), counter.value());
    }
    for (const v1::QueueStats& q : stats.queues()) {
      PrintCounters(absl::StrCat(q.transmit() ? "tx" : "rx", "_queue_", q.queue(), "_"), q);
    }
    return;
  }
  Sheet sheet;
  sheet.Line("device", stats.device());
  sheet.Line("from the wire",
             absl::StrCat("packets ", stats.wire_rx_packets(), ", bytes ", stats.wire_rx_bytes()));
  sheet.Line("to the wire",
             absl::StrCat("packets ", stats.wire_tx_packets(), ", bytes ", stats.wire_tx_bytes()));
  sheet.Line("representor", absl::StrCat("packets to it ", stats.representor_rx_packets(),
                                         ", from it ", stats.representor_tx_packets()));
  sheet.Line("dropped",
             absl::StrCat("rule ", stats.drops_rule(), ", MAC filter ", stats.drops_mac_filter(),
                          ", malformed ", stats.drops_malformed(), ", wire ", stats.drops_wire(),
                          ", representor ", stats.drops_representor()));
  if (stats.more_size() > 0) {
    sheet.Line("of this kind",
               absl::StrJoin(stats.more(), ", ", [](std::string* out, const auto& c) {
                 absl::StrAppend(out, c.name(), " ", c.value());
               }));
  }
  sheet.Print();
  using enum Table::Align;
  Table table({{"QUEUE"},
               {"LEASE", kRight},
               {"PACKETS", kRight},
               {"BYTES", kRight},
               {"DROPS", kRight},
               {"NO DESC", kRight},
               {"FAULTS", kRight},
               {"BAD CSUM", kRight},
               {"EVENTS", kRight},
               {"WAKEUPS", kRight}});
  for (const v1::QueueStats& q : stats.queues()) {
    if (q.lease_id() == 0 && q.packets() == 0 && Drops(q) == 0 && q.faults() == 0) continue;
    table.Row({QueueName(q), q.lease_id() == 0 ? "-" : absl::StrCat(q.lease_id()),
               absl::StrCat(q.packets()), absl::StrCat(q.bytes()), absl::StrCat(Drops(q)),
               absl::StrCat(q.drops_no_descriptor()), absl::StrCat(q.faults()),
               absl::StrCat(q.checksum_errors()), absl::StrCat(q.events()),
               absl::StrCat(q.wakeups())});
  }
  if (!table.empty()) table.Print();
}

// Rates between two readings of the queues that moved.
void PrintRates(const v1::DeviceStats& before, const v1::DeviceStats& now) {
  const double seconds = static_cast<double>(now.time_ns() - before.time_ns()) / 1e9;
  if (seconds <= 0) return;
  std::map<std::pair<bool, uint32_t>, const v1::QueueStats*> old;
  for (const v1::QueueStats& q : before.queues()) old[{q.transmit(), q.queue()}] = &q;
  using enum Table::Align;
  Table table({{"QUEUE"},
               {"LEASE", kRight},
               {"PACKETS/S", kRight},
               {"BIT/S", kRight},
               {"DROPS/S", kRight},
               {"FAULTS", kRight}});
  const auto rate = [&](uint64_t later, uint64_t earlier) {
    // Less than before: the queue has changed hands, and its counters began anew.
    return Rate(static_cast<double>(later >= earlier ? later - earlier : later) / seconds);
  };
  for (const v1::QueueStats& q : now.queues()) {
    const auto it = old.find({q.transmit(), q.queue()});
    if (it == old.end()) continue;
    const v1::QueueStats& was = *it->second;
    if (q.lease_id() == 0 && q.packets() == was.packets() && Drops(q) == Drops(was)) continue;
    table.Row({QueueName(q), q.lease_id() == 0 ? "-" : absl::StrCat(q.lease_id()),
               rate(q.packets(), was.packets()), rate(8 * q.bytes(), 8 * was.bytes()),
               rate(Drops(q), Drops(was)), absl::StrCat(q.faults())});
  }
  std::printf("%s: wire in %s packets/s, out %s packets/s\n", Harmless(now.device()).c_str(),
              rate(now.wire_rx_packets(), before.wire_rx_packets()).c_str(),
              rate(now.wire_tx_packets(), before.wire_tx_packets()).c_str());
  if (!table.empty()) table.Print();
  std::printf("\n");
  std::fflush(stdout);
}

struct WatchOptions {
  std::string device;
  std::string interval = "1s";
  uint32_t count = 0;
};

absl::Status Watch(Context& context, const WatchOptions& watch) {
  const auto interval =
      DurationOption("--interval", watch.interval, absl::Milliseconds(10), absl::Hours(1));
  if (!interval.ok()) return interval.status();
  v1::WatchStatsRequest request;
  request.set_device(watch.device);
  request.set_interval_ns(static_cast<uint64_t>(absl::ToInt64Nanoseconds(*interval)));
  std::optional<v1::DeviceStats> before;
  uint32_t shown = 0;
  grpc::ClientContext rpc;
  context.rpc->PrepareContext(rpc, absl::InfiniteDuration());
  auto reader = context.Stub<v1::StatsService>()->WatchStats(&rpc, request);
  v1::WatchStatsResponse response;
  while (reader->Read(&response)) {
    if (context.wants_json()) {
      context.PrintJson(response);
      ++shown;
    } else if (before) {
      PrintRates(*before, response.stats());
      ++shown;
    }
    before = response.stats();
    if ((watch.count != 0 && shown == watch.count) || std::ferror(stdout) != 0) {
      rpc.TryCancel();
      reader->Finish();
      return absl::OkStatus();
    }
  }
  return context.rpc->ToStatus(reader->Finish());
}

}  // namespace

void AddStatsVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "stats", "counters of devices and queues");

  auto shown = std::make_shared<std::string>();
  AddVerb(*object, context, "show", "counters of a device and its queues; -d: all of them",
          "  qsplit stats show nic0\n  qsplit -d stats show nic0   # in ethtool -S's words",
          [&context, shown] {
            if (auto open = context.rpc->OpenSession(); !open.ok()) return open;
            v1::GetStatsRequest request;
            request.set_device(*shown);
            v1::GetStatsResponse response;
            auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::StatsService>()->GetStats(rpc, request, out);
            });
            if (!status.ok()) return status;
            context.wants_json() ? context.PrintJson(response)
                                 : PrintStats(response.stats(), context.detail);
            return status;
          })
      ->add_option("DEVICE", *shown, "the device's name")
      ->required();

  auto watch = std::make_shared<WatchOptions>();
  CLI::App* verb = AddVerb(*object, context, "watch", "rates, again and again until interrupted",
                           "  qsplit stats watch nic0\n"
                           "  qsplit stats watch nic0 --interval 200ms --count 5\n"
                           "  qsplit -j stats watch nic0 | jq .stats.wire_rx_packets",
                           [&context, watch] {
                             if (auto open = context.rpc->OpenSession(); !open.ok()) return open;
                             return Watch(context, *watch);
                           });
  verb->add_option("DEVICE", watch->device, "the device's name")->required();
  verb->add_option("--interval", watch->interval, "time between two readings, 10ms to 1h")
      ->capture_default_str()
      ->type_name("TIME");
  verb->add_option("--count", watch->count, "how many; without it until interrupted")
      ->type_name("NUMBER");
}

}  // namespace qsplit::cli
