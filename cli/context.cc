#include "cli/context.h"

#include <google/protobuf/util/json_util.h>

#include <cstdio>

#include "absl/strings/str_cat.h"

namespace qsplit::cli {

void Context::PrintJson(const google::protobuf::Message& message) const {
  google::protobuf::util::JsonPrintOptions how;
  how.add_whitespace = pretty;
  how.always_print_primitive_fields = true;
  how.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, how).ok()) return;
  if (text.empty() || text.back() != '\n') text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

CLI::App* AddVerb(CLI::App& object, Context& context, const std::string& name,
                  const std::string& what, const std::string& examples,
                  std::function<absl::Status()> run) {
  CLI::App* verb = object.add_subcommand(name, what);
  verb->footer("Examples:\n" + examples);
  verb->callback([&context, run = std::move(run)] { context.run = run; });
  return verb;
}

CLI::App* AddObject(CLI::App& app, const std::string& name, const std::string& what) {
  CLI::App* object = app.add_subcommand(name, what);
  object->require_subcommand(1);
  object->footer(absl::StrCat("`qsplit ", name, " COMMAND --help` has examples."));
  return object;
}

}  // namespace qsplit::cli
