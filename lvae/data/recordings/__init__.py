"""Labelled laser recordings: files of any layout in, `Frames` out, split by whole recordings.

frames.py         what a frame and a set of frames are
lasten.py         one JSON per frame
hle.py            one JSON (or a folder of arrays) per recording
orientation.py    which index of an array runs along the image's x, and from which corner
frame_size.py     width and height of a frame, from the video or the images beside the labels
splits.py         training, validation and test split by whole recordings; folds
reading.py        a folder of any of these layouts
pitch.py          spacing of neighbouring points, the unit of every other length
calibration.py    camera and laser: rays, epipolar lines, points in mm
epipolar.py       which ray belongs to which label, and how far labels stray from their rays' lines
published.py      the calibration of a system as LASTEN's
"""
