"""Registration from points alone: from the laser points of a frame, without their image, to the ray
of each.

A network sees where the points lie and says which row and column each is likely of, and how many
rows and columns lie between neighbours; the global step of `lvae.grids.labelling` makes one
labelling of it. Trained on the same frames as `registration`, whose network sees the image.
"""
