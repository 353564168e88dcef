#!/usr/bin/env python3
"""vm.responder: one program, the same for all, without any privilege, answers the kernel's ping and UDP on
every device and in every mode; then its function is the kernel's again."""
import base64
import re
import signal
import subprocess

from case import check, run_each
from machine import Machine, e1000e, igb, peer, virtio
from pci import write
from rogue import Rogue
from served import answered, echoed, kernel_has_it, section, shown, stop, with_link
import served

SOFTWARE = '''
[[device]]
name = "software"
queues = 1
mac = "02:00:00:00:00:05"
wire = { tap = "wire5", netns = "wire5" }
'''


def plausible(guest, device, nic, mode, mac=None, driver=None):
    """What `qsplit device show` says of a PCI function."""
    said = with_link(guest, device)
    check(f"{device}: the link is up", said["link_up"], f"{said['link_mbps']} Mbit/s")
    check(f"{device}: nothing holds it back", not said["trouble"], said["trouble"])
    if mac:
        check(f"{device}: its address", said["mac"] == encoded(mac), said["mac"])
    pci = said["pci"]
    check(f"{device}: function, group, mode", (pci["address"], pci["iommu_group"], pci["mode"]) ==
          (nic.address, nic.group(), mode), pci)
    if driver:
        check(f"{device}: the driver that it had", pci["kernel_driver"] == driver, pci["kernel_driver"])
    return said


def encoded(mac):
    """As JSON has bytes."""
    return base64.b64encode(bytes.fromhex(mac.replace(":", ""))).decode()


def counted(guest, device, by_queues=True, sent=60):
    """`qsplit stats show` has what the responder was sent and answered: of each queue, or of the wire alone."""
    stats = guest.qsplit("stats", "show", device)["stats"]
    seen = {"received": int(stats["wire_rx_packets"]), "sent": int(stats["wire_tx_packets"])}
    if by_queues:
        seen = {way: sum(int(queue["packets"]) for queue in stats["queues"] if queue["transmit"] is transmit)
                for way, transmit in (("received", False), ("sent", True))}
    check(f"{device}: counted", all(count >= sent for count in seen.values()), seen)


def why(guest, device, queue=0):
    """What `qsplit queue why` says of a receive queue: its line, the verdicts and the findings by subject."""
    said = guest.qsplit("queue", "why", device, str(queue))
    return (said["answer"], {c["subject"]: c["verdict"].rsplit("_", 1)[1] for c in said["checks"]},
            {c["subject"]: c["finding"] for c in said["checks"]})


def received(guest, device):
    """How many packets each receive queue had."""
    return {queue["queue"]: int(queue["packets"]) for queue in guest.qsplit("stats", "show", device)["stats"]["queues"]
            if not queue["transmit"]}


def explained(guest, device, program, address, netns):
    """Nothing is wrong with a queue that works; its ring is decoded as it stands; a stopped program is named."""
    before = received(guest, device)
    guest.ping(f"{device}: it still answers", address, netns, count=10)
    after = received(guest, device)
    queue = max(after, key=lambda one: after[one] - before[one])
    # The 82574 counts nothing for a queue.
    goes = "went through it in" if after[queue] > before[queue] else "its program has taken packets"
    ping = subprocess.Popen(["ip", "netns", "exec", netns, "ping", "-q", "-i", "0.01", "-c", "3000", address],
                            stdout=subprocess.DEVNULL)
    answer, verdicts, found = why(guest, device, queue)
    check(f"{device}: `qsplit queue why` finds nothing wrong", answer.startswith("nothing is wrong: ") and
          goes in answer and "WRONG" not in verdicts.values(), (answer, found))
    # A program gathers slots before it gives them back.
    check(f"{device}: it sees what is posted, and whether the program goes on", found["receive ring"].endswith(
        "slots are posted to the device") and ("has taken packets" in found["program"] or
                                               " packets came in " in found["program"]), found)
    ping.kill()
    ping.wait()
    dump = guest.qsplit_text("queue", "dump", device, str(queue))
    decoded = all(re.search(rf"^ +\d+  {words}", dump, re.M) for words in
                  ("RxWriteBack +.*length=", "RxRead +.*address="))
    check(f"{device}: `qsplit queue dump` decodes packets that came and buffers that are posted", decoded,
          "" if decoded else dump)
    program.send_signal(signal.SIGSTOP)
    answer, _, _ = why(guest, device, queue)
    check(f"{device}: a program that is stopped is named", "its process is stopped" in answer and
          f"`kill -CONT {program.pid}`" in answer, answer)
    program.send_signal(signal.SIGCONT)


def idle(guest, device, mode, trouble):
    """A lease whose program posts nothing; and to which nothing is steered, where others have the function too."""
    client = Rogue(guest, f"idle-{device}", device, mode)
    answer, verdicts, found = why(guest, device, client.do("lease")["rx_queue"])
    check(f"{device}: `qsplit queue why` says in one line: {trouble}", answer.startswith(trouble), (answer, found))
    check(f"{device}: and that nothing is posted", verdicts["receive ring"] == "WRONG" and
          found["receive ring"].startswith("0 slots are posted"), found)
    client.close()


def settings(guest, device, wire, netns, keeps_mtu=True):
    """`qsplit device set`, while the responder runs: each setting does what it says, and only when it is on."""
    address = f"10.77.{wire}.10"

    def taken():
        """Of multicasts, of what is for others, of frames that are longer than the MTU was."""
        pings = [("01:00:5e:00:00:09", 56), ("02:00:00:00:00:77", 56), (None, 1900 if keeps_mtu else 56)]
        multicast, others, longer = echoed(guest, netns, device, address, pings)
        return multicast, others, keeps_mtu and longer

    guest.call("ip", "-n", netns, "link", "set", guest.netdevs[netns], "mtu", "2000")
    check(f"{device}: takes its own alone", (seen := taken()) == (False, False, False), seen)
    guest.qsplit("device", "set", device, "--allmulti", "on", "--mtu", "2000")
    # Some emulated NICs look unicast addresses up in the table of multicasts as well: seen[1] is either.
    check(f"{device}: takes multicasts, and longer frames", (seen := taken())[::2] == (True, keeps_mtu), seen)
    guest.qsplit("device", "set", device, "--promisc", "on")
    check(f"{device}: takes everything", (seen := taken()) == (True, True, keeps_mtu), seen)
    guest.qsplit("device", "set", device, "--allmulti", "off", "--promisc", "off", "--mtu", "1500")
    said = shown(guest, device)
    check(f"{device}: as it was", said["mtu_bytes"] == 1500 and not said["promiscuous"] and
          not said["all_multicast"])


def longer(guest, device, address, netns):
    """A VF takes frames as long as its PF lets it. (This QEMU knows no multicast promiscuity of VFs.)"""
    guest.call("ip", "-n", netns, "link", "set", guest.netdevs[netns], "mtu", "2000")
    before = echoed(guest, netns, device, address, [(None, 1900)])
    guest.qsplit("device", "set", device, "--mtu", "2000")
    after = echoed(guest, netns, device, address, [(None, 1900)])
    check(f"{device}: takes longer frames with a larger MTU", (before, after) == ((False,), (True,)), (before, after))


def direct(guest):
    """e1000e and virtio-net leased whole, virtio-net with packed rings behind the guard, the software NIC"""
    nics = {name: guest.nic(name) for name in ("e1000e", "split", "packed")}
    peers = {wire: served.peer(guest, f"peer{wire}") for wire in (2, 3, 4)}
    guest.namespace("wire5")
    guest.serve(section("e1000e", nics["e1000e"], mode="direct") + section("split", nics["split"], mode="direct") +
                section("packed", nics["packed"], mode="guarded") + SOFTWARE)
    guest.call("ip", "-n", "wire5", "addr", "add", "10.77.5.1/24", "dev", "wire5")
    guest.call("ip", "-n", "wire5", "link", "set", "wire5", "up")
    plausible(guest, "e1000e", nics["e1000e"], "direct", guest.mac("e1000e"), "e1000e")
    plausible(guest, "split", nics["split"], "direct", guest.mac("split"), "virtio-pci")
    plausible(guest, "packed", nics["packed"], "guarded", guest.mac("packed"), "virtio-pci")
    program = answered(guest, "e1000e, direct", "e1000e", 2, peers[2])
    explained(guest, "e1000e", program, "10.77.2.10", peers[2])
    answered(guest, "virtio-net, split rings, direct", "split", 3, peers[3])
    answered(guest, "virtio-net, packed rings, guarded", "packed", 4, peers[4])
    answered(guest, "software NIC", "software", 5, "wire5", "--arp")
    counted(guest, "e1000e", by_queues=False)
    for device in ("packed", "software"):
        counted(guest, device)
    program.kill()
    program.wait(10)
    idle(guest, "e1000e", "direct", "0 slots are posted to the device; the program has to post")
    stop(guest, {"e1000e": "e1000e", "split": "virtio-pci", "packed": "virtio-pci"})
    for wire, name in ((2, "e1000e"), (3, "split"), (4, "packed")):
        kernel_has_it(guest, name, peers[wire])


def guarded(guest):
    """the same devices in the other mode"""
    nics = {name: guest.nic(name) for name in ("e1000e", "split", "packed")}
    peers = {wire: served.peer(guest, f"peer{wire}") for wire in (2, 3, 4)}
    guest.serve(section("e1000e", nics["e1000e"], mode="guarded") + section("split", nics["split"], mode="guarded") +
                section("packed", nics["packed"], mode="direct"))
    answered(guest, "e1000e, guarded", "e1000e", 2, peers[2], "--rss")
    answered(guest, "virtio-net, split rings, guarded", "split", 3, peers[3])
    answered(guest, "virtio-net, packed rings, direct", "packed", 4, peers[4])
    settings(guest, "e1000e", 2, peers[2])
    settings(guest, "split", 3, peers[3], keeps_mtu=False)  # the device takes all that fits a buffer
    stop(guest, {"e1000e": "e1000e", "split": "virtio-pci", "packed": "virtio-pci"})
    kernel_has_it(guest, "e1000e", peers[2])


def hashed(guest):
    """igb's PF by RSS, behind the guard"""
    nic, netns = guest.nic("igb"), served.peer(guest, "peer1")
    guest.serve(section("igb", nic, mode="guarded", steering="rss"))
    plausible(guest, "igb", nic, "guarded", guest.mac("igb"), "igb")
    program = answered(guest, "igb PF, RSS", "igb", 1, netns, "--rss", "--queues", "2")
    counted(guest, "igb")
    explained(guest, "igb", program, "10.77.1.10", netns)
    idle(guest, "igb", "guarded", "no rule sends to queue 2, and the RSS table does not name it; add one, as")
    settings(guest, "igb", 1, netns)
    stop(guest, {"igb": "igb"})
    kernel_has_it(guest, "igb", netns)


def pools(guest):
    """igb's PF by MAC, behind the guard, and VFs of it, direct"""
    nic, netns = guest.nic("igb"), served.peer(guest, "peer1")
    write("/sys/module/vfio_pci/parameters/enable_sriov", "1")
    guest.serve(section("igb", nic, vfs=2, steering="pools") +
                section("vf0", vf_of="igb", vf=0, mac="02:00:00:00:01:00") +
                section("vf1", vf_of="igb", vf=1, mac="02:00:00:00:01:01", vlan=5))
    vfs = nic.vfs()
    plausible(guest, "igb", nic, "guarded", guest.mac("igb"), "igb")
    plausible(guest, "vf0", vfs[0], "direct", "02:00:00:00:01:00")
    plausible(guest, "vf1", vfs[1], "direct", "02:00:00:00:01:01")
    answered(guest, "igb PF, pools", "igb", 1, netns, "--mac", "02:00:00:00:01:10")
    answered(guest, "igb VF, direct", "vf0", 1, netns, host=11)
    guest.vlan(netns, 5, "10.77.105.1/24")
    answered(guest, "igb VF in a VLAN, direct", "vf1", 105, netns)
    for device in ("igb", "vf0", "vf1"):
        counted(guest, device)
    longer(guest, "vf0", "10.77.1.11", netns)
    stop(guest, {"igb": "igb"})
    check("it has no VFs again", not nic.vfs(), nic.vfs())
    kernel_has_it(guest, "igb", netns)


def of_the_kernel(guest):
    """VFs of a PF that the kernel's igb drives, direct"""
    nic, netns = guest.nic("igb"), served.peer(guest, "peer1")
    dev = nic.netdev()
    vfs = nic.set_vfs(2)
    guest.call("ip", "link", "set", dev, "up")
    guest.call("ip", "link", "set", dev, "vf", "0", "mac", "02:00:00:00:02:00")
    guest.call("ip", "link", "set", dev, "vf", "1", "mac", "02:00:00:00:02:01", "vlan", "6")
    guest.serve(section("vf0", vfs[0]) + section("vf1", vfs[1]))
    plausible(guest, "vf0", vfs[0], "direct", "02:00:00:00:02:00")
    answered(guest, "igb VF of the kernel's PF", "vf0", 1, netns)
    longer(guest, "vf0", "10.77.1.10", netns)
    guest.vlan(netns, 6, "10.77.106.1/24")
    answered(guest, "igb VF in a VLAN of the kernel's PF", "vf1", 106, netns)
    stop(guest, {})
    check("the VFs have no driver, as before", [vf.driver() for vf in vfs] == [None, None])


BOOTS = [
    (Machine((igb("igb", wire=1), peer("peer1", wire=1))), [hashed, pools, of_the_kernel]),
    (Machine((e1000e("e1000e", wire=2), peer("peer2", wire=2), virtio("split", wire=3), peer("peer3", wire=3),
              virtio("packed", wire=4, packed=True), peer("peer4", wire=4))), [direct, guarded]),
]

if __name__ == "__main__":
    run_each(__file__, BOOTS, seconds=400)
