"""What a guest that hangs has to say, taken before it is killed: hang.txt in its folder, and its console.

QEMU is asked by its monitor for what each processor does, twice, and the host's kernel for what each of
QEMU's threads does; the guest's kernel, by break and a letter on its serial line (its
Documentation/admin-guide/sysrq.rst), for all its tasks' stacks. What still answers tells what does not.
"""
import contextlib
import os
import re
import socket
import time

MONITOR, SERIAL, FILE = "monitor", "serial", "hang.txt"
# A console that shows everything, blocked tasks, what the processors do, all tasks.
KEYS = "9wlt"
REPLY_SECONDS = 10  # of the monitor
QUIET_SECONDS = 3  # the console has said all


def options(out):
    """Words of QEMU's command line that make it answer; `console` has what the serial line says."""
    return ["-name", "guest,debug-threads=on", "-monitor", f"unix:{out}/{MONITOR},server=on,wait=off",
            "-chardev", f"socket,id=serial,path={out}/{SERIAL},server=on,wait=off,logfile={out}/console,logappend=on",
            "-serial", "chardev:serial"]


class Line:
    """One of QEMU's sockets. What does not answer says so in what is read from it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(REPLY_SECONDS)
        self.socket.connect(path)

    def send(self, data):
        self.socket.sendall(data)

    def read_to(self, end):
        data = b""
        try:
            while not data.endswith(end) and (more := self.socket.recv(65536)):
                data += more
        except TimeoutError:
            data += f"\n(no answer within {REPLY_SECONDS} s)".encode()
        return data.decode(errors="replace")


class Monitor(Line):
    PROMPT = b"(qemu) "

    def __init__(self, out):
        super().__init__(f"{out}/{MONITOR}")
        self.read_to(self.PROMPT)

    def ask(self, command):
        """The answer, without the echo of the command, as the monitor's line editor gives it."""
        self.send(command.encode() + b"\n")
        answer = self.read_to(self.PROMPT).removesuffix(self.PROMPT.decode())
        return f"{command}:\n" + answer.partition("\n")[2].replace("\r", "")


def threads(pid):
    """Each thread of a process: name, state, what it waits for in the kernel, processor time in ticks."""
    lines = []
    for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        folder = f"/proc/{pid}/task/{task}"
        with contextlib.suppress(OSError), open(f"{folder}/stat") as stat, open(f"{folder}/wchan") as wchan:
            name, _, rest = stat.read().partition("(")[2].rpartition(")")
            fields = rest.split()  # from field 3 on, proc(5)
            lines.append(f"{task} {name}: {fields[0]}, in {wchan.read()}, {fields[11]} + {fields[12]} ticks")
    return "\n".join(lines) + "\n"


def look(pid, monitor):
    said = [f"QEMU's threads:\n{threads(pid)}", monitor.ask("info status"), monitor.ask("info registers -a")]
    for cpu in (0, 1):
        said += [monitor.ask(f"cpu {cpu}"), monitor.ask("x /8i $pc"), monitor.ask("x /96gx $rsp"),
                 monitor.ask("info lapic")]
    said += [monitor.ask("info pic"), monitor.ask("info irq"), (devices := monitor.ask("info virtio"))]
    # Requests that were made (avail) and not looked at: the doorbell was lost; answers (used) that nobody took:
    # the interrupt was.
    return said + [monitor.ask(f"info virtio-queue-status {path} {queue}")
                   for path in re.findall(r"(/machine\S+) \[", devices) for queue in (0, 1)]


def ask_kernel(out, monitor):
    """Lets the guest's kernel tell, as far as it can, on its console."""
    with contextlib.closing(Line(f"{out}/{SERIAL}").socket) as serial:
        for key in KEYS:
            monitor.ask("chardev-send-break serial")
            time.sleep(0.1)
            serial.sendall(key.encode())
            serial.settimeout(QUIET_SECONDS)
            with contextlib.suppress(TimeoutError):
                while serial.recv(65536):  # `console` has it
                    pass
    # Whatever the processors are at, if nothing else was heard: the kernel has unknown_nmi_panic.
    return monitor.ask("nmi")


def take(out, pid):
    """Writes down all of it, and returns a summary."""
    console = os.path.getsize(f"{out}/console")
    said = []
    try:
        monitor = Monitor(out)
        said += look(pid, monitor)
        time.sleep(1)
        said += ["ONE SECOND LATER", *look(pid, monitor), ask_kernel(out, monitor)]
        time.sleep(QUIET_SECONDS)
    except OSError as error:
        said.append(f"QEMU does not answer: {error}")
    with open(f"{out}/{FILE}", "w") as file:
        file.write("\n".join(said))
    return summary("\n".join(said), os.path.getsize(f"{out}/console") - console)


def summary(said, console_bytes):
    at = re.findall(r"RIP=([0-9a-f]{16})", said)
    halted = re.findall(r"HLT=(\d)", said)
    return (f"its processors were at {' '.join(at)}, halted {' '.join(halted)}; its kernel said {console_bytes} bytes "
            f"when asked. {FILE} and console have the rest")
