"""Sequences of labelled frames as sharded Parquet with PNG bytes: written, read, verified."""
