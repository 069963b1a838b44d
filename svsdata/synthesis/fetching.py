"""Generated images on their way to the processor, the next frame generated meanwhile.

# B parallel videos, H, W
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from svsdata.nets.video_generator import GeneratorOutput
from svsdata.records import Image
from svsdata.tensors import image_levels


class FetchedImages:
    """The 8-bit pictures of a batch, on their way since this was made.

    From a GPU they are copied behind the work that makes them and before all that is asked of it
    later, so that it need not be idle until somebody wants them.

    Args:
        images: (B, 3, H, W) in [-1, 1].
    """

    def __init__(self, images: Tensor) -> None:
        self._levels = image_levels(images)
        self._arrived: torch.cuda.Event | None = None
        if images.is_cuda:
            levels = self._levels
            self._levels = torch.empty(levels.shape, dtype=levels.dtype, pin_memory=True)
            self._levels.copy_(levels, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record(torch.cuda.current_stream(images.device))

    def pictures(self) -> list[Image]:
        """Return B pictures (H, W, 3), once they are here."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return list(self._levels.numpy())


def one_ahead(
    outputs: Iterable[GeneratorOutput],
) -> Iterator[tuple[Tensor, FetchedImages]]:
    """Yield the images of each output with their pictures, once the next output is asked for."""
    waiting: tuple[Tensor, FetchedImages] | None = None
    for output in outputs:
        fetched = (output.image, FetchedImages(output.image))
        if waiting is not None:
            yield waiting
        waiting = fetched
    if waiting is not None:
        yield waiting
