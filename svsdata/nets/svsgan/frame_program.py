"""One step of a generator as a module of named tensors, for ``torch.export``.

# H, W of a frame
"""

import torch
from torch import Tensor, nn

from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, inference_copy, step
from svsdata.nets.video_generator import Motion
from svsdata.tensors import edges, hidden_mask


class FrameProgram(nn.Module):
    """The next frame from the one before, as ``rollout.step`` makes it, in float32.

    Args:
        generator: Left as it is; a frozen copy is taken.
        follows_flow: Take a given flow; the motion network must not see the image.
    """

    def __init__(self, generator: Generator, *, follows_flow: bool) -> None:
        super().__init__()
        self.generator = inference_copy(generator)
        self.follows_flow = follows_flow

    def forward(self, **inputs: Tensor) -> Tensor:
        """Draw a frame.

        Args:
            inputs: Those of ``example_inputs``: ``previous_image`` in [-1, 1], ids of both frames
                in ``previous_semantic`` and ``semantic``; where the network takes instance borders
                ``previous_instance`` and ``instance``; where it sees the colours of objects
                ``object_colours``, RGB in [-1, 1] and 1 = told, else 0; where it is guided
                ``guidance``, RGB in [-1, 1] and 1 = known, else 0; where it follows flow
                ``backward_flow`` in pixels, ``occlusion`` (1 = the previous frame does not show the
                pixel) and ``validity`` (1 = follow the flow; 0 = the network tells the motion from
                labels).

        Returns:
            (1, 3, H, W) float32 in [-1, 1].
        """
        borders = [
            edges(inputs[name]) if self.generator.config.edges else None
            for name in ("previous_instance", "instance")
        ]
        motion = None
        if self.follows_flow:
            flow = inputs["backward_flow"]
            hidden = hidden_mask(flow, inputs["occlusion"])
            motion = Motion(flow, hidden, inputs["validity"])
        colours = inputs["object_colours"] if self.generator.config.object_colours else None
        before = LabelMaps(inputs["previous_semantic"], borders[0])
        guide = (lambda _: inputs["guidance"]) if self.generator.config.sees_guidance else None
        labels = LabelMaps(inputs["semantic"], borders[1], colours, motion, guide)
        _, output = step(self.generator, RolloutState(inputs["previous_image"], before), labels)
        return output.image

    def example_inputs(self, size_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Return inputs of the right names, shapes and types, all zero."""
        height, width = size_hw
        names = ["previous_semantic", "semantic"]
        examples = {"previous_image": torch.zeros(1, 3, height, width)}
        examples |= {name: torch.zeros(1, height, width, dtype=torch.uint8) for name in names}
        if self.generator.config.edges:
            names = ["previous_instance", "instance"]
            examples |= {name: torch.zeros(1, height, width, dtype=torch.int32) for name in names}
        if self.generator.config.object_colours:
            examples["object_colours"] = torch.zeros(1, 4, height, width)
        if self.generator.config.sees_guidance:
            examples["guidance"] = torch.zeros(1, 4, height, width)
        if self.follows_flow:
            examples["backward_flow"] = torch.zeros(1, 2, height, width)
            names = ["occlusion", "validity"]
            examples |= {name: torch.zeros(1, 1, height, width) for name in names}
        return examples
