"""system: a qsplitd of a test's own, with two software NICs wired to each other, and what runs beside it.

Nothing here needs privilege: where the test runs as root, daemon and programs run as uid 65534. Ends only
processes that it started.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

SOURCE = os.environ.get("QSPLIT_SOURCE_DIR") or os.path.realpath(os.path.join(__file__, "../../../.."))
BIN = os.environ.get("QSPLIT_BIN_DIR") or os.path.join(SOURCE, "build/debug/bin")
LAYOUTS = os.environ.get("QSPLIT_LAYOUT_DIR") or os.path.join(SOURCE, "build/debug/share/qsplit/layouts")
LAYOUT = "intel.e1000.legacy"
NOBODY = 65534
PATIENCE = 30  # seconds, for what takes milliseconds

DEVICES = """
[[device]]
name = "nic0"
queues = 4
mac = "02:00:00:00:00:01"
layouts = ["LAYOUT"]
wire = {peer = "nic1"}

[[device]]
name = "nic1"
queues = 2
mac = "02:00:00:00:00:02"
layouts = ["LAYOUT"]
wire = {peer = "nic0"}
"""
# Who runs the test is an operator, or may read and lease nothing.
TENANTS = {
    "admin": '[[tenant]]\nname = "operators"\nuids = "any"\nadmin = true\n',
    "reader": '[[tenant]]\nname = "others"\nuids = [4000000000]\n',
}


class System:
    """A folder with a running daemon in it; a context manager."""

    def __init__(self, tenants="admin", daemon=True, layout=LAYOUT):
        self.as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        self.dir = tempfile.mkdtemp(prefix="qsplit-cli-")
        self.programs = {}
        layouts = os.path.join(self.dir, "layouts")
        os.mkdir(layouts)
        shutil.copy(os.path.join(LAYOUTS, layout + ".layout"), layouts)
        with open(os.path.join(self.dir, "qsplitd.toml"), "w", encoding="utf-8") as f:
            f.write(DEVICES.replace("LAYOUT", layout) + TENANTS[tenants])
        if self.as_nobody:
            for path in (self.dir, layouts, os.path.join(self.dir, "qsplitd.toml")):
                os.chown(path, NOBODY, NOBODY)
        self.run_dir = os.path.join(self.dir, "run")
        self.environment = {
            **os.environ, "QSPLIT_RUNTIME_DIR": self.run_dir, "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "PATH": BIN + os.pathsep + os.environ["PATH"], "COLUMNS": "80", "GRPC_VERBOSITY": "NONE",
        }
        if daemon:
            self.start("qsplitd", "qsplitd --config qsplitd.toml --runtime-dir run --layouts layouts")
            self.wait_for(lambda: "ready" in self.read("qsplitd", "err"), "qsplitd is ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in reversed(list(self.programs)):
            self.end(name, signal.SIGTERM)
        shutil.rmtree(self.dir)

    def run(self, line, stdin=subprocess.DEVNULL, **more):
        """Runs a line of shell to its end; its output is text."""
        return subprocess.run(["bash", "-c", line], cwd=self.dir, env=self.environment, stdin=stdin,
                              capture_output=True, text=True, timeout=PATIENCE * 2, check=False,
                              **self.as_nobody, **more)

    def json(self, line):
        return json.loads(self.run(line).stdout)

    def start(self, name, line):
        """Starts a program in the background; its output is kept in files."""
        with open(os.path.join(self.dir, name + ".out"), "wb") as out, \
             open(os.path.join(self.dir, name + ".err"), "wb") as err:
            self.programs[name] = subprocess.Popen(
                ["bash", "-c", "exec " + line], cwd=self.dir, env=self.environment, stdout=out, stderr=err,
                stdin=subprocess.DEVNULL, **self.as_nobody)
        return self.programs[name]

    def read(self, name, stream="out"):
        with open(os.path.join(self.dir, f"{name}.{stream}"), encoding="utf-8") as f:
            return f.read()

    def responder(self, name, arguments):
        self.start(name, "qsplit-responder " + arguments)
        self.wait_for(lambda: "ready:" in self.read(name), f"{name} is ready")

    def end(self, name, how):
        """Signals a program, waits for its end and returns its exit status."""
        program = self.programs.pop(name)
        if program.poll() is None:
            program.send_signal(how)
        try:
            return program.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
            raise AssertionError(f"{name} did not end at signal {how}") from None

    def kill(self, name):
        """SIGKILL, and until the daemon has taken the program's leases back."""
        pid = self.programs[name].pid
        self.end(name, signal.SIGKILL)
        self.wait_for(lambda: all(lease["pid"] != pid for lease in self.json("qsplit -j lease list")["leases"]),
                      f"the leases of {name} are gone")

    def wait_for(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                logs = {name: self.read(name) + self.read(name, "err") for name in self.programs}
                raise AssertionError(f"not within {PATIENCE} s: {what}; logs: {logs}")
            time.sleep(0.02)
