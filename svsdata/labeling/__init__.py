"""Sources of frames and what turns them into labelled sequences."""
