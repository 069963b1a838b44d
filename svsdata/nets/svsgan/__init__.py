"""SVS-GAN: generator, discriminators, losses, rollout."""
