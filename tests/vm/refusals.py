#!/usr/bin/env python3
"""vm.refusals: functions that qsplitd must not or cannot take. It starts all the same, says of each what is
wrong in words, and serves the rest."""
import sys

from case import check, run_each
from machine import Machine, e1000e, igb, peer, virtio, vmxnet3
from pci import write
from served import answered, peer as peer_of, section, shown, stop, with_link
from system import BIN, SOURCE, NotReady, wait_until

TOKEN, OTHER_TOKEN = (f"bd8d9d2b-5a5f-4f5a-a211-f591514ba1f{digit}" for digit in "34")
HOLDER = SOURCE + "/tests/vm/vfio_holder.py"
SOFTWARE = '''
[[device]]
name = "good"
queues = 1
mac = "02:00:00:00:00:05"
wire = { tap = "wire5", netns = "wire5" }
'''


def refused(guest, device, *words):
    """`qsplit device list` and `show` have it as unusable, and say why with these words."""
    said = shown(guest, device)
    check(f"{device}: cannot be used", said["rx_queues"] == said["tx_queues"] == 0 and not said["link_up"])
    check(f"{device}: says why", all(word in said["trouble"] for word in words), said["trouble"])


def held(guest, name, *words):
    """Starts another program that holds a function, and waits until it does."""
    program = guest.start([sys.executable, HOLDER, *words], name)
    check(f"{name}: another program holds it", wait_until(lambda: guest.log(name).startswith("held")),
          guest.log(name))
    return program


def software_serves(guest):
    guest.call("ip", "-n", "wire5", "addr", "add", "10.77.5.1/24", "dev", "wire5")
    guest.call("ip", "-n", "wire5", "link", "set", "wire5", "up")
    answered(guest, "the other device", "good", 5, "wire5", "--arp", pings=5, datagrams=20)


def no_iommu(guest):
    """no IOMMU"""
    nic = guest.nic("nic")
    guest.namespace("wire5")
    guest.serve(section("nic", nic) + SOFTWARE)
    refused(guest, "nic", "no IOMMU translates its DMA", "intel_iommu=on")
    check("it is with its driver", nic.driver() == "e1000e")
    software_serves(guest)


def no_interrupt_remapping(guest):
    """no interrupt remapping"""
    nic = guest.nic("nic")
    guest.namespace("wire5")
    guest.serve(section("nic", nic) + SOFTWARE)
    refused(guest, "nic", "no interrupt remapping", "intremap=off")
    check("it is with its driver again", nic.driver() == "e1000e", nic.driver())
    software_serves(guest)


def many(guest):
    """a group that is not ours alone, a held function, a VF without its token, a netdev in use, no driver"""
    netns = peer_of(guest, "peer1")
    grouped, pf = guest.nic("grouped"), guest.nic("pf")
    vfs = grouped.set_vfs(1)
    # The PF of another program, and a VF that wants that program's token.
    write("/sys/module/vfio_pci/parameters/enable_sriov", "1")
    pf.bind("vfio-pci")
    held(guest, "pf-holder", "open", pf.address, str(pf.group()), TOKEN)
    tokenless = pf.set_vfs(2)
    busy = guest.nic("busy")
    busy.bind("vfio-pci")
    holder = held(guest, "busy-holder", "open", busy.address, str(busy.group()))
    active, routed = guest.nic("active").netdev(), guest.nic("routed").netdev()
    for words in (f"addr add 192.0.2.1/24 dev {active}", f"link set {active} up", f"link set {routed} up",
                  f"addr add 198.51.100.1/24 dev {routed}", f"route add default via 198.51.100.2 dev {routed}"):
        guest.call("ip", *words.split())
    devices = {
        "grouped": section("grouped", vfs[0]), "tokenless": section("tokenless", tokenless[0]),
        "mistaken": section("mistaken", tokenless[1], vf_token=OTHER_TOKEN),
        "busy": section("busy", busy), "active": section("active", netdev=active),
        "routed": section("routed", netdev=routed), "strange": section("strange", guest.nic("strange")),
        "legacy": section("legacy", guest.nic("legacy")), "gone": section("gone", function="0000:7f:00.0"),
        "nowhere": section("nowhere", netdev="nowhere0"), "orphan": section("orphan", vf_of="pfless", vf=0),
        "pfless": section("pfless", pf, vfs=1),
    }
    untouched = ("active", "routed", "strange", "legacy")
    before = [guest.nic(name).driver() for name in untouched] + [vf.driver() for vf in vfs]
    guest.serve("".join(devices.values()) + section("good", guest.nic("good")))
    lines = guest.qsplit_text("device", "list").splitlines()
    check("`qsplit device list` calls them unusable",
          all(any(line.startswith(name) and "unusable" in line for line in lines) for name in devices))
    sheet = guest.qsplit_text("device", "show", "busy")
    check("`qsplit device show` says that it cannot be used", "cannot be used" in sheet and "iommu group" in sheet)
    refused(guest, "grouped", "others in group", f"{grouped.address} (driver igb)", "ACS")
    refused(guest, "tokenless", "VF token", "none is given")
    refused(guest, "mistaken", "VF token", "this is not it")
    refused(guest, "busy", "still held by", f"/dev/vfio/{busy.group()}")
    refused(guest, "active", f"netdev {active}", "carries address 192.0.2.1/24", "allow_active = true")
    refused(guest, "routed", f"netdev {routed}", "default route", "allow_active = true")
    refused(guest, "strange", "there is no driver for it")
    refused(guest, "legacy", "VIRTIO_F_ACCESS_PLATFORM", "past the IOMMU")
    refused(guest, "gone", "0000:7f:00.0")
    refused(guest, "nowhere", "nowhere0")
    refused(guest, "pfless", "still held by")
    refused(guest, "orphan", "its PF, device 'pfless', cannot be used")
    answered(guest, "the other device", "good", 1, netns, pings=5, datagrams=20)
    check("what was refused is as it was",
          [guest.nic(name).driver() for name in untouched] + [vf.driver() for vf in vfs] == before)
    check("what waits for its token stays with vfio-pci", [vf.driver() for vf in tokenless] == ["vfio-pci"] * 2)
    holder.kill()
    holder.wait()
    said = with_link(guest, "busy")
    check("busy: can be used once its holder has ended", said["rx_queues"] and not said["trouble"], said["trouble"])
    stop(guest, {"good": "virtio-pci"})
    guest.configure("".join(section(name, netdev=dev, allow_active=True)
                            for name, dev in (("active", active), ("routed", routed))) + guest.tenant + 'steer="any"')
    guest.start_daemon()
    for name in ("active", "routed"):
        said = with_link(guest, name)
        check(f"{name}: taken with allow_active", said["rx_queues"] and not said["trouble"], said["trouble"])
    stop(guest, {"active": "e1000e", "routed": "e1000e"})


def token_comes_late(guest):
    """a VF whose token is the right one only once another program has its PF"""
    pf = guest.nic("pf")
    write("/sys/module/vfio_pci/parameters/enable_sriov", "1")
    pf.bind("vfio-pci")
    holder = held(guest, "first-holder", "open", pf.address, str(pf.group()), TOKEN)
    vf = pf.set_vfs(1)[0]
    before = vf.driver()
    guest.serve(section("early", vf, vf_token=OTHER_TOKEN))
    refused(guest, "early", "VF token", "this is not it")
    holder.kill()
    holder.wait()
    held(guest, "second-holder", "open", pf.address, str(pf.group()), OTHER_TOKEN)
    # That program has no driver that would answer the VF.
    check("early: is opened once its token is right",
          wait_until(lambda: "VF token" not in shown(guest, "early")["trouble"]), shown(guest, "early")["trouble"])
    stop(guest, {})
    check("early: its VF is as it was", vf.driver() == before, vf.driver())


def does_not_let_go(guest):
    """a kernel's driver that does not let go of its function, for somebody holds a VF of it"""
    netns = peer_of(guest, "peer1")
    pf = guest.nic("pf")
    pf.to_kernel()
    vf = pf.set_vfs(1)[0]
    vf.bind("vfio-pci")
    holder = held(guest, "vf-holder", "open", vf.address, str(vf.group()))
    guest.serve(section("stuck", pf, allow_active=True) + section("good", guest.nic("good")))
    refused(guest, "stuck", "driver igb does not let go", pf.address)
    answered(guest, "the other device", "good", 1, netns, pings=5, datagrams=20)
    holder.kill()
    holder.wait()
    said = with_link(guest, "stuck")
    check("stuck: can be used once the driver has let go", said["rx_queues"] and not said["trouble"], said["trouble"])
    stop(guest, {"pf": "igb", "good": "virtio-pci"})


def limits(guest):
    """memory that may be locked, and entries of the IOMMU: the limit has its name in the error"""
    netns = peer_of(guest, "peer1")
    nic = guest.nic("active")
    entries = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"
    sections = section("nic", nic, mode="direct") + section("good", guest.nic("good"))
    write(entries, "1")
    try:
        guest.serve(sections)
        error = not_served(guest, "nic")
        check("too many mappings: names dma_entry_limit", "dma_entry_limit 1" in error, error)
        stop(guest, {"active": "e1000e"})
    finally:
        write(entries, "65535")
    guest.configure(sections + guest.tenant + 'steer = "any"')
    limit = 1 << 20
    guest.daemon = guest.await_ready(
        ["prlimit", f"--memlock={limit}", "setpriv", "--bounding-set=-ipc_lock", BIN + "/qsplitd", "--config",
         guest.dir + "/qsplitd.toml"], "qsplitd")
    error = not_served(guest, "nic", "--queues", "2")
    check("too much memory: names RLIMIT_MEMLOCK", f"RLIMIT_MEMLOCK lets the daemon lock ({limit} bytes" in error,
          error)
    stop(guest, {"active": "e1000e", "good": "virtio-pci"})


def not_served(guest, device, *more):
    try:
        guest.responder(f"responder-{device}", "10.77.1.10", 4242, *more, device=device)
    except NotReady as error:
        return error.log
    return "it was served"


BOOTS = [
    (Machine((igb("grouped", wire=2, port=("disable-acs=on",)), igb("pf", wire=3), e1000e("busy", wire=4),
              e1000e("active", wire=5), e1000e("routed", wire=6), vmxnet3("strange", wire=7),
              peer("legacy", wire=8), virtio("good", wire=1), peer("peer1", wire=1))),
     [many, token_comes_late, does_not_let_go, limits]),
    (Machine((e1000e("nic", wire=1),), interrupt_remapping=False), [no_interrupt_remapping]),
    (Machine((e1000e("nic", wire=1),), iommu=False), [no_iommu]),
]

if __name__ == "__main__":
    run_each(__file__, BOOTS, seconds=300)
