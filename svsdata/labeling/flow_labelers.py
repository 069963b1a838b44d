"""Who gives frames their flow: an estimator, a source that knows, or nobody."""

from dataclasses import replace
from typing import Protocol

from svsdata.errors import SourceError
from svsdata.estimation.flow_estimators import FlowEstimator
from svsdata.records import Frame


class FlowLabeler(Protocol):
    """Fills the flow layers of a frame; safe to call from ``workers`` threads."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of ``FRAME_LAYERS`` it fills."""

    @property
    def description(self) -> str:
        """Goes into every row's ``models``; empty for nobody."""

    @property
    def workers(self) -> int:
        """How many threads may call it at once with profit."""

    def add(self, previous: Frame, current: Frame) -> Frame:
        """Return the current frame with its flow to the previous one."""


class EstimatedFlow:
    """Flow by an estimator."""

    def __init__(self, estimator: FlowEstimator) -> None:
        self._estimator = estimator
        self.description = estimator.description
        self.workers = estimator.workers
        self.layers: tuple[str, ...] = ("flow", "occlusion") if estimator.checks else ("flow",)

    def add(self, previous: Frame, current: Frame) -> Frame:
        """See ``FlowLabeler``."""
        assert previous.image is not None
        assert current.image is not None
        estimate = self._estimator.estimate(previous.image, current.image)
        return replace(
            current,
            flow=estimate.flow,
            flow_validity=estimate.validity,
            occlusion=estimate.occlusion,
        )


class ExactFlow:
    """Flow that the source brought along, as the street world does."""

    layers = ("flow", "occlusion")
    description = "exact"
    workers = 1

    def add(self, previous: Frame, current: Frame) -> Frame:  # noqa: ARG002 # of the protocol
        """See ``FlowLabeler``."""
        if current.flow is None or current.occlusion is None:
            raise SourceError(
                f"{current.source}: has no exact flow, only the street world does; "
                "choose the flow dis or none"
            )
        return current


class NoFlow:
    """No flow at all."""

    layers = ()
    description = ""
    workers = 1

    def add(self, previous: Frame, current: Frame) -> Frame:  # noqa: ARG002 # of the protocol
        """See ``FlowLabeler``."""
        return replace(current, flow=None, flow_validity=None, occlusion=None)
