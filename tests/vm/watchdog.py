"""Inside of a guest: tells on the console where a test stands that has printed nothing for long.

By the console, since the folders that guest and host share may be what hangs. hang.py is the other half.
"""
import glob
import os
import sys
import threading
import time
import traceback

SILENT_SECONDS = 60  # less than guest.py's
CONSOLE = "/dev/ttyS0"


def start():
    threading.Thread(target=watch, daemon=True).start()


def watch():
    said, since, told = -1, 0.0, False
    while True:
        # All that writes to standard output has this position, children too; no file system is asked.
        position = os.lseek(1, 0, os.SEEK_CUR)
        if position != said:
            said, since, told = position, time.monotonic(), False
        elif not told and time.monotonic() - since > SILENT_SECONDS:
            told = True
            with open(CONSOLE, "w") as console:
                tell(console)
        time.sleep(1)


def tell(console):
    print(f"watchdog: nothing was printed for {SILENT_SECONDS} s", file=console)
    for thread, frame in sys._current_frames().items():
        print(f"thread {thread} of the test:", *traceback.format_stack(frame), file=console)
    for folder in sorted(glob.glob("/proc/[0-9]*/task/[0-9]*")):
        try:
            if part(folder, "cmdline"):
                print(folder, part(folder, "comm").strip(), part(folder, "wchan"), part(folder, "syscall"),
                      part(folder, "stack"), sep="\n", file=console)
        except OSError:
            pass  # it has ended
    print("interrupts:", part("/proc", "interrupts"), sep="\n", file=console)
    for log in glob.glob("/tmp/qsplit-test.*/*.log"):
        with open(log, errors="replace") as file:
            print(log, *file.readlines()[-20:], sep="\n", file=console)


def part(folder, name):
    with open(f"{folder}/{name}", errors="replace") as file:
        return file.read()
