"""Clips, schedules, EMA and logs of a training run."""
