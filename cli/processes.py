"""Which of the processes that torchrun started speaks to the user."""

import os

from svsdata.errors import ProcessError, SvsDataError


def speaks() -> bool:
    """Tell whether this process tells what all of them come to: the first, or one alone."""
    return os.environ.get("RANK", "0") == "0"


def tells(error: SvsDataError) -> bool:
    """Tell whether this process tells of an error: the first of its machine, or the only one."""
    return isinstance(error, ProcessError) or os.environ.get("LOCAL_RANK", "0") == "0"
