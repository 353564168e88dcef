"""Devices of a qsplitd that programs answer on, and functions that it gives back: what several tests ask.

Wire N has the addresses 10.77.N.0/24: .1 is the kernel's peer, .2 a kernel NIC that was given back, .10 and
more are programs.
"""
import base64
import contextlib
import signal
import socket

from host_wire import echo_request
from inside import namespace
from system import check, wait_until


def section(name, nic=None, **keys):
    """A [[device]] of back end vfio, of this NIC of the guest, or as the keys say."""
    if nic is not None:
        keys["function"] = nic.address
    lines = [f'name = "{name}"', 'backend = "vfio"']
    for key, value in keys.items():
        lines.append(f"{key} = " + ({True: "true", False: "false"}[value] if isinstance(value, bool) else
                                    str(value) if isinstance(value, int) else f'"{value}"'))
    return "\n[[device]]\n" + "\n".join(lines) + "\n"


def peer(guest, name):
    """The kernel's end of the wire on which that NIC stands; its namespace."""
    return guest.kernel_peer(name, f"10.77.{guest.facts(name)['wire']}.1/24")


def shown(guest, device):
    return guest.qsplit("device", "show", device)["device"]


def with_link(guest, device, seconds=10):
    """What `qsplit device show` says once the link is up; the last answer if it does not come up."""
    last = {}

    def look():
        last.update(shown(guest, device))
        return last["link_up"]
    wait_until(look, seconds, pause_seconds=0.2)  # each look starts a program
    return last


def answered(guest, what, device, wire, netns, *more, host=10, pings=10, datagrams=50):
    """Starts the responder on the device, and checks that what the kernel in netns sends is answered."""
    address = f"10.77.{wire}.{host}"
    program = guest.responder(f"responder-{device}", address, 4242, *more, device=device)
    guest.ping(f"{what}: ping", address, netns, count=pings)
    guest.udp(f"{what}: UDP", address, 4242, netns, count=datagrams)
    return program


def echoed(guest, netns, device, address, pings):
    """Which of these pings, (MAC, bytes of data), are answered; no MAC: the device's. One that surely is follows
    them: what is a flow's is taken in order, so that when it has its answer the others have theirs or get none."""
    wire, own = guest.facts(netns)["wire"], base64.b64decode(shown(guest, device)["mac"])
    here = bytes.fromhex(guest.mac(netns).replace(":", "")), socket.inet_aton(f"10.77.{wire}.1")
    frames = [echo_request(here, (mac and bytes.fromhex(mac.replace(":", "")) or own, socket.inet_aton(address)), n,
                           size) for n, (mac, size) in enumerate([*pings, (None, 56)])]
    answered = set()
    with namespace(netns), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as line:
        line.bind((guest.netdevs[netns], 0x0800))
        line.settimeout(0.5)
        for _ in range(10):
            for frame in frames:
                line.send(frame)
            with contextlib.suppress(TimeoutError):
                while len(pings) not in answered:
                    reply = line.recv(65536)
                    if reply[26:30] == socket.inet_aton(address) and reply[34:35] == b"\0":  # an echo reply
                        answered.add(int.from_bytes(reply[40:42], "big"))
                break
    check(f"{device}: it answers pings", len(pings) in answered)
    return tuple(n in answered for n in range(len(pings)))


def stop(guest, former):
    """SIGTERM of qsplitd: each of `former`, NICs by name, is with that driver again."""
    guest.daemon.send_signal(signal.SIGTERM)
    status = guest.daemon.wait(30)
    check("qsplitd ends by SIGTERM", status == 0, f"status {status}")
    for name, driver in former.items():
        nic = guest.nic(name)
        check(f"{name} is with {driver} again", nic.driver() == driver and nic.override() is None,
              f"{nic.driver()}, override {nic.override()}")


def kernel_has_it(guest, name, netns):
    """The NIC works for the kernel: its netdev reaches the peer in netns."""
    wire = guest.facts(name)["wire"]
    guest.kernel_peer(name, f"10.77.{wire}.2/24")
    target = f"10.77.{wire}.1"
    wait_until(lambda: guest.runs(name))  # else the first question for the peer is lost, and the next takes long
    wait_until(lambda: guest.try_in(name, "ping", "-q", "-c", "1", "-W", "1", target)[0], 10)
    guest.ping(f"{name}: the kernel's netdev pings again", target, name, count=10)
