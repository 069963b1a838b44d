"""Which of the processes that torchrun started speaks to the user."""

import os


def speaks() -> bool:
    """Tell whether this process tells what all of them come to: the first, or one alone."""
    return os.environ.get("RANK", "0") == "0"
