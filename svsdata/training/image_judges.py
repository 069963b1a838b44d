"""What a discriminator of single images says: OASIS' by naming classes, vid2vid's by patches.

# B clips, N = K * B rows (frame by frame), H, W

Both see every picture that the generator made of a frame: the final one, and where it blends also
the drawn one before the blend (vid2vid). Rows of several pictures follow one another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from svsdata.nets.svsgan import losses
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.svsgan.losses import AdversarialMode
from svsdata.nets.svsgan.video_discriminator import PatchScores
from svsdata.nets.vid2vid.image_discriminator import PatchImageDiscriminator
from svsdata.training.chunks import Chunk
from svsdata.training.recompute import Recompute, not_learning

RealMaps: TypeAlias = Any
"""What a judge's layers made of the real frames; only the judge knows its form."""


class ImageJudge(Protocol):
    """A discriminator of single images and its losses."""

    @property
    def network(self) -> nn.Module:
        """What learns."""

    def judge(
        self, chunk: Chunk, generated: Tensor, *, labelmix: float, draws: torch.Generator
    ) -> tuple[dict[str, Tensor], RealMaps]:
        """Tell real frames from generated ones.

        Args:
            chunk: Real frames and labels, N rows.
            generated: (M * N, 3, H, W) without graph, of M pictures a frame.
            labelmix: Weight of LabelMix's consistency; 0 leaves it out.
            draws: Coins of LabelMix, on the CPU.

        Returns:
            The discriminator's terms, weighted, and its features of the real frames.
        """

    def convince(
        self, chunk: Chunk, generated: Tensor, real_maps: RealMaps
    ) -> tuple[Tensor, Tensor]:
        """Return the generator's adversarial and feature matching loss, scalars.

        Args:
            chunk: As above.
            generated: (M * N, 3, H, W) with graph; losses are summed over the M pictures.
            real_maps: From ``judge``.
        """


@dataclass(frozen=True)
class OasisJudge:
    """The segmenting discriminator (svs-gan eq. 1 and 2)."""

    network: ImageDiscriminator
    ignored: Tensor
    """(K,) bool: classes that weigh nothing."""
    max_class_weight: float | None
    recompute: Recompute

    def judge(
        self, chunk: Chunk, generated: Tensor, *, labelmix: float, draws: torch.Generator
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Tell real frames from generated ones by segmenting them."""
        scores = self.recompute(self.network, torch.cat([chunk.real, generated]))
        rows = len(chunk.real)
        real_logits, fake_logits = scores.logits[:rows], scores.logits[rows:]
        alpha = self._class_weights(chunk)
        true_loss = losses.segmentation_loss(
            real_logits, self._scored(chunk.semantic), alpha
        ).mean()
        terms = {"image_discriminator": true_loss + losses.fake_loss(fake_logits).mean()}
        if labelmix:
            coins = torch.rand(len(alpha), generator=draws) < 0.5
            mask = losses.label_mix_mask(chunk.semantic, coins.to(generated.device))
            mixed = self.recompute(
                self.network, losses.label_mix(chunk.real, generated[:rows], mask)
            )
            difference = losses.label_mix_loss(
                mixed.logits, real_logits, fake_logits[:rows], self._scored(mask)
            )
            terms["labelmix"] = labelmix * difference.mean()
        return terms, [maps[:rows].detach() for maps in scores.features]

    def convince(
        self, chunk: Chunk, generated: Tensor, real_maps: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Compare what it names with the labels, and its features with those of real frames."""
        pictures = len(generated) // len(chunk.real)
        scores = self.recompute(not_learning(self.network), generated)
        alpha = self._class_weights(chunk)
        semantic = self._scored(chunk.semantic).repeat(pictures, 1, 1)
        named = losses.segmentation_loss(scores.logits, semantic, alpha).mean()
        real = [maps.repeat(pictures, 1, 1, 1) for maps in real_maps]
        matched = losses.feature_matching_loss(scores.features, real).mean()
        return pictures * named, pictures * matched

    def _scored(self, pixels: Tensor) -> Tensor:
        """Take the pixels (..., H, W) that the discriminator gives a score."""
        patch = self.network.config.patch
        return pixels[..., ::patch, ::patch]

    def _class_weights(self, chunk: Chunk) -> Tensor:
        counts = chunk.class_counts[: self.network.config.num_classes]
        return losses.class_weights(counts, ignored=self.ignored, limit=self.max_class_weight)


@dataclass(frozen=True)
class PatchJudge:
    """vid2vid's discriminator of patches together with their labels."""

    network: PatchImageDiscriminator
    mode: AdversarialMode
    recompute: Recompute

    def judge(
        self, chunk: Chunk, generated: Tensor, *, labelmix: float, draws: torch.Generator
    ) -> tuple[dict[str, Tensor], PatchScores]:
        """Tell real patches from generated ones; LabelMix needs a segmenting discriminator."""
        del labelmix, draws
        patches = self._scores(self.network, chunk, torch.cat([chunk.real, generated]))
        rows = len(chunk.real)
        loss = chunk.real.new_zeros(())
        for layers in patches:
            real, fake = layers[-1][:rows], layers[-1][rows:]
            loss = loss + losses.discriminator_loss(real, is_real=True, mode=self.mode).mean()
            loss = loss + losses.discriminator_loss(fake, is_real=False, mode=self.mode).mean()
        real_maps = [[maps[:rows].detach() for maps in layers] for layers in patches]
        return {"image_discriminator": 0.5 * loss}, real_maps

    def convince(
        self, chunk: Chunk, generated: Tensor, real_maps: PatchScores
    ) -> tuple[Tensor, Tensor]:
        """Ask whether the patches pass for real, and compare features."""
        pictures = len(generated) // len(chunk.real)
        convinced = generated.new_zeros(())
        scores = self._scores(not_learning(self.network), chunk, generated)
        for layers in scores:
            convinced = convinced + losses.generator_loss(layers[-1], mode=self.mode).mean()
        real = [[maps.repeat(pictures, 1, 1, 1) for maps in layers] for layers in real_maps]
        matched = losses.patch_matching_loss(scores, real).mean()
        return pictures * convinced, pictures * matched

    def _scores(
        self, network: Callable[..., PatchScores], chunk: Chunk, images: Tensor
    ) -> PatchScores:
        pictures = len(images) // len(chunk.semantic)
        edges = chunk.edges.get("edges")
        repeated = None if edges is None else edges.repeat(pictures, 1, 1, 1)
        return self.recompute(network, images, chunk.semantic.repeat(pictures, 1, 1), repeated)
