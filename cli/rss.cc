// qsplit rss: how traffic that no rule takes is spread over queues.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/words.h"
#include "qsplit/v1/steering.grpc.pb.h"

namespace qsplit::cli {
namespace {

constexpr uint32_t kNoQueue = 0xffffffff;
constexpr size_t kKeyBytes = 40;

void PrintRss(const v1::Rss& rss) {
  // As `ethtool -x` prints it: eight to a line, "-" is the representor.
  std::printf("RX flow hash indirection table for %s (- is the representor):\n",
              Harmless(rss.device()).c_str());
  for (int i = 0; i < rss.indirection_size(); ++i) {
    if (i % 8 == 0) std::printf("%5d:", i);
    const uint32_t queue = rss.indirection(i);
    std::printf(" %5s", queue == kNoQueue ? "-" : absl::StrCat(queue).c_str());
    if (i % 8 == 7 || i + 1 == rss.indirection_size()) std::printf("\n");
  }
  std::printf("RSS hash key:\n%s\n", Mac(rss.key()).c_str());
  if (rss.fields().empty()) return;
  std::printf(
      "Hashed (s, d: source and destination address; f, n: source and destination port):\n");
  for (const v1::RssFields& f : rss.fields()) {
    std::printf("%-6s %s\n", Word(f.flow_type()).c_str(), Harmless(f.fields()).c_str());
  }
}

absl::Status ParseKey(const std::string& text, std::string* key) {
  const std::string hex = absl::StrReplaceAll(text, {{":", ""}});
  bool good = hex.size() == 2 * kKeyBytes;
  for (const char c : hex) good = good && absl::ascii_isxdigit(static_cast<unsigned char>(c));
  if (!good) {
    return WrongWords(absl::StrCat("--hkey: '", text, "' is not ", kKeyBytes,
                                   " bytes in hexadecimal, as aa:bb:cc:…"));
  }
  *key = absl::HexStringToBytes(hex);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint32_t>> ParseQueues(const std::string& text) {
  std::vector<uint32_t> queues;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    uint32_t queue = 0;
    if (!absl::SimpleAtoi(word, &queue)) {
      return WrongWords(absl::StrCat("--queues: '", text, "' is no list of queues, as 0,1,3"));
    }
    queues.push_back(queue);
  }
  return queues;
}

struct SetOptions {
  std::string device, key, queues;
  bool reset = false;
};

absl::Status Set(Context& context, const SetOptions& set) {
  if (set.queues.empty() && set.key.empty() && !set.reset) {
    return WrongWords("nothing to set; give --queues, --default or --hkey");
  }
  v1::SetRssRequest request;
  request.set_device(set.device);
  request.set_reset(set.reset);
  if (!set.key.empty()) {
    if (auto status = ParseKey(set.key, request.mutable_key()); !status.ok()) return status;
  }
  if (!set.queues.empty()) {
    const auto table = ParseQueues(set.queues);
    if (!table.ok()) return table.status();
    // A short table is repeated over the long one.
    v1::GetRssRequest get;
    get.set_device(set.device);
    v1::GetRssResponse now;
    auto status = context.AskInSession(&now, [&](auto* rpc, auto* out) {
      return context.Stub<v1::SteeringService>()->GetRss(rpc, get, out);
    });
    if (!status.ok()) return status;
    for (int i = 0; i < now.rss().indirection_size(); ++i) {
      request.add_indirection((*table)[static_cast<size_t>(i) % table->size()]);
    }
  }
  v1::SetRssResponse response;
  auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::SteeringService>()->SetRss(rpc, request, out);
  });
  if (status.ok() && context.wants_json()) context.PrintJson(response);
  return status;
}

}  // namespace

void AddRssVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "rss", "how traffic that no rule takes is spread over queues");

  auto shown = std::make_shared<std::string>();
  AddVerb(*object, context, "show", "table, key and hashed fields", "  qsplit rss show nic0",
          [&context, shown] {
            v1::GetRssRequest request;
            request.set_device(*shown);
            v1::GetRssResponse response;
            auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::SteeringService>()->GetRss(rpc, request, out);
            });
            if (!status.ok()) return status;
            context.wants_json() ? context.PrintJson(response) : PrintRss(response.rss());
            return status;
          })
      ->add_option("DEVICE", *shown, "the device's name")
      ->required();

  auto set = std::make_shared<SetOptions>();
  CLI::App* verb = AddVerb(*object, context, "set", "change table or key (needs policy's admin)",
                           "  qsplit rss set nic0 --default\n"
                           "  qsplit rss set nic0 --queues 0,1,0,2\n"
                           "  qsplit rss set nic0 --hkey 6d:5a:56:da:…   # 40 bytes",
                           [&context, set] { return Set(context, *set); });
  verb->add_option("DEVICE", set->device, "the device's name")->required();
  auto* table = verb->add_option("--queues", set->queues,
                                 "queues for the table; a short list is repeated over it")
                    ->type_name("QUEUE,...");
  verb->add_flag("--default", set->reset, "spread evenly over all queues in RSS")->excludes(table);
  verb->add_option("--hkey", set->key, "hash key, 40 bytes in hexadecimal")->type_name("KEY");
}

}  // namespace qsplit::cli
