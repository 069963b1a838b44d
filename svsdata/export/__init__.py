"""Writers of other people's formats."""
