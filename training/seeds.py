"""The seeds of all random draws, in a single table.

The constants are the seeds of draws outside a training run; all of them differ. The functions return the seeds of draws
within a training run, which depend on the `seed` of the recipe. A list of numbers is a seed for `numpy.random.default_rng`.

Some draws within a run share a seed: the warm start and scene 1, or step n and batch part n. These draws are of different
kinds. The seeds must not change, because published weights were trained with them.
"""

BENCHMARK = 20_250_509
"""Scenes of the validation benchmark."""
CALIBRATION = 20_250_510
"""Scenes, mixed from the same recordings, on which scale, bias, threshold and post-processing are chosen."""
BOOTSTRAP = 20_250_511
"""Bootstrap resamples, from which the confidence intervals are computed."""
CAPTIONS_PER_RECORDING = 20_250_512
"""Absent captions: captions of other recordings, with which a recording of a data set is queried."""
RECORDINGS = 20_250_513
"""Recordings of a split, if an evaluation is limited to some of them."""
VALIDATION = 20_250_514
"""Scenes, or recordings of data sets, on which a training run is validated."""
SPARSE = 20_250_515
"""Sparse recordings on which false alarms are reported."""
SPARSE_TUNING = 20_250_516
"""Sparse recordings on which the default threshold is chosen."""
REALISTIC = 20_250_517
"""Scenes of the realistic benchmark."""
WORDING = 20_250_521
"""Other wordings of the captions of labels."""
ABSENT_CAPTIONS = 20_250_522
"""Captions of a data set that are trained as absent, if only some of them are."""
REPLICA = 20_250_518
"""Made-up scores of the replica of AudioSet Strong."""
OWN_SOUND = 20_250_523
"""Scenes of the recordings of a new sound."""
SOUND_BANK = 77
"""Scenes of the sound bank."""
NEW_SOUNDS = 20_250_520
"""Scenes on which new sounds are measured."""
CALIBRATION_PAIRS = 7
"""Pairs of a scene and an absent query, to which a calibration is fitted."""
TACOS_TEST_SPLIT = 42
"""Recordings of TACOS that form its test split."""

_POOL = 1_000_000
"""Distance between the seeds of a run and of its pool, above the seed of any run."""
_STEPS_PER_RUN_SEED = 1_000_003
"""Distance between the step seeds of two runs whose seeds differ by one; a prime above the number of steps of any run."""


def numbered(seed: int, number: int) -> list[int]:
    """Seed of item `number` of a numbered sequence (scenes, batches of excerpts), so that each item can be drawn alone."""
    return [seed, number]


def warm_start(run_seed: int) -> list[int]:
    """Seed of the frames that the warm start of a run draws."""
    return [run_seed, 1]


def warm_start_captions(step: int) -> int:
    """Seed of the captions that a step of the warm start draws; the same in all runs."""
    return step


def step_captions(run_seed: int, step: int) -> int:
    """Seed of the captions that a training step draws; the same in all processes of a run."""
    return run_seed * _STEPS_PER_RUN_SEED + step


def cached_captions(run_seed: int, index: int) -> list[int]:
    """Seed of the captions that batch `index` of a run on cached maps draws."""
    return [run_seed, index, 1]


def cached_ambiences(run_seed: int, number: int) -> list[int]:
    """Seed that decides which ambiences of cached batch `number` a run captions."""
    return [run_seed, number, 2]


def pool_draws(run_seed: int, part: int) -> int:
    """Seed of the scenes that one part of a batch draws from a pool, and of their rolls; `part` is that of `batch_part`."""
    return (run_seed + _POOL) * _STEPS_PER_RUN_SEED + part


def batch_part(run_seed: int, part: int) -> int:
    """Seed of dropout, masks and noise for one part of a batch.

    Args:
        run_seed: the recipe's seed.
        part: index of the part among the parts of all steps and all processes of the run.
    """
    return run_seed * _STEPS_PER_RUN_SEED + part
