"""A qsplitd and the programs around it, for tests that are scripts: between namespaces, and in a guest.

A test uses a System (or a class of it that also makes a network), calls `check`, and ends with `finish`:
exit status 0 all held, 1 something did not, 77 cannot run here. Whatever was started goes in the end,
whatever happened.
"""
import atexit
import glob
import json
import os
import select
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
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all",
          "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]
READY_SECONDS = 60  # until a program that starts is ready; a busy machine needs ten
failures = []


def skip(why):
    print(f"SKIPPED: {why}. NOT SHOWN TO WORK BY THIS RUN.", file=sys.stderr)
    sys.exit(77)


def need_tools(*tools):
    for tool in tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")


def layouts():
    return sorted(os.path.basename(f)[: -len(".layout")] for f in glob.glob(LAYOUTS + "/*.layout"))


def check(what, held, detail=""):
    print(f"  {'held  ' if held else 'FAILED'}  {what}{'  (' + str(detail).strip() + ')' if detail else ''}",
          flush=True)
    if not held:
        failures.append(what)
    return held


def finish():
    if failures:
        print(f"{len(failures)} did not hold:", *failures, sep="\n  ")
    sys.exit(1 if failures else 0)


def wait_until(condition, seconds=10.0, pause_seconds=0.01):
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            return False
        time.sleep(pause_seconds)
    return result


class System:
    """One qsplitd with its folder, sockets and logs. `netns` is where it runs; None: where the test does."""

    netns = None
    tenant = """
[[tenant]]
name = "nobody"
uids = [65534]
may_join_rss = true
quotas = { rx_queues = 4, tx_queues = 4 }
"""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="qsplit-test.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.run = self.dir + "/run"
        self.programs = []
        self.daemon = None
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def configure(self, text):
        with open(self.dir + "/qsplitd.toml", "w") as out:
            out.write(f"""
[daemon]
runtime_dir = "{self.run}"
layouts_dir = "{LAYOUTS}"
{text}""")

    def start_daemon(self):
        try:
            self.daemon = self.await_ready(
                [BIN + "/qsplitd", "--config", self.dir + "/qsplitd.toml"], "qsplitd", netns=self.netns)
        except NotReady as error:
            self.daemon = error.program
            raise

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

    def await_ready(self, argv, name, **options):
        """Starts a program that takes --ready-fd, and waits until it is ready. Raises NotReady."""
        read, write = os.pipe()
        program = self.start([*argv, "--ready-fd", str(write)], name, pass_fds=[write], **options)
        os.close(write)
        in_time = select.select([read], [], [], READY_SECONDS)[0]
        ready = in_time and os.read(read, 6)
        os.close(read)
        if not ready:
            late = "" if in_time else f"after {READY_SECONDS} s it had neither ended nor said that it was ready\n"
            raise NotReady(program, name, late + self.log(name))
        return program

    def start_ready(self, argv, name, **options):
        """Like await_ready, for a client of this daemon."""
        return self.await_ready([*argv, "--runtime-dir", self.run], name, **options)

    def responder(self, name, ip, port, *more, device="nic0"):
        return self.start_ready([BIN + "/qsplit-responder", "--device", device, "--ip", ip, "--udp-port",
                                 str(port), *more], name, drop=True)

    def log(self, name):
        with open(f"{self.dir}/{name}.log", errors="replace") as file:
            return file.read()

    def try_in(self, netns, *argv):
        """Runs it in a namespace; whether it succeeded, and the last line that it printed."""
        done = subprocess.run(["ip", "netns", "exec", netns, *argv], capture_output=True, text=True)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return done.returncode == 0, lines[-1] if lines else ""

    def ping(self, what, address, netns, count=50, size=56):
        return check(what, *self.try_in(netns, "ping", "-q", "-c", str(count), "-i", "0.01", "-W", "2", "-s",
                                        str(size), address))

    def udp(self, what, address, port, netns, count=200, size=64):
        return check(what, *self.try_in(netns, sys.executable, SOURCE + "/tests/support/udp_ping.py", address,
                                        str(port), "--count", str(count), "--size", str(size), "--interval", "0"))

    def qsplit(self, *words):
        """The command's answer, as JSON."""
        done = subprocess.run([BIN + "/qsplit", "--runtime-dir", self.run, "-j", *words], capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError(f"qsplit {' '.join(words)}: {done.stderr}")
        return json.loads(done.stdout or "{}")

    def qsplit_text(self, *words):
        """The command's answer, as people read it."""
        return subprocess.run([BIN + "/qsplit", "--runtime-dir", self.run, *words], capture_output=True, text=True,
                              check=True).stdout

    def has_link(self, netns, dev):
        return self.try_in(netns, "ip", "link", "show", dev)[0]

    def close(self):
        """Ends what was started; shows the daemon's log if something did not hold."""
        for program in self.programs:
            if program.poll() is None:
                program.kill()
            program.wait()
        if self.daemon and failures:
            print("qsplitd's log:\n" + self.log("qsplitd"))
        shutil.rmtree(self.dir, ignore_errors=True)
        self.programs = []


class NotReady(RuntimeError):
    """A program ended before it was ready, or did neither in time."""

    def __init__(self, program, name, log):
        super().__init__(f"{name} did not get ready:\n{log}")
        self.program, self.log = program, log
