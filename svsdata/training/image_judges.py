"""What a discriminator of single images says: OASIS' by naming classes, vid2vid's by patches.

# B clips, N = K * B rows (frame by frame), H, W

Both see every picture that the generator made of a frame: the final one, and where it blends also
the drawn one before the blend (vid2vid). Rows of several pictures follow one another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

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

    def convince(self, chunk: Chunk, generated: Tensor, real_maps: RealMaps) -> dict[str, Tensor]:
        """Return the generator's terms, scalars without weights.

        Args:
            chunk: As above.
            generated: (M * N, 3, H, W) with graph; losses are summed over the M pictures.
            real_maps: From ``judge``.

        Returns:
            ``image_adversarial``, ``feature_matching``, and what else the discriminator says.
        """


class _RealMaps(NamedTuple):
    """Of real frames: ``features`` and ``ups`` of the discriminator's scores, without graph."""

    features: list[Tensor]
    ups: list[Tensor]


@dataclass(frozen=True)
class OasisJudge:
    """The segmenting discriminator (svs-gan eq. 1 and 2)."""

    network: ImageDiscriminator
    ignored: Tensor
    """(K,) bool: classes that weigh nothing."""
    max_class_weight: float | None
    recompute: Recompute
    aligns: bool = False
    """DP-GAN's alignment is a term."""

    def judge(
        self, chunk: Chunk, generated: Tensor, *, labelmix: float, draws: torch.Generator
    ) -> tuple[dict[str, Tensor], "_RealMaps"]:
        """Tell real frames from generated ones by segmenting them, and patches if asked to."""
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
        if scores.patches:
            heads = [_hinge(patches[:rows], patches[rows:]) for patches in scores.patches]
            terms["patch_discriminator"] = torch.stack(heads).mean()
        ups = scores.ups if self.aligns else ()
        return terms, _RealMaps(*([it[:rows].detach() for it in m] for m in (scores.features, ups)))

    def convince(
        self, chunk: Chunk, generated: Tensor, real_maps: "_RealMaps"
    ) -> dict[str, Tensor]:
        """Compare what it names with the labels, and its features with those of real frames."""
        pictures = len(generated) // len(chunk.real)
        scores = self.recompute(not_learning(self.network), generated)
        alpha = self._class_weights(chunk)
        semantic = self._scored(chunk.semantic).repeat(pictures, 1, 1)
        named = losses.segmentation_loss(scores.logits, semantic, alpha)
        real, real_ups = ([it.repeat(pictures, 1, 1, 1) for it in maps] for maps in real_maps)
        terms = {
            "image_adversarial": named.mean(),
            "feature_matching": losses.feature_matching_loss(scores.features, real).mean(),
        }
        if self.aligns:
            terms["alignment"] = losses.alignment_loss(scores.ups, real_ups).mean()
        if scores.patches:
            convinced = [losses.generator_loss(it, mode="hinge").mean() for it in scores.patches]
            terms["patch_heads"] = torch.stack(convinced).mean()
        return {name: pictures * term for name, term in terms.items()}

    def _scored(self, pixels: Tensor) -> Tensor:
        """Take the pixels (..., H, W) that the discriminator gives a score."""
        patch = self.network.config.patch
        return pixels[..., ::patch, ::patch]

    def _class_weights(self, chunk: Chunk) -> Tensor:
        counts = chunk.class_counts[: self.network.config.num_classes]
        return losses.class_weights(counts, ignored=self.ignored, limit=self.max_class_weight)


def _hinge(real: Tensor, generated: Tensor) -> Tensor:
    told_real = losses.discriminator_loss(real, is_real=True, mode="hinge").mean()
    return told_real + losses.discriminator_loss(generated, is_real=False, mode="hinge").mean()


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
    ) -> dict[str, Tensor]:
        """Ask whether the patches pass for real, and compare features."""
        pictures = len(generated) // len(chunk.real)
        convinced = generated.new_zeros(())
        scores = self._scores(not_learning(self.network), chunk, generated)
        for layers in scores:
            convinced = convinced + losses.generator_loss(layers[-1], mode=self.mode).mean()
        real = [[maps.repeat(pictures, 1, 1, 1) for maps in layers] for layers in real_maps]
        matched = losses.patch_matching_loss(scores, real).mean()
        return {
            "image_adversarial": pictures * convinced,
            "feature_matching": pictures * matched,
        }

    def _scores(
        self, network: Callable[..., PatchScores], chunk: Chunk, images: Tensor
    ) -> PatchScores:
        pictures = len(images) // len(chunk.semantic)
        edges = chunk.edges.get("edges")
        repeated = None if edges is None else edges.repeat(pictures, 1, 1, 1)
        return self.recompute(network, images, chunk.semantic.repeat(pictures, 1, 1), repeated)
