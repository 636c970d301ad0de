"""Systems of grey images: denoisers and regularised autoencoders."""
