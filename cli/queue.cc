// qsplit queue: why a queue is empty, and what stands in its rings.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/context.h"
#include "cli/layout_source.h"
#include "cli/ring_text.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/words.h"
#include "qsplit/v1/queue.grpc.pb.h"

namespace qsplit::cli {
namespace {

struct Words {
  std::string device, ring, slots;
  uint32_t queue = 0;
  bool transmit = false;
};

std::string VerdictWord(v1::QueueCheckVerdict verdict) {
  if (verdict == v1::QUEUE_CHECK_VERDICT_GOOD) return "ok";
  return verdict == v1::QUEUE_CHECK_VERDICT_NOTE ? "note" : "WRONG";
}

// Between two looks at a queue.
constexpr std::chrono::milliseconds kLook(300);

// Looks twice: what comes meanwhile says more than what ever came.
absl::Status Look(Context& context, v1::ExplainQueueRequest request,
                  v1::ExplainQueueResponse* response) {
  const auto look = [&] {
    response->Clear();
    return context.AskInSession(response, [&](auto* rpc, auto* out) {
      return context.Stub<v1::QueueService>()->ExplainQueue(rpc, request, out);
    });
  };
  absl::Status status = look();
  // Of a queue that nobody has there is no more to be seen.
  if (!status.ok() || response->lease_id() == 0) return status;
  *request.mutable_since() = response->sample();
  std::this_thread::sleep_for(kLook);
  return look();
}

absl::Status Why(Context& context, const Words& words) {
  v1::ExplainQueueRequest request;
  request.set_device(words.device);
  request.set_queue(words.queue);
  request.set_transmit(words.transmit);
  v1::ExplainQueueResponse response;
  if (absl::Status status = Look(context, request, &response); !status.ok()) return status;
  response.clear_sample();  // for a third look, which nobody takes
  if (context.wants_json()) {
    context.PrintJson(response);
    return absl::OkStatus();
  }
  std::printf("%s queue %u of %s: %s\n", words.transmit ? "transmit" : "receive", words.queue,
              Harmless(words.device).c_str(), Harmless(response.answer()).c_str());
  Table table({{"WHAT"}, {""}, {"FOUND"}});
  for (const v1::QueueCheck& check : response.checks()) {
    table.Row({check.subject(), VerdictWord(check.verdict()), check.finding()});
    // What the first line says already needs no second one.
    if (context.detail && !check.remedy().empty()) table.Row({"", "", "-> " + check.remedy()});
  }
  std::printf("\n");
  table.Print();
  return absl::OkStatus();
}

// "16" or "16-31".
absl::Status ParseSlots(const std::string& text, v1::ReadQueueRequest* request) {
  if (text.empty()) return absl::OkStatus();
  const std::pair<std::string, std::string> ends = absl::StrSplit(text, absl::MaxSplits('-', 1));
  uint32_t first = 0;
  bool good = absl::SimpleAtoi(ends.first, &first);
  uint32_t last = first;
  if (absl::StrContains(text, '-')) good = good && absl::SimpleAtoi(ends.second, &last);
  if (!good || last < first || last - first == UINT32_MAX) {
    return WrongWords(absl::StrCat("--slots takes 16 or 16-31, not '", text, "'"));
  }
  request->set_first_slot(first);
  request->set_slots(last - first + 1);
  return absl::OkStatus();
}

absl::Status Dump(Context& context, const Words& words) {
  v1::ReadQueueRequest request;
  request.set_device(words.device);
  request.set_queue(words.queue);
  request.set_transmit(words.transmit);
  if (absl::Status slots = ParseSlots(words.slots, &request); !slots.ok()) return slots;
  v1::ReadQueueResponse response;
  auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::QueueService>()->ReadQueue(rpc, request, out);
  });
  if (!status.ok()) return status;
  auto layout = GetLayout(context, response.layout().name());
  if (!layout.ok()) return layout.status();
  if (!words.ring.empty()) {
    const v1::Queue* queue =
        layout->FindQueue(words.transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
    std::string names;
    auto* rings = response.mutable_rings();
    rings->erase(std::remove_if(rings->begin(), rings->end(),
                                [&](const v1::RingImage& image) {
                                  if (queue == nullptr) return true;
                                  const std::string& name =
                                      queue->rings(static_cast<int>(image.ring())).name();
                                  absl::StrAppend(&names, names.empty() ? "" : ", ", name);
                                  return name != words.ring;
                                }),
                 rings->end());
    if (rings->empty()) {
      return WrongWords(absl::StrCat("there is no ring '", words.ring, "'; there are: ", names));
    }
  }
  auto text = context.wants_json() ? RingsJson(*layout, request, response)
                                   : RingsText(*layout, request, response, context.detail);
  if (!text.ok()) return text.status();
  std::fwrite(text->data(), 1, text->size(), stdout);
  return absl::OkStatus();
}

void AddWhich(CLI::App& verb, Words& words) {
  verb.add_option("DEVICE", words.device, "the device's name")->required();
  verb.add_option("QUEUE", words.queue, "the queue's number")->required()->type_name("NUMBER");
  verb.add_flag("--tx", words.transmit, "the transmit queue, not the receive queue");
}

}  // namespace

void AddQueueVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "queue", "why a queue is empty, and what stands in its rings");

  auto why = std::make_shared<Words>();
  AddWhich(*AddVerb(*object, context, "why",
                    "walk from the wire to the queue's holder, twice in 0.3 s; say what is wrong",
                    "  qsplit queue why nic0 3\n"
                    "  qsplit queue why nic0 3 --tx\n"
                    "  qsplit -d queue why nic0 3      # with what to do about each thing",
                    [&context, why] { return Why(context, *why); }),
           *why);

  auto dump = std::make_shared<Words>();
  CLI::App* verb =
      AddVerb(*object, context, "dump", "a live ring, each descriptor read through the layout",
              "  qsplit queue dump nic0 3\n"
              "  qsplit queue dump nic0 3 --tx --ring completions --slots 0-15\n"
              "  qsplit -d queue dump nic0 3     # with the bytes\n"
              "  qsplit -j queue dump nic0 3 | jq 'select(.form == \"RxWriteBack\")'",
              [&context, dump] { return Dump(context, *dump); });
  AddWhich(*verb, *dump);
  verb->add_option("--ring", dump->ring, "only this ring, by its name in the layout");
  verb->add_option("--slots", dump->slots, "only these slots: 16, or 16-31")->type_name("RANGE");
}

}  // namespace qsplit::cli
