"""Batched, jittable image operations."""
