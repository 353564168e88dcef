"""How fast this machine's time stamp counter counts; that of a guest is the same one.

A guest's kernel would measure it as it boots, and on a busy machine goes wrong: its clock has been seen to run
2.6 times too fast, so that all of its patience was too short.
"""
import ctypes
import functools
import mmap
import platform
import time

RDTSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")  # rdtsc; shl rdx, 32; or rax, rdx; ret
MEASURE_SECONDS = 0.1


@functools.lru_cache
def khz():
    """None: this machine has another one."""
    if platform.machine() != "x86_64":
        return None
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(RDTSC)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    (ticks, began), _, (later_ticks, ended) = look(read), time.sleep(MEASURE_SECONDS), look(read)
    return round((later_ticks - ticks) * 1e6 / (ended - began))


def look(read):
    """The counter and the time in ns, at the same moment: the shortest of some looks, which nothing interrupted."""
    looks = []
    for _ in range(50):
        before, ticks, after = time.monotonic_ns(), read(), time.monotonic_ns()
        looks.append((after - before, ticks, (before + after) // 2))
    return min(looks)[1:]
