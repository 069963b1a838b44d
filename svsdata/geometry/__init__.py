"""Camera, ground plane and ego motion, in the vehicle frame of ISO 8855."""
