"""What ``svsdata synthesize`` can be told."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from svsdata.pipelines.configs.edit import EditChoices


class SynthesizeConfig(EditChoices):
    """One synthesis of videos from the label maps of a store."""

    checkpoint: Path
    """A run directory, a checkpoint folder, a generator file, or ``demo``: the bundled generator,
    which knows the street world."""
    out: Path
    """Store to write."""
    plans: tuple[Path, ...] = ()
    """Plans that ``svsdata edit plan`` wrote, or folders of them: drawn as they were reviewed, each
    a sequence of its file's name. They say which sequences, frames and edits."""
    allow_unseen: bool = False
    """Accept edits whose classes the checkpoint never saw in training."""
    reference: Literal["store", "labels"] = "store"
    """What a video begins with. ``store``: the recording's own first frame, which gives it its
    look. ``labels``: a frame drawn from labels alone, by a checkpoint that learned to
    (``reference_free`` above 0 in training); the store then needs no pictures."""
    chunk_length: int = Field(4, ge=1, le=64)
    """Frames whose label features are computed in one batch; results depend on it by rounding."""
    parallel_videos: int = Field(1, ge=1, le=64)
    """Videos that are drawn at once, in one batch: on a GPU several are faster together than one
    after the other. Each takes the memory of one; results depend on it by rounding."""
    flow: bool = True
    """Keep the flow of the labels, edits and all, where the base has flow; a frame of 512x256 then
    takes about 0.2 MB more."""
    motion: Literal["auto", "labels", "store"] = "auto"
    """What each frame is warped by. ``store``: the flow of the base, which edits keep true; needs
    ``flow``. ``labels``: what the checkpoint tells from labels alone, as in the paper. ``auto``:
    the store's, where the base has flow and the checkpoint learned to follow a given one."""
    rim_px: int = Field(3, ge=0, le=32)
    """Width in pixels of the rim of objects, where a store's flow is followed. What comes out of
    one, at an object or behind it, takes its colour from farther inside its own region, and is
    drawn anew by half; else borders stay behind as lines. 0: off."""
    entering_share: float = Field(0.05, ge=0, le=1)
    """Where a store's flow is followed: an object that touches the left, right or lower border, and
    of which more than this share was out of view one frame before, is drawn anew as a whole; else
    it is put together of strips, one a frame. 1: off."""
    keyframe_interval: int = Field(1, ge=1, le=32)
    """Most frames from one frame that the checkpoint draws, a key frame, to the next. Those between
    are put together of the key frames on both sides, along the motion of all of them. 1: every
    frame is drawn."""
    unseen_share: float = Field(0.1, ge=0, le=0.5)
    """With key frames: a frame of which those on both sides do not show more than this share of the
    pixels, with the same labels, is drawn too."""
    predict: bool = False
    """Where a recorded sequence ends before ``frames``, go on with predicted labels: the street
    stands, what moves moves on, and the vehicle drives on. One labelled picture is enough to begin
    with. Good for a second or two; not together with edits."""
    drive_on_mps: float | None = Field(None, ge=0, le=70)
    """``predict``: how fast the vehicle drives on; unset: as at the recording's end."""
    drive_on_rps: float | None = Field(None, ge=-2, le=2)
    """``predict``: its yaw rate in radians a second, positive to the left; unset: as at the end."""
    part_frames: int = Field(64, ge=1)
    """Frames after which a stopped run can go on, rounded up to whole chunks."""
    cut_below: float = Field(0.0, ge=0, le=1)
    """Label agreement (mean IoU) of neighbours under which the recording's own frame begins the
    video anew; 0: never. Around 0.25 finds the cuts of driving videos."""
    colour_pull: float = Field(0.0, ge=0, le=1)
    """How far colours go back to the reference frame's, by class, every chunk; against drift over
    thousands of frames. 0: off; 0.02 is slow."""
    redraw_outside: bool = True
    """Draw anew what the warp would take from outside the previous frame; false leaves it to the
    learned mask, which then repeats the frame's border where it is wrong. Models A and B never do.
    """
    forgetting: float | None = Field(None, ge=0, lt=1)
    """Least share of what is in view that is drawn anew in every frame where motion is given. Less
    keeps longer what labels do not tell, and mistakes too. Unset: as trained, 0.08 of ``carry``."""
    precision: Literal["auto", "bf16", "fp16", "float32"] = "auto"
    """``auto``: bf16 where the processor computes in bf16, else float32. ``fp16`` is for GPUs that
    have no bf16."""
    cuda_graphs: bool = False
    """Record what a GPU does for a frame once, and have it repeated for the others, which spares
    starting every layer from Python. Only for ``cuda`` devices."""
    device: str = "auto"
    """``auto``: a GPU where there is one, else ``cpu``."""

    @model_validator(mode="after")
    def _drives_where_it_predicts(self) -> "SynthesizeConfig":
        told = [it for it in ("drive_on_mps", "drive_on_rps") if getattr(self, it) is not None]
        if told and not self.predict:
            raise ValueError(
                f"{' and '.join(told)}: tells how predicted frames go on; add predict=true"
            )
        return self

    @model_validator(mode="after")
    def _plans_say_all(self) -> "SynthesizeConfig":
        # A plan has drawn everything but the colours of what the base shows.
        said = {*EditChoices.model_fields} - {"store", "seed"}
        beside = sorted(name for name in said & self.model_fields_set if getattr(self, name))
        if self.plans and beside:
            raise ValueError(f"a plan says it all: leave out {', '.join(beside)}, or the plan")
        return self
