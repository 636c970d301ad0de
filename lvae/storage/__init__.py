"""A run directory: what is in it, written so that a kill at any moment leaves it whole, and read
without changing it. Knows no task."""
