"""Temporary."""

from pydantic import BaseModel, ConfigDict


class StageConfig(BaseModel):
    """Temporary."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
