import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("given", "policy"), [(None, "PASSIVE"), ("active", "ACTIVE")])
def test_threads_of_networks_wait_asleep_unless_told_otherwise(given, policy):
    environment = {**os.environ, "OMP_DISPLAY_ENV": "true"}
    environment.pop("OMP_WAIT_POLICY", None)
    if given:
        environment["OMP_WAIT_POLICY"] = given
    command = [sys.executable, "-m", "svsdata.cli", "doctor"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert f"OMP_WAIT_POLICY = '{policy}'" in run.stderr
