"""Devices of a qsplitd that programs answer on, and functions that it gives back: what several tests ask.

Wire N has the addresses 10.77.N.0/24: .1 is the kernel's peer, .2 a kernel NIC that was given back, .10 and
more are programs.
"""
import contextlib
import signal

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
    wait_until(look, seconds)
    return last


def answered(guest, what, device, wire, netns, *more, host=10, pings=10, datagrams=50):
    """Starts the responder on the device, and checks that what the kernel in netns sends is answered."""
    address = f"10.77.{wire}.{host}"
    program = guest.responder(f"responder-{device}", address, 4242, *more, device=device)
    guest.ping(f"{what}: ping", address, netns, count=pings)
    guest.udp(f"{what}: UDP", address, 4242, netns, count=datagrams)
    return program


@contextlib.contextmanager
def neighbour(guest, netns, address, mac):
    """While it lasts the kernel in netns sends what is for the address to this MAC."""
    dev = guest.netdevs[netns]
    guest.call("ip", "-n", netns, "neigh", "replace", address, "lladdr", mac, "dev", dev)
    try:
        yield
    finally:
        guest.call("ip", "-n", netns, "neigh", "del", address, "dev", dev)


def echoes(guest, netns, address, size=56):
    """Whether a ping is answered soon."""
    return guest.try_in(netns, "ping", "-q", "-c", "2", "-i", "0.1", "-W", "0.5", "-M", "do", "-s", str(size),
                        address)[0]


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
    wait_until(lambda: guest.try_in(name, "ping", "-q", "-c", "1", "-W", "1", target)[0], 10)
    guest.ping(f"{name}: the kernel's netdev pings again", target, name, count=10)
