"""Labelled driving video: label recordings, train SVS-GAN, synthesize and edit label-map videos."""

__version__ = "0.1.0"
