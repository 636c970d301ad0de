"""Flax Linen modules: shapes in, shapes out."""
