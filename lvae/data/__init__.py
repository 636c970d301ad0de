"""Readers and simulators: files in, NumPy arrays out."""
