"""What a run shows of itself while it learns."""

from svsdata.pipelines.training_learner import Learner
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.training.chunks import to_device
from svsdata.training.clips import load_clips
from svsdata.training.previews import Preview, roll_out
from svsdata.training.sampler import Clip
from svsdata.training.schedules import Phase


def preview(learner: Learner, plan: TrainingPlan, phase: Phase, num_frames: int) -> Preview:
    """Roll the average out over the beginning of the first recording, up to so many frames."""
    recording, average = plan.recordings[0], learner.average
    clip = Clip(
        recording.sequence_id,
        0,
        min(recording.longest_clip, num_frames),
        flip=False,
        frame_stride=recording.frame_stride,
    )
    loaded = load_clips(
        plan.reader,
        [clip],
        size_hw=phase.size_hw,
        guided=average.config.sees_guidance,
        coloured=plan.uses_colours,
    )
    batch, label_set = to_device(loaded, learner.device), plan.reader.info.label_set
    with learner.autocast():
        return roll_out(
            average,
            batch,
            label_set,
            with_edges=plan.uses_edges,
            gives_motion=plan.gives_motion,
        )
