"""FlowNet2 in plain PyTorch."""
