"""Registration: from the moving image of a frame to the ray of every laser point in it.

A U-Net sees the moving image beside the fixed one, the regular grid, and says for every pixel how
far a point there has to move to reach its place in the fixed image. The nearest place names the ray.
The user of generated frames: they are worth what this network gains from them.
"""
