"""Labelled driving video: label recordings, train SVS-GAN, synthesize and edit label-map videos."""
