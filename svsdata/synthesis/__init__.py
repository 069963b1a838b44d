"""Long autoregressive synthesis from label streams."""
