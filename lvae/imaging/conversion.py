"""Old names of `lvae.imaging.levels`."""

from lvae.imaging.levels import Images, to_levels
from lvae.imaging.levels import from_levels as to_float

__all__ = ["Images", "to_float", "to_levels"]
