"""The laser grid: recordings in, new feasible grids out.

Two designs: `ordered` (configs/default.py) and `notebook`, the published method to compare with.
"""
