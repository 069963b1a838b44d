import os
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


COUNT_HEAPS = """
import ctypes, sys, threading
from svsdata.cli.memory import share_heaps

if sys.argv[1] == "share":
    assert share_heaps(2)
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
all_hold = threading.Barrier(6)


def hold():
    libc.malloc(5000)
    all_hold.wait()


threads = [threading.Thread(target=hold) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


def test_threads_share_heaps_and_arrow_has_none_of_its_own(tmp_path):
    environment = {key: v for key, v in os.environ.items() if key != "ARROW_DEFAULT_MEMORY_POOL"}
    heaps, pools = {}, {}
    for policy in ("share", "own"):
        told = tmp_path / f"{policy}.xml"
        command = [sys.executable, "-c", COUNT_HEAPS, policy, str(told)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        heaps[policy], pools[policy] = told.read_text().count("<heap nr="), ran.stdout.strip()
    assert heaps["share"] == 2
    assert heaps["own"] > 4
    assert pools["share"] == "system" != pools["own"]
