"""The svsdata command."""


def run() -> None:
    """Run the command line."""
