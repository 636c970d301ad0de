"""Denoising: images in, the same images clean; a network that never sees one noise twice."""
