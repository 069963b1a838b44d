"""A procedural street seen from a moving car, with exact truth."""
