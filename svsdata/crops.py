"""Crops that give a recording's frames the shape that a network was made for."""


def rows_of_shape(size_hw: tuple[int, int], shape_hw: tuple[int, int]) -> int | None:
    """Return how many rows of frames have the aspect ratio of another size, or None if none have.

    Args:
        size_hw: Of the frames, which keep their width.
        shape_hw: Any size of the wanted aspect ratio.
    """
    rows, rest = divmod(size_hw[1] * shape_hw[0], shape_hw[1])
    return rows if not rest and 0 < rows <= size_hw[0] else None


def crop_advice(size_hw: tuple[int, int], shape_hw: tuple[int, int]) -> str:
    """Say how frames of a store get the aspect ratio of another size."""
    (height, width), rows = size_hw, rows_of_shape(size_hw, shape_hw)
    if rows is None:
        return (
            f"crop the recording to {shape_hw[1] / shape_hw[0]:g} times as wide as high and label "
            "that"
        )
    return (
        f"label the recording into another store with --set crop_rows={rows}, which makes "
        f"{width}x{rows} of frames of {width}x{height}"
    )
