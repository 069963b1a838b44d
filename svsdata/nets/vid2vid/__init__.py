"""The vid2vid generator, the paper's baseline."""
