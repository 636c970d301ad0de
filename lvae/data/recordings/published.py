"""A published calibration of a system as LASTEN's, and how LASTEN's frames show it."""

import numpy as np

from lvae.data import folds
from lvae.data.recordings.calibration import Calibration, Camera, Laser
from lvae.data.recordings.epipolar import View
from lvae.data.recordings.orientation import Orientation

PUBLISHED = Calibration(
    Camera(
        # The principal point is of no account here: a view puts it anywhere in a frame.
        np.array([[folds.FOCAL_LENGTH, 0, 160.32], [0, folds.FOCAL_LENGTH, 286.74], [0, 0, 1]]),
        (*folds.DISTORTION, 0.0),
        turn=float(folds.IMAGE_TURN),
    ),
    Laser(
        folds.ROTATION,
        folds.TRANSLATION,
        folds.INTER_RAY_ANGLE,
        (folds.RAYS, folds.RAYS),
        roll=float(folds.GRID_ROLL),
    ),
)
PUBLISHED_ORIENTATION = Orientation(transposed=True, rows_flipped=True)  # of its fan, to the labels
# A search starts here: a square of the sensor enlarged three times, the axis where it is on average.
LASTEN_VIEW = View(turn=0.0, zoom=768 / folds.SENSOR_WIDTH, x=296.0, y=342.0)
