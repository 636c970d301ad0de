"""Regularised autoencoders: sparse, contractive, concrete, variational."""
