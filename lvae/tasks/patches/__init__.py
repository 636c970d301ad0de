"""Patch VAE: lesion and healthy tissue (or two digits) told apart in a latent space.

Two parameter sets of one network are trained side by side, by one loss: `all` on every patch, whose
codes are the latent space that is looked at and measured, and `healthy` on patches of label 0 only,
which rebuilds what it knows and so shows what is unusual.
"""
