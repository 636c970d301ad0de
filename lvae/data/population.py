"""The population of simulated recordings: what is drawn once per recording, and its spread."""

# Mean and deviation over recordings. Found by fitting the surface of `lvae.data.folds` to the mean
# frame of each real training recording (1.3-2.7 px median residual), then mean and deviation over
# the fits; of the glottis, the vibration and the drift by comparing facts and pictures.
POPULATION: dict[str, tuple[float, float]] = {
    # The endoscope: where the optical axis falls in a 768 frame (px), its turn (degrees),
    # logarithm of the magnification over the calibration's, mm nearer than STAND_OFF.
    "axis_x": (296.0, 21.0),
    "axis_y": (342.0, 38.0),
    "turn": (0.0, 0.3),
    "zoom": (-0.002, 0.013),
    "nearer": (0.0, 0.8),
    # The smooth base, mm over u, v in [-1, 1].
    "tilt_u": (0.0, 0.6),
    "tilt_v": (-2.5, 1.2),
    "bend_u": (1.0, 0.55),
    "bend_v": (0.7, 0.75),
    "twist": (0.3, 0.55),
    "skew_u": (-0.2, 0.55),
    "skew_v": (1.0, 0.65),
    "twist_u": (0.3, 0.6),
    "twist_v": (0.2, 0.4),
    # The glottis: its midline and half width in units of u, its apex in units of v; the half width
    # grows with this power of the way above the apex and by the flare in the top row.
    "midline": (-0.01, 0.09),
    "midline_lean": (-0.08, 0.08),
    "midline_bend": (0.0, 0.08),
    "gap": (0.14, 0.035),
    "gap_power": (0.6, 0.12),
    "gap_flare": (0.05, 0.05),
    "apex": (0.05, 0.35),
    # How each fold falls off towards its medial edge: mm, logarithms of widths in u, change with v.
    "fall_left": (5.6, 1.5),
    "fall_right": (5.5, 1.9),
    "fall_rise": (0.15, 0.28),
    "fall_rise_difference": (0.0, 0.08),
    "fall_bulge": (-0.7, 1.4),
    "width_left": (-0.82, 0.27),
    "width_right": (-0.87, 0.22),
    "width_rise": (0.23, 0.24),
    "fall_power": (0.45, 0.25),
    "lip": (0.7, 0.6),
    "lip_width": (-2.27, 0.22),
    # The tissue in front at the bottom: its ragged edge in units of v, its step in mm, how much of
    # the fall it covers.
    "shelf_edge": (-0.88, 0.08),
    "shelf_lean": (0.0, 0.08),
    "shelf_bend": (0.01, 0.08),
    "shelf_wave": (-0.04, 0.08),
    "shelf_ripple": (-0.03, 0.08),
    "shelf": (0.0, 0.9),
    "shelf_tilt": (0.1, 0.95),
    "shelf_fill": (0.75, 0.45),
    # Vibration: stroke of the apex (v), of the edges (mm), logarithm of the period in frames,
    # asymmetry of the folds (rad), lag of the mucosal wave (rad over a unit of u).
    "apex_stroke": (0.25, 0.12),
    "edge_stroke": (0.8, 0.5),
    "period": (4.0, 0.35),
    "asymmetry": (0.0, 0.3),
    "wave_lag": (4.0, 1.5),
    # Drift of the endoscope, px of a 768 frame over a frame.
    "drift_x": (0.0, 0.05),
    "drift_y": (0.0, 0.06),
    # Logarithms of this recording's label noise and texture over the usual ones.
    "noise": (0.0, 0.13),
    "texture": (0.0, 0.25),
}
NOT_NEGATIVE = ("gap", "fall_left", "fall_right", "apex_stroke", "edge_stroke", "gap_flare")
FARTHEST = 2.2  # deviations; what lies beyond is drawn to here, so that no recording is absurd
LEAST_VISIBLE = 0.7  # of the grid's points in every frame; the real set has 0.88 and more
ATTEMPTS = 40  # the last of them with 1 % of the variety: a usual recording
FINE_SHAPES = (5, 5)  # cosines along v and u of the folds' fine shape
FINE_HEIGHT = 0.12  # mm, deviation of each cosine
ROUGHNESS = 0.06  # mm, deviation of single points: the tissue's texture
UPRIGHT_NOISE = 1.3  # noise in y over noise in x: spots are drawn out along the epipolar lines
LASTING_NOISE = 0.35  # error of a label that stays through a recording, over that of one frame
