import subprocess
import sys

COUNT_PAGES_TAKEN_AGAIN = """
import ctypes, resource, sys
from svsdata.cli.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(100 * 2**20)
    libc.memset(block, 1, 100 * 2**20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_taken_again(policy: str) -> int:
    command = [sys.executable, "-c", COUNT_PAGES_TAKEN_AGAIN, policy]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_freed_memory_is_kept_for_what_is_asked_for_next():
    assert pages_taken_again("keep") < pages_taken_again("give back") / 10
