"""vid2vid's generator: models A and B of the paper's comparison."""
