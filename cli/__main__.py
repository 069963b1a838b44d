"""``python -m svsdata.cli``, as process launchers want it."""

from svsdata.cli.main import run

run()
