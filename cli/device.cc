// qsplit device: what the daemon owns.
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/words.h"
#include "qsplit/v1/device.grpc.pb.h"

namespace qsplit::cli {
namespace {

std::string Queues(uint32_t free, uint32_t all) { return absl::StrCat(free, "/", all); }

void PrintDevices(const v1::ListDevicesResponse& response) {
  using enum Table::Align;
  Table table({{"DEVICE"},
               {"BACKEND"},
               {"LINK"},
               {"MAC"},
               {"MTU", kRight},
               {"RX FREE", kRight},
               {"TX FREE", kRight},
               {"RULES", kRight},
               {"WIRE"},
               {"REPRESENTOR"}});
  for (const v1::Device& d : response.devices()) {
    table.Row({d.name(), d.backend(), d.link_up() ? "up" : "down", Mac(d.mac()),
               absl::StrCat(d.mtu_bytes()), Queues(d.free_rx_queues(), d.rx_queues()),
               Queues(d.free_tx_queues(), d.tx_queues()),
               absl::StrCat(d.rules(), "/", d.rule_capacity()), d.wire(),
               d.representor().empty() ? "-" : d.representor()});
  }
  table.Print();
}

void PrintDevice(const v1::Device& d) {
  Sheet sheet;
  sheet.Line("device", d.name());
  sheet.Line("back end", d.backend());
  sheet.Line("link", absl::StrCat(d.link_up() ? "up" : "down",
                                  d.link_mbps() > 0 ? absl::StrCat(", ", d.link_mbps(), " Mbit/s")
                                                    : std::string()));
  sheet.Line("wire", d.wire());
  sheet.Line("representor", d.representor().empty() ? "none" : d.representor());
  sheet.Line("mac", Mac(d.mac()));
  sheet.Line("mtu", absl::StrCat(d.mtu_bytes(), " bytes"));
  sheet.Line("promiscuous", d.promiscuous() ? "on" : "off");
  sheet.Line("all multicast", d.all_multicast() ? "on" : "off");
  for (const std::string& address : d.multicast()) sheet.Line("multicast", Mac(address));
  sheet.Line("numa node", d.numa_node() < 0 ? "none" : absl::StrCat(d.numa_node()));
  sheet.Line("receive queues", absl::StrCat(d.free_rx_queues(), " free of ", d.rx_queues()));
  sheet.Line("transmit queues", absl::StrCat(d.free_tx_queues(), " free of ", d.tx_queues()));
  sheet.Line("slots by default", absl::StrCat(d.default_slots()));
  sheet.Line("rules", absl::StrCat(d.rules(), " of ", d.rule_capacity()));
  sheet.Line("protection",
             absl::StrJoin(d.protection_modes(), ", ", [](std::string* out, int mode) {
               *out += Word(static_cast<v1::ProtectionMode>(mode));
             }));
  sheet.Line("offloads", absl::StrJoin(d.offloads(), ", ", [](std::string* out, int offload) {
               *out += Word(static_cast<v1::Offload>(offload));
             }));
  for (const auto& layout : d.layouts()) sheet.Line("layout", Layout(layout));
  if (!d.trouble().empty()) sheet.Line("trouble", d.trouble());
  sheet.Print();
}

struct SetOptions {
  std::string device;
  std::optional<uint32_t> mtu;
  std::optional<bool> promiscuous, all_multicast;
};

}  // namespace

void AddDeviceVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "device", "devices that the daemon owns");

  AddVerb(*object, context, "list", "all devices, a line each",
          "  qsplit device list\n  qsplit -j device list | jq -r '.devices[].name'", [&context] {
            v1::ListDevicesResponse response;
            auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::DeviceService>()->ListDevices(rpc, {}, out);
            });
            if (!status.ok()) return status;
            context.wants_json() ? context.PrintJson(response) : PrintDevices(response);
            return status;
          });

  auto name = std::make_shared<std::string>();
  AddVerb(*object, context, "show", "one device in full", "  qsplit device show nic0",
          [&context, name] {
            v1::GetDeviceRequest request;
            request.set_name(*name);
            v1::GetDeviceResponse response;
            auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::DeviceService>()->GetDevice(rpc, request, out);
            });
            if (!status.ok()) return status;
            context.wants_json() ? context.PrintJson(response) : PrintDevice(response.device());
            return status;
          })
      ->add_option("DEVICE", *name, "the device's name")
      ->required();

  auto set = std::make_shared<SetOptions>();
  CLI::App* verb =
      AddVerb(*object, context, "set", "change MTU, promiscuity, multicast (needs policy's admin)",
              "  qsplit device set nic0 --mtu 9000\n  qsplit device set nic0 --promisc on",
              [&context, set] {
                if (!set->mtu && !set->promiscuous && !set->all_multicast) {
                  return WrongWords("nothing to set; give --mtu, --promisc or --allmulti");
                }
                v1::SetDeviceRequest request;
                request.set_name(set->device);
                if (set->mtu) request.set_mtu_bytes(*set->mtu);
                if (set->promiscuous) request.set_promiscuous(*set->promiscuous);
                if (set->all_multicast) request.set_all_multicast(*set->all_multicast);
                v1::SetDeviceResponse response;
                auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
                  return context.Stub<v1::DeviceService>()->SetDevice(rpc, request, out);
                });
                if (status.ok() && context.wants_json()) context.PrintJson(response);
                return status;
              });
  verb->add_option("DEVICE", set->device, "the device's name")->required();
  verb->add_option("--mtu", set->mtu, "largest payload of a frame in bytes")->type_name("BYTES");
  verb->add_option("--promisc", set->promiscuous, "take every frame")->type_name("on|off");
  verb->add_option("--allmulti", set->all_multicast, "take every multicast frame")
      ->type_name("on|off");
}

}  // namespace qsplit::cli
