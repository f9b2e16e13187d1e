"""The seeds of all that is drawn outside a training run, so that no two draws share a seed by accident.

A training run draws from `seed` in its recipe; every other random choice has its seed here.
"""

BENCHMARK = 20_250_509
"""Scenes of the validation benchmark."""
CALIBRATION = 20_250_510
"""Scenes, of the same recordings, on which scale, bias, threshold and post-processing are chosen."""
BOOTSTRAP = 20_250_511
"""Resamples behind the confidence intervals."""
CAPTIONS_PER_RECORDING = 20_250_512
"""Captions of other recordings that a recording of a data set is queried with."""
RECORDINGS = 20_250_513
"""Recordings of a split, where an evaluation is limited to some of them."""
VALIDATION = 20_250_514
"""Scenes, or recordings of data sets, that a training run is validated on."""
CALIBRATION_PAIRS = 7
"""Pairs of a scene and an absent query that a calibration is fitted on."""
TACOS_TEST_SPLIT = 42
"""Recordings of TACOS that form its test split."""
