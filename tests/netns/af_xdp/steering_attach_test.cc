// The program on netdevs: which mode, whom it makes way for, what is left of it.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <csignal>
#include <thread>
#include <vector>

#include "tests/netns/af_xdp/steering_world.h"

namespace qsplit::af_xdp {
namespace {

using ::testing::HasSubstr;

std::string OutputOf(const std::string& words) {
  FILE* const pipe = ::popen(words.c_str(), "r");
  std::string out;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
  ::pclose(pipe);
  return out;
}

// What the kernel itself says of XDP on a netdev.
std::string LinkLine(const std::string& netdev = "x0") {
  return OutputOf("ip link show dev " + netdev);
}

// True once the program of this id is gone from the kernel, which takes a moment.
bool Gone(uint32_t program_id) {
  for (int i = 0; i < 2000; ++i) {
    const linux_sys::OwnedFd fd(bpf_prog_get_fd_by_id(program_id));
    if (!fd.valid()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

using SteeringAttach = SteeringWorld;

TEST_F(SteeringAttach, IsInTheDriverWhereTheDriverCanAndLeavesNothing) {
  auto program = Load();
  ASSERT_NE(program, nullptr);
  ASSERT_TRUE(program->MakeNow().ok());  // it keeps its id from now on
  const SteeringState state = program->State();
  EXPECT_TRUE(state.attached);
  EXPECT_EQ(state.mode, XdpMode::kNative);
  EXPECT_EQ(state.native_failure, "");
  EXPECT_NE(state.link_id, 0u);
  EXPECT_THAT(LinkLine(), HasSubstr("xdp"));
  EXPECT_THAT(OutputOf("bpftool link show id " + std::to_string(state.link_id)),
              HasSubstr("prog " + std::to_string(state.program_id)));
  program.reset();
  EXPECT_TRUE(Gone(state.program_id));
  EXPECT_THAT(LinkLine(), ::testing::Not(HasSubstr("xdp")));
}

// By itself, and on the same link: no packet meets a netdev without a program.
TEST_F(SteeringAttach, RulesThatStayBecomeConstantsOfAProgramOfTheirOwn) {
  const auto settles = [](const SteeringProgram& program) {
    for (int i = 0; i < 2000; ++i) {
      if (program.State().by_constants) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << program.State().made;
    return false;
  };
  auto program = Load();
  ASSERT_NE(program, nullptr);
  ASSERT_TRUE(settles(*program));
  device::FlowRule rule;
  rule.match.mask.dst_port = 0xffff;
  rule.action.queue = device::FlowAction::kDrop;
  SteeringState before;
  bool general = false;
  // Whoever is held up until a program is made for the rule asks too late, and once more.
  for (int i = 0; i < 20 && !general; ++i) {
    if (i != 0) {
      ASSERT_TRUE(program->RemoveRule(rule.location).ok());
      ASSERT_TRUE(settles(*program));
    }
    before = program->State();
    ASSERT_TRUE(program->AddRule(rule).ok());
    general = !program->State().by_constants;
  }
  EXPECT_TRUE(general) << "rules hold at once, by the general way";
  ASSERT_TRUE(settles(*program));
  const SteeringState after = program->State();
  EXPECT_NE(after.program_id, before.program_id);
  EXPECT_EQ(after.link_id, before.link_id);
  EXPECT_TRUE(after.made.ok()) << after.made;
  EXPECT_TRUE(Gone(before.program_id));
  // More than there are constants for, all at once, or some would have a program meanwhile: the one
  // that runs goes on as the general one.
  std::vector<device::FlowRule> many;
  for (uint32_t i = 0; i <= kSteeringConstantRules; ++i) {
    rule.location = i;
    rule.match.value.dst_port = static_cast<uint16_t>(i);
    many.push_back(rule);
  }
  ASSERT_TRUE(program->SetRules(many).ok());
  EXPECT_TRUE(program->MakeNow().ok());
  EXPECT_FALSE(program->State().by_constants);
  EXPECT_EQ(program->State().program_id, after.program_id);
}

// As with a netdev that is removed under the program: nothing to put it on.
TEST_F(SteeringAttach, ADetachedLinkTakesNoOtherProgramAndSaysSo) {
  auto program = Load();
  ASSERT_NE(program, nullptr);
  ASSERT_TRUE(program->MakeNow().ok());
  Shell("bpftool link detach id " + std::to_string(program->State().link_id));
  device::FlowRule rule;
  rule.action.queue = device::FlowAction::kDrop;
  ASSERT_TRUE(program->AddRule(rule).ok());
  EXPECT_FALSE(program->MakeNow().ok());
  EXPECT_FALSE(program->State().attached);
  EXPECT_FALSE(program->State().made.ok());
}

TEST_F(SteeringAttach, IsGenericWhereTheDriverHasNoXdpAndSaysSo) {
  Shell("ip link set lo up");
  auto program = Load("lo");
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(program->State().mode, XdpMode::kGeneric);
  EXPECT_EQ(program->State().native_failure, "the driver of lo has no native XDP");
  EXPECT_THAT(LinkLine("lo"), HasSubstr("xdpgeneric"));
}

TEST_F(SteeringAttach, AProgramThatIsThereStaysAndIsNamed) {
  auto first = Load();
  ASSERT_NE(first, nullptr);
  ASSERT_TRUE(first->MakeNow().ok());  // it keeps its id from now on
  const auto second = SteeringProgram::Load({.netdev = "x0", .rx_queues = kQueues});
  ASSERT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  const std::string message(second.status().message());
  EXPECT_THAT(message, HasSubstr("x0 runs XDP program 'qsplit_steering' (id " +
                                 std::to_string(first->State().program_id) + ", native mode)"));
  EXPECT_THAT(message, HasSubstr("a qsplitd that runs has the netdev; end that one first"));
  EXPECT_TRUE(first->State().attached);
}

// A program that was put there without a link: by iproute2, as administrators do.
TEST_F(SteeringAttach, AnAdministratorsProgramStaysAndIsNamed) {
  const std::string object = ::testing::TempDir() + "theirs" + std::to_string(::getpid()) + ".o";
  Shell(
      "printf '__attribute__((section(\"xdp\"), used)) int theirs(void *c) { return 2; }' | "
      "clang-14 -target bpf -O2 -g -x c -c - -o " +
      object);
  Shell("ip link set dev x0 xdpgeneric obj " + object + " sec xdp");
  ::unlink(object.c_str());
  ASSERT_THAT(LinkLine(), HasSubstr("xdpgeneric"));
  const auto program = SteeringProgram::Load({.netdev = "x0", .rx_queues = kQueues});
  ASSERT_EQ(program.status().code(), absl::StatusCode::kFailedPrecondition) << program.status();
  EXPECT_THAT(std::string(program.status().message()), HasSubstr("XDP program 'theirs' (id "));
  EXPECT_THAT(std::string(program.status().message()),
              HasSubstr("`ip link set dev x0 xdpgeneric off`"));
  EXPECT_THAT(LinkLine(), HasSubstr("xdpgeneric"));
  // What the message says to do helps.
  Shell("ip link set dev x0 xdpgeneric off");
  EXPECT_NE(Load(), nullptr);
}

TEST_F(SteeringAttach, NobodyElseDisplacesIt) {
  auto program = Load();
  ASSERT_NE(program, nullptr);
  EXPECT_NE(std::system("ip link set dev x0 xdp off 2>/dev/null"), 0);
  EXPECT_TRUE(program->State().attached);
}

TEST_F(SteeringAttach, EndsWithTheProcessThatIsKilled) {
  int to_parent[2];
  ASSERT_EQ(::pipe(to_parent), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto program = Load();
    const uint32_t id = program == nullptr ? 0 : program->State().program_id;
    if (::write(to_parent[1], &id, sizeof id) != sizeof id) ::_exit(1);
    while (true) ::pause();
  }
  uint32_t id = 0;
  ASSERT_EQ(::read(to_parent[0], &id, sizeof id), static_cast<ssize_t>(sizeof id));
  ASSERT_NE(id, 0u);
  EXPECT_THAT(LinkLine(), HasSubstr("xdp"));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(Gone(id));
  EXPECT_THAT(LinkLine(), ::testing::Not(HasSubstr("xdp")));
  EXPECT_NE(Load(), nullptr) << "the netdev is free again";
  ::close(to_parent[0]);
  ::close(to_parent[1]);
}

TEST_F(SteeringAttach, KnowsWhenSomebodyTookItOffOrTheNetdevAway) {
  auto program = Load();
  ASSERT_NE(program, nullptr);
  Shell("bpftool link detach id " + std::to_string(program->State().link_id));
  EXPECT_FALSE(program->State().attached);
  program = Load();
  ASSERT_NE(program, nullptr);
  Shell("ip link del x0");
  EXPECT_FALSE(program->State().attached);
  // It can still be spoken to, and ended.
  EXPECT_TRUE(program->SetRules({}).ok());
}

TEST_F(SteeringAttach, WorksInANamespaceThatIsNotItsCallers) {
  const std::string name = "qsx" + std::to_string(::getpid());
  Shell("ip netns add " + name + " && ip -n " + name + " link add y0 type veth peer name y1");
  auto program = SteeringProgram::Load({.netdev = "y0", .netns = name, .rx_queues = 1});
  EXPECT_TRUE(program.ok()) << program.status();
  EXPECT_THAT(OutputOf("ip -n " + name + " link show dev y0"), HasSubstr("xdp"));
  if (program.ok()) {
    EXPECT_TRUE((*program)->State().attached);
  }
  EXPECT_EQ(SteeringProgram::Load({.netdev = "y0", .rx_queues = 1}).status().code(),
            absl::StatusCode::kNotFound);
  Shell("ip netns del " + name);
}

TEST_F(SteeringAttach, KnowsWhichQueueHasASocketAndForgetsAClosedOne) {
  auto program = Load();
  ASSERT_NE(program, nullptr);
  linux_sys::OwnedFd socket = UnboundSocket();
  EXPECT_EQ(program->LookForSocket(0).value(), SocketEntry::kNone);
  ASSERT_TRUE(program->SetSocket(0, socket.get()).ok());
  ASSERT_TRUE(program->SetSocket(5, socket.get()).ok());
  EXPECT_EQ(program->LookForSocket(0).value(), SocketEntry::kOfThisQueue);
  EXPECT_EQ(program->LookForSocket(5).value(), SocketEntry::kOfAnotherQueue);
  EXPECT_EQ(program->LookForSocket(4).value(), SocketEntry::kNone);
  EXPECT_TRUE(program->ClearSocket(5).ok());
  EXPECT_TRUE(program->ClearSocket(5).ok()) << "none there";
  EXPECT_EQ(program->LookForSocket(5).value(), SocketEntry::kNone);
  socket.Reset();
  EXPECT_EQ(program->LookForSocket(0).value(), SocketEntry::kNone);
  for (const absl::Status& status :
       {program->SetSocket(kQueues, 0), program->ClearSocket(kQueues),
        program->SetQueueOwner(kQueues, 1), program->LookForSocket(kQueues).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(status.message(), "receive queue 8; the device has 8");
  }
  EXPECT_FALSE(program->SetSocket(0, 1).ok()) << "no AF_XDP socket";
}

TEST_F(SteeringAttach, RefusesRulesThatItCannotKeep) {
  auto program = Load();
  ASSERT_NE(program, nullptr);
  device::FlowRule rule;
  rule.location = 3;
  rule.action.queue = kQueues;
  EXPECT_EQ(program->AddRule(rule).code(), absl::StatusCode::kInvalidArgument);
  rule.action.queue = device::FlowAction::kPass;
  EXPECT_TRUE(program->AddRule(rule).ok());
  EXPECT_EQ(program->AddRule(rule).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(program->RemoveRule(4).code(), absl::StatusCode::kNotFound);
  const std::vector<device::FlowRule> twice = {rule, rule};
  EXPECT_EQ(program->SetRules(twice).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(program->ReadRuleCounters().size(), 1u) << "what fails changes nothing";
  EXPECT_TRUE(program->RemoveRule(3).ok());
  EXPECT_TRUE(program->ReadRuleCounters().empty());
}

}  // namespace
}  // namespace qsplit::af_xdp
