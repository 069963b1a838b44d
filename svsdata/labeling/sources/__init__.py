"""Readers of recordings: folders, videos, Cityscapes, the street world."""
