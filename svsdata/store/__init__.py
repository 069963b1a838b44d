"""Sequences as sharded Parquet with PNG bytes: format, writer, reader, verify."""
