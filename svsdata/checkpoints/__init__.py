"""Weights and training state on disk: named, hashed, strictly loaded."""
