"""Feature networks of the perceptual loss and the metrics."""
