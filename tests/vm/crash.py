#!/usr/bin/env python3
"""vm.crash: qsplitd and its clients end by SIGKILL, and everything goes on: what was taken is served again or
given back, and what a program still holds is waited for."""
import functools
import signal
import sys

from case import check, run_each
from machine import Machine, e1000e, igb, peer
from pci import write
from served import answered, kernel_has_it, peer as peer_of, section, shown, stop, with_link
from system import SOURCE, NotReady, wait_until

MACHINE = Machine((igb("igb", wire=1), peer("peer1", wire=1), e1000e("e1000e", wire=2), peer("peer2", wire=2)))
HOLDER = SOURCE + "/tests/vm/vfio_holder.py"
RULE_MAC = "02:00:00:00:01:10"
SOFTWARE = '''
[[device]]
name = "software"
queues = 1
wire = { tap = "wire5" }
'''


answers = functools.partial(answered, pings=5, datagrams=20)


def kill(program):
    program.kill()
    program.wait()


def again(guest, text, *names):
    """The next qsplitd, after one that was killed and left these NICs to vfio-pci."""
    check("the killed qsplitd has left them to vfio-pci",
          all(guest.nic(name).driver() == "vfio-pci" for name in names))
    guest.serve(text)


def waits(guest, device, *words):
    """`qsplit device show` says what the device waits for, and nobody gets a lease of it."""
    trouble = wait_until(lambda: shown(guest, device)["trouble"])
    check(f"{device}: says what it waits for", trouble and all(str(word) in trouble for word in words), trouble)
    try:
        guest.responder(f"too-early-{device}", "10.77.1.99", 4242, device=device)
        check(f"{device}: no lease meanwhile", False, "it was served")
    except NotReady as error:
        check(f"{device}: no lease meanwhile, and it says why", "held" in error.log or "holds" in error.log, error.log)


def served_by_itself(guest, device):
    said = with_link(guest, device, 15)
    check(f"{device}: serves by itself once that program has ended", said["rx_queues"] and not said["trouble"],
          said["trouble"])


def daemon(guest):
    """qsplitd killed, its clients too: the next one serves the same functions, and gives them back as they were"""
    peers = {wire: peer_of(guest, f"peer{wire}") for wire in (1, 2)}
    text = section("direct", guest.nic("e1000e"), mode="direct") + section("pools", guest.nic("igb"), steering="pools")
    guest.serve(text)
    clients = [answers(guest, "e1000e, direct", "direct", 2, peers[2]),
               answers(guest, "igb, guarded", "pools", 1, peers[1], "--mac", RULE_MAC)]
    kill(guest.daemon)
    for client in clients:
        kill(client)
    again(guest, text, "igb", "e1000e")
    for device, driver in (("direct", "e1000e"), ("pools", "igb")):
        said = with_link(guest, device)
        check(f"{device}: nothing is left of what was before", not said["trouble"] and said["rules"] == 0 and
              said["free_rx_queues"] == said["rx_queues"] and said["pci"]["kernel_driver"] == driver, said["trouble"])
    answers(guest, "e1000e, after the crash", "direct", 2, peers[2])
    answers(guest, "igb, after the crash", "pools", 1, peers[1], "--mac", RULE_MAC)
    stop(guest, {"igb": "igb", "e1000e": "e1000e"})


def forgotten(guest):
    """qsplitd killed, and the next one has other devices: functions go back to their drivers"""
    netns = peer_of(guest, "peer2")
    guest.serve(section("direct", guest.nic("e1000e"), mode="direct"))
    client = answers(guest, "e1000e, direct", "direct", 2, netns)
    kill(guest.daemon)
    kill(client)
    again(guest, SOFTWARE, "e1000e")
    nic = guest.nic("e1000e")
    check("e1000e is with its driver", nic.driver() == "e1000e" and nic.override() is None, nic.driver())
    kernel_has_it(guest, "e1000e", netns)


def vf_of_the_kernel(guest):
    """qsplitd killed, the client of a VF lives on: the next one says so, and waits for it"""
    nic, netns = guest.nic("igb"), peer_of(guest, "peer1")
    dev = nic.netdev()
    vf = nic.set_vfs(1)[0]
    guest.call("ip", "link", "set", dev, "up")
    guest.call("ip", "link", "set", dev, "vf", "0", "mac", "02:00:00:00:02:00")
    text = section("vf", vf) + section("other", guest.nic("e1000e"))
    guest.serve(text)
    client = answers(guest, "igb VF, direct", "vf", 1, netns)
    client.send_signal(signal.SIGSTOP)  # else it ends with its qsplitd
    kill(guest.daemon)
    guest.serve(text)
    waits(guest, "vf", f"process {client.pid}", "qsplit-responde", "former qsplitd")
    answers(guest, "the other device meanwhile", "other", 2, peer_of(guest, "peer2"), "--rss")
    kill(client)
    served_by_itself(guest, "vf")
    answers(guest, "igb VF, after the crash", "vf", 1, netns)
    stop(guest, {"e1000e": "e1000e"})
    check("the VF has no driver, as before", vf.driver() is None, vf.driver())


def vf_of_ours(guest):
    """qsplitd killed, the client of a VF of its own PF lives on: the PF and the other VF serve meanwhile"""
    nic, netns = guest.nic("igb"), peer_of(guest, "peer1")
    write("/sys/module/vfio_pci/parameters/enable_sriov", "1")
    text = section("pf", nic, vfs=2) + section("vf0", vf_of="pf", vf=0) + section("vf1", vf_of="pf", vf=1)
    guest.serve(text)
    client = answers(guest, "igb VF, direct", "vf0", 1, netns)
    client.send_signal(signal.SIGSTOP)
    kill(guest.daemon)
    guest.serve(text)
    waits(guest, "vf0", f"process {client.pid}", "qsplit-responde")
    answers(guest, "igb PF meanwhile", "pf", 1, netns, "--mac", RULE_MAC, host=11)
    guest.daemon.send_signal(signal.SIGTERM)
    check("qsplitd ends by SIGTERM, and does not wait for the client", guest.daemon.wait(30) == 0)
    check("the PF stays with vfio-pci, for a VF is in use", nic.driver() == "vfio-pci" and len(nic.vfs()) == 2)
    guest.serve(text)
    answers(guest, "the other VF meanwhile", "vf1", 1, netns, host=12)
    kill(client)
    served_by_itself(guest, "vf0")
    answers(guest, "igb VF, after the crash", "vf0", 1, netns)
    stop(guest, {"igb": "igb"})


def locked_kib(program):
    """Memory that the kernel has locked for its devices."""
    with open(f"/proc/{program.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmLck:"))


def clients(guest):
    """clients killed in either mode: queues stopped, rules out, memory unmapped, and the next one is served"""
    peers = {wire: peer_of(guest, f"peer{wire}") for wire in (1, 2)}
    guest.serve(section("direct", guest.nic("e1000e"), mode="direct") +
                section("guarded", guest.nic("igb"), steering="pools"))
    for device in ("direct", "guarded"):
        with_link(guest, device)
    idle = locked_kib(guest.daemon)
    for turn in ("first", "second"):
        for device, wire, more in (("direct", 2, ()), ("guarded", 1, ("--mac", RULE_MAC))):
            client = answers(guest, f"{device}, {turn} client", device, wire, peers[wire], *more)
            check(f"{device}: its memory is locked", locked_kib(guest.daemon) > idle)
            kill(client)
            check(f"{device}: it is unmapped", wait_until(lambda: locked_kib(guest.daemon) == idle, 2),
                  f"{locked_kib(guest.daemon)} KiB, {idle} when idle")
            said = shown(guest, device)
            check(f"{device}: no rule, no queue left", said["rules"] == 0 and
                  said["free_rx_queues"] == said["rx_queues"] and said["free_tx_queues"] == said["tx_queues"])
            check(f"{device}: no lease, no region left", not guest.qsplit("lease", "list")["leases"] and
                  not guest.qsplit("region", "list")["regions"])
    stop(guest, {"igb": "igb", "e1000e": "e1000e"})


def passed_on(guest):
    """a client passed its function's descriptor on and died: the device waits for whoever has it"""
    netns = peer_of(guest, "peer2")
    guest.serve(section("direct", guest.nic("e1000e"), mode="direct"))
    client = answers(guest, "e1000e, direct", "direct", 2, netns)
    keeper = guest.start([sys.executable, HOLDER, "keep", str(client.pid)], "keeper")
    check("another process has its descriptor", wait_until(lambda: guest.log("keeper").startswith("held")),
          guest.log("keeper"))
    kill(client)
    waits(guest, "direct", "former client", "descriptor")
    kill(keeper)
    served_by_itself(guest, "direct")
    answers(guest, "e1000e, after that", "direct", 2, netns)
    stop(guest, {"e1000e": "e1000e"})


if __name__ == "__main__":
    run_each(__file__, [(MACHINE, [daemon, vf_of_the_kernel, passed_on]), (MACHINE, [clients, vf_of_ours, forgotten])],
             seconds=400)
