def test_nothing_yet() -> None:
    import svsdata  # noqa: F401
