"""How the threads of a network wait for each other."""

import os


def wait_asleep() -> None:
    """Have threads that wait sleep; to be called before torch is loaded.

    OpenMP has them spin, as fits a machine that computes nothing else. But frames are decoded,
    edited and encoded beside the network, and machines are shared: then a spinning thread takes the
    core from the one that it waits for, and two threads are several times slower than one.
    ``OMP_WAIT_POLICY`` of the environment, where it is set, wins.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
