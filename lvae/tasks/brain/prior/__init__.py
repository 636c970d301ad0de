"""A prior over the code maps of a trained VQ-VAE: new slices, inpainting, anomaly maps."""
