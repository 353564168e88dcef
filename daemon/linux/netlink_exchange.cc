#include "daemon/linux/netlink_exchange.h"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include <cerrno>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "daemon/linux/netns.h"

namespace qsplit::linux_sys {
namespace {

struct CallbacksFree {
  void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};

struct State {
  const std::function<void(nlmsghdr*)>& read;
  NetlinkAnswer answer;
  bool over = false;
};

int OnReply(nl_msg* message, void* of) {
  auto& state = *static_cast<State*>(of);
  if (state.read) state.read(nlmsg_hdr(message));
  return NL_OK;
}

int OnAck(nl_msg*, void* of) {
  static_cast<State*>(of)->over = true;
  return NL_STOP;
}

// Behind the error stands our request, or its header alone, and then the kernel's attributes.
std::string WordsOf(const nlmsgerr* error) {
  const auto* start = reinterpret_cast<const char*>(error) - NLMSG_HDRLEN;
  const auto* message = reinterpret_cast<const nlmsghdr*>(start);
  size_t before = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) {
    before += NLMSG_ALIGN(error->msg.nlmsg_len) - sizeof(nlmsghdr);
  }
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0 || before > message->nlmsg_len) return "";
  const nlattr* words = nla_find(reinterpret_cast<const nlattr*>(start + before),
                                 static_cast<int>(message->nlmsg_len - before), NLMSGERR_ATTR_MSG);
  if (words == nullptr) return "";
  const auto* text = static_cast<const char*>(nla_data(words));
  return std::string(text, strnlen(text, static_cast<size_t>(nla_len(words))));
}

int OnError(sockaddr_nl*, nlmsgerr* error, void* of) {
  auto& state = *static_cast<State*>(of);
  state.answer = {.error = -error->error, .kernel_says = WordsOf(error)};
  state.over = true;
  return NL_STOP;
}

}  // namespace

void NetlinkFree::operator()(nl_sock* socket) const { nl_socket_free(socket); }
void NetlinkFree::operator()(nl_msg* message) const { nlmsg_free(message); }

absl::StatusOr<NetlinkSocket> OpenNetlink(const std::string& netns, int protocol) {
  NetlinkSocket socket(nl_socket_alloc());
  if (!socket) return absl::ResourceExhaustedError("netlink: no memory for a socket");
  const absl::Status status = RunInNetns(netns, [&]() -> absl::Status {
    const int error = nl_connect(socket.get(), protocol);
    if (error == 0) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("netlink, protocol ", protocol, ": ", nl_geterror(error)));
  });
  if (!status.ok()) return status;
  nl_socket_enable_msg_peek(socket.get());  // some answers are longer than a page
  const int on = 1;
  // Without it there are no words, only numbers.
  std::ignore =
      ::setsockopt(nl_socket_get_fd(socket.get()), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  return socket;
}

NetlinkAnswer Exchange(nl_sock* socket, nl_msg* message,
                       const std::function<void(nlmsghdr*)>& read) {
  const std::unique_ptr<nl_cb, CallbacksFree> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
  if (!callbacks) return {.error = ENOMEM};
  State state{.read = read};
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, OnReply, &state);
  nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, OnAck, &state);
  nl_cb_err(callbacks.get(), NL_CB_CUSTOM, OnError, &state);
  if (const int sent = nl_send_auto(socket, message); sent < 0) {
    return {.error = EIO, .kernel_says = nl_geterror(sent)};
  }
  while (!state.over) {
    const int received = nl_recvmsgs(socket, callbacks.get());
    if (received < 0 && !state.over) return {.error = EIO, .kernel_says = nl_geterror(received)};
  }
  return state.answer;
}

}  // namespace qsplit::linux_sys
