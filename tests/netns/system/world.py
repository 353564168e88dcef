"""A world for tests of the whole system: two network namespaces, qsplitd's software NIC between them.

    namespace world                        namespace host
    10.99.0.1  tap ===wire=== nic0 (qsplitd) --- representor  10.99.0.2
                                  |--- queue ... a responder, uid 65534

Names hold this process's number, so several may run at once; everything goes in the end, whatever
happened. A test is a script that uses World, calls `check`, and ends with `finish`: exit status 0 all
held, 1 something did not, 77 cannot run here.
"""
import atexit
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = os.environ["QSPLIT_BIN_DIR"]
SOURCE = os.environ["QSPLIT_SOURCE_DIR"]
TESTS = os.path.join(os.environ["QSPLIT_BINARY_DIR"], "tests")
LAYOUTS = os.environ["QSPLIT_LAYOUT_DIR"]
MAC = "02:00:00:00:00:01"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all",
          "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]
failures = []


def need_root():
    why = None
    if os.geteuid() != 0:
        why = "needs root to make network namespaces"
    elif not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        why = "needs /dev/net/tun to make a tap"
    elif subprocess.run(["ip", "netns", "add", f"qst{os.getpid()}"], capture_output=True).returncode:
        why = "`ip netns add` is not allowed here"
    else:
        subprocess.run(["ip", "netns", "delete", f"qst{os.getpid()}"], check=True)
    if why:
        print(f"SKIPPED: {why}. NOT SHOWN TO WORK BY THIS RUN.", file=sys.stderr)
        sys.exit(77)


def need_tools(*tools):
    for tool in tools:
        if not shutil.which(tool):
            print(f"SKIPPED: {tool} is not installed. NOT SHOWN TO WORK BY THIS RUN.", file=sys.stderr)
            sys.exit(77)


def layouts():
    return sorted(os.path.basename(f)[: -len(".layout")] for f in glob.glob(LAYOUTS + "/*.layout"))


def check(what, held, detail=""):
    print(f"  {'held  ' if held else 'FAILED'}  {what}{'  (' + str(detail).strip() + ')' if detail else ''}",
          flush=True)
    if not held:
        failures.append(what)


def finish():
    if failures:
        print(f"{len(failures)} did not hold:", *failures, sep="\n  ")
    sys.exit(1 if failures else 0)


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return result


class World:
    def __init__(self, layout=None, steer='"any"', extra=""):
        self.tag = f"qst{os.getpid()}"
        self.world, self.host = self.tag + "-w", self.tag + "-h"
        self.tap, self.representor = f"qsw{os.getpid()}", f"qsr{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="qsplit-test.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.run = self.dir + "/run"
        self.programs = []
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        for name in (self.world, self.host):
            self.call("ip", "netns", "add", name)
        self.call("ip", "netns", "exec", self.host, "ip", "link", "set", "lo", "up")
        with open(self.dir + "/qsplitd.toml", "w") as out:
            out.write(f"""
[daemon]
runtime_dir = "{self.run}"
layouts_dir = "{LAYOUTS}"
{self.device_text(layout, extra)}
[[tenant]]
name = "nobody"
uids = [65534]
may_join_rss = true
quotas = {{ rx_queues = 4, tx_queues = 4 }}
steer = {steer}
""")
        self.start_daemon()

    def device_text(self, layout, extra):
        return f"""
[[device]]
name = "nic0"
queues = 8
mac = "{MAC}"
{f'layout = "{layout}"' if layout else ""}
wire = {{ tap = "{self.tap}", netns = "{self.world}" }}
representor = "{self.representor}"
{extra}"""

    def start_daemon(self):
        read, write = os.pipe()
        self.daemon = self.start(
            [BIN + "/qsplitd", "--config", self.dir + "/qsplitd.toml", "--ready-fd", str(write)], "qsplitd",
            netns=self.host, pass_fds=[write])
        os.close(write)
        ready = os.read(read, 1)
        os.close(read)
        if not ready:
            raise RuntimeError("qsplitd did not get ready:\n" + self.log("qsplitd"))
        self.set_up_links()

    def set_up_links(self):
        for netns, dev, ip, ip6 in ((self.world, self.tap, "10.99.0.1/24", "fd99::1/64"),
                                    (self.host, self.representor, "10.99.0.2/24", "fd99::2/64")):
            for words in (f"addr add {ip} dev {dev}", f"addr add {ip6} dev {dev} nodad", f"link set {dev} up"):
                self.call("ip", "-n", netns, *words.split())
        # For addresses that nobody answers ARP for.
        for last in (10, 11):
            self.call("ip", "-n", self.world, "neigh", "add", f"10.99.0.{last}", "lladdr", MAC, "dev", self.tap)

    def call(self, *argv):
        subprocess.run(argv, check=True)

    def start(self, argv, name, netns=None, drop=False, pass_fds=(), **popen):
        argv = ["setpriv", "--pdeathsig", "KILL", *(NOBODY[1:] if drop else []), *argv]
        if netns:
            argv = ["ip", "netns", "exec", netns, *argv]
        popen.setdefault("stdout", open(f"{self.dir}/{name}.log", "ab"))
        popen.setdefault("stderr", open(f"{self.dir}/{name}.log", "ab"))
        program = subprocess.Popen(argv, pass_fds=pass_fds, **popen)
        self.programs.append(program)
        return program

    def start_ready(self, argv, name, **options):
        """Starts a program that takes --ready-fd, and waits until it is ready."""
        read, write = os.pipe()
        program = self.start([*argv, "--runtime-dir", self.run, "--ready-fd", str(write)], name,
                             pass_fds=[write], **options)
        os.close(write)
        ready = os.read(read, 6)
        os.close(read)
        if not ready:
            raise RuntimeError(f"{name} did not get ready:\n" + self.log(name))
        return program

    def responder(self, name, ip, port, *more):
        return self.start_ready([BIN + "/qsplit-responder", "--device", "nic0", "--ip", ip, "--udp-port",
                                 str(port), *more], name, drop=True)

    def log(self, name):
        with open(f"{self.dir}/{name}.log", errors="replace") as file:
            return file.read()

    def try_in(self, netns, *argv):
        """Runs it in a namespace; whether it succeeded, and the last line that it printed."""
        done = subprocess.run(["ip", "netns", "exec", netns, *argv], capture_output=True, text=True)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return done.returncode == 0, lines[-1] if lines else ""

    def ping(self, what, address, netns=None, count=50, size=56):
        check(what, *self.try_in(netns or self.world, "ping", "-q", "-c", str(count), "-i", "0.01", "-W", "2",
                                 "-s", str(size), address))

    def udp(self, what, address, port, count=200, size=64):
        check(what, *self.try_in(self.world, sys.executable, SOURCE + "/tests/support/udp_ping.py", address,
                                 str(port), "--count", str(count), "--size", str(size), "--interval", "0"))

    def qsplit(self, *words):
        """The command's answer, as JSON."""
        done = subprocess.run([BIN + "/qsplit", "--runtime-dir", self.run, "-j", *words], capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError(f"qsplit {' '.join(words)}: {done.stderr}")
        return json.loads(done.stdout or "{}")

    def has_link(self, netns, dev):
        return self.try_in(netns, "ip", "link", "show", dev)[0]

    def close(self):
        for program in self.programs:
            if program.poll() is None:
                program.kill()
            program.wait()
        if self.programs and failures:
            print("qsplitd's log:\n" + self.log("qsplitd"))
        for name in (self.world, self.host):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.programs = []
