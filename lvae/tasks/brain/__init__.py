"""Systems of brain slices: the codec (VQ-VAE) and the prior of its codes (PixelCNN)."""
