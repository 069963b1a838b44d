"""Writers that are killed, starved of space, or race."""

import resource
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from svsdata.store.reader import StoreReader
from svsdata.store.verify import verify_store

SCRIPT = Path(__file__).with_name("writing_process.py")
write_here = runpy.run_path(str(SCRIPT))["main"]


def start(store: Path, num_frames=40, part_frames=6, pause_ms=0, limit_bytes=None):
    def limit() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    arguments = [str(store), *map(str, (num_frames, part_frames, pause_ms))]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )


def write(store: Path, **options: int) -> subprocess.CompletedProcess[str]:
    process = start(store, **options)
    _, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, stderr=errors)


def contents(store: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


def assert_whole_or_absent(store: Path) -> None:
    if (store / "store.json").exists():
        report = verify_store(store)
        faults = [fault.message for fault in report.faults]
        assert not faults
        assert report.num_frames in (0, 40)


def test_a_writer_killed_at_random_moments_and_run_again_gives_the_bytes_of_an_undisturbed_run(
    tmp_path,
):
    undisturbed, killed = tmp_path / "1" / "store", tmp_path / "2" / "store"
    write_here(str(undisturbed), 40, 6, 0)
    rng = np.random.default_rng(3)
    kills = 0
    for _ in range(6):
        process = start(killed, pause_ms=5)
        assert process.stdout is not None
        process.stdout.readline()  # it writes now, or has found the sequence committed
        time.sleep(rng.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            break
        kills += 1
        assert_whole_or_absent(killed)
    write_here(str(killed), 40, 6, 0)
    assert kills >= 2
    assert contents(killed) == contents(undisturbed)


def test_a_disk_that_is_full_is_told_in_one_line_and_leaves_the_store_whole(tmp_path):
    store, undisturbed = tmp_path / "1" / "store", tmp_path / "2" / "store"
    starved = write(store, num_frames=20, part_frames=10, limit_bytes=30_000)
    assert starved.returncode == 1
    assert starved.stderr.count("\n") == 1
    assert "cannot write" in starved.stderr
    assert "free space and run the same command again" in starved.stderr
    assert StoreReader(store).sequence_ids == []
    assert not list((store / "staging").rglob("*.tmp"))
    write_here(str(store), 20, 10, 0)
    write_here(str(undisturbed), 20, 10, 0)
    assert contents(store) == contents(undisturbed)


def test_no_space_for_the_smallest_file_is_one_line_too(tmp_path):
    starved = write(tmp_path / "store", limit_bytes=10)
    assert starved.returncode == 1
    assert starved.stderr.count("\n") == 1
    assert "store: cannot write" in starved.stderr


def test_interrupting_keeps_what_was_closed(tmp_path):
    store = tmp_path / "store"
    process = start(store, num_frames=2000, part_frames=4, pause_ms=5)
    while not list(store.glob("staging/s/receipt-00001.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert not list((store / "frames").rglob("*"))  # what was being written stays in staging
    assert not list((store / "sequences").rglob("*"))
    report = verify_store(store)
    assert (report.num_frames, report.unfinished, report.faults) == (0, ("s",), ())


def test_two_processes_cannot_write_the_same_sequence(tmp_path):
    store = tmp_path / "store"
    first = start(store, num_frames=2000, part_frames=4, pause_ms=5)
    while not list(store.glob("staging/s/receipt-*.json")):
        time.sleep(0.01)
    second = write(store)
    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert "another process is writing this sequence" in second.stderr
