// qsplit device: what the daemon owns.
#include <optional>
#include <string>

#include "cli/context.h"
#include "cli/device_text.h"
#include "cli/usage.h"
#include "qsplit/v1/device.grpc.pb.h"

namespace qsplit::cli {
namespace {

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
            context.wants_json() ? context.PrintJson(response) : DeviceTable(response).Print();
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
            context.wants_json() ? context.PrintJson(response)
                                 : DeviceSheet(response.device()).Print();
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
