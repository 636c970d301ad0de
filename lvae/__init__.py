"""Generative augmentation for medical imaging where data are scarce."""

__version__ = "0.1.0"
