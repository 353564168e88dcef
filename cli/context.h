// What every verb of `qsplit` shares: the connection, the way of printing, and how errors end.
//
// One thread. Verbs return a Status; main turns it into a line on stderr and an exit code.
#ifndef QSPLIT_CLI_CONTEXT_H_
#define QSPLIT_CLI_CONTEXT_H_

#include <google/protobuf/message.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "qsplit/rpc_session.h"

namespace qsplit::cli {

struct Context {
  // -j: JSON, one message a line. -p: JSON, indented. -d: more detail.
  bool json = false;
  bool pretty = false;
  bool detail = false;
  SessionOptions options;
  std::shared_ptr<RpcSession> rpc;
  // What the chosen verb does; set by its parser callback.
  std::function<absl::Status()> run;

  // A stub of a service, on the daemon's channel.
  template <typename Service>
  std::unique_ptr<typename Service::Stub> Stub() {
    return Service::NewStub(rpc->channel());
  }

  // One call: `call(&grpc_context, &response)`.
  template <typename Response, typename Call>
  absl::Status Ask(Response* response, Call&& call) {
    grpc::ClientContext context;
    rpc->PrepareContext(context);
    return rpc->ToStatus(std::forward<Call>(call)(&context, response));
  }

  // The same for a call that needs a session: opens one first.
  template <typename Response, typename Call>
  absl::Status AskInSession(Response* response, Call&& call) {
    if (absl::Status open = rpc->OpenSession(); !open.ok()) return open;
    return Ask(response, std::forward<Call>(call));
  }

  // Reads a stream to its end: `open(&grpc_context)` gives the reader, `each(response)` takes one.
  template <typename Response, typename Open, typename Each>
  absl::Status Follow(Open&& open, Each&& each) {
    grpc::ClientContext context;
    rpc->PrepareContext(context, absl::InfiniteDuration());
    auto reader = std::forward<Open>(open)(&context);
    Response response;
    while (reader->Read(&response)) each(response);
    return rpc->ToStatus(reader->Finish());
  }

  // Prints a message as JSON (the proto's JSON form), in the way that -j and -p ask for.
  void PrintJson(const google::protobuf::Message& message) const;
  bool wants_json() const { return json || pretty; }
};

// A verb: its help, an example that --help shows, and what it does. The caller adds options.
CLI::App* AddVerb(CLI::App& object, Context& context, const std::string& name,
                  const std::string& what, const std::string& examples,
                  std::function<absl::Status()> run);

// An object with verbs; without a verb it is a usage error.
CLI::App* AddObject(CLI::App& app, const std::string& name, const std::string& what);

// One for each object; each in a file of its own.
void AddDeviceVerbs(CLI::App& app, Context& context);
void AddLayoutVerbs(CLI::App& app, Context& context);
void AddLayoutBytesVerbs(CLI::App& object, Context& context);  // the rest of `layout`
void AddLeaseVerbs(CLI::App& app, Context& context);
void AddRegionVerbs(CLI::App& app, Context& context);
void AddRuleVerbs(CLI::App& app, Context& context);
void AddRssVerbs(CLI::App& app, Context& context);
void AddQueueVerbs(CLI::App& app, Context& context);
void AddStatsVerbs(CLI::App& app, Context& context);
void AddFaultVerbs(CLI::App& app, Context& context);
void AddPolicyVerbs(CLI::App& app, Context& context);
void AddMonitorVerb(CLI::App& app, Context& context);

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_CONTEXT_H_
