"""The codec of brain slices: a VQ-VAE, images to maps of codes and back."""
