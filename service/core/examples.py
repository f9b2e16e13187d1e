"""Queries by example: a query that is learnt from frames in which a sound is heard, and from frames in which it is not.

Frames and words live in one space, but frames are much more alike among themselves than words and frames are. So the mean of
some frames is no calibrated query. A logistic regression of the examples against background frames gives a direction, a scale
and a bias, in milliseconds. With words, the regression starts from the query in words and is drawn towards it, so that few
examples change it little and many change it much.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.scoring import Calibration, EncodedQueries

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

MAX_FRAMES = 600
"""Frames of each kind that are used: evenly spaced ones if there are more."""
PENALTY = 0.003
"""Weight of the squared distance from the starting point, beside the mean logistic loss of both kinds."""
START_SCALE = 12.0
"""Scale of the starting point without words: of the direction from the background to the examples, at unit length."""
_STEPS = 12
_SMALLEST_STEP = 1e-3
_SMALLEST_NORM = 1e-6
_SMALLEST_GAIN = 1e-7
_BIAS_PENALTY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ExampleFrames:
    """Unit-norm frame embeddings from which a query is learnt.

    Attributes:
        positive: Frames in which the sound is heard, shape (P, D), P at least 1.
        negative: Frames in which it is not, by the user's word, shape (N, D).
        background: Frames in which it is probably not, shape (B, D).
    """

    positive: Float32
    negative: Float32
    background: Float32


def learn_query(
    examples: ExampleFrames, calibration: Calibration, words: EncodedQueries | None = None
) -> EncodedQueries:
    """Learns a query from examples.

    Args:
        examples: The frames. Background frames that are as like the positive ones as these are among themselves are left
            out, because the sound is probably heard in them.
        calibration: The calibration of the model, which is applied to the evidence of the query.
        words: The query in words that the examples refine; Q is 1.

    Returns:
        One query with its own scale and bias.
    """
    positive, negative = _spaced(examples.positive), _spaced(examples.negative)
    background = _spaced(_unlike(examples.background, positive))
    frames = np.concatenate([positive, negative, background]).astype(np.float64)  # (F, D)
    is_positive = np.arange(len(frames)) < len(positive)
    weights = _weights(len(positive), len(negative), len(background))
    start = _start_from_words(words, calibration) if words is not None else _start(positive, frames[~is_positive])
    learnt = _fit(frames, is_positive, weights, start)  # (D + 1,)
    norm = float(np.linalg.norm(learnt[:-1]))
    # examples that cannot be told apart leave no direction; then every frame has nearly the same score
    direction = (learnt[:-1] / norm).astype(np.float32) if norm > _SMALLEST_NORM else positive[0]
    sigmoid = [norm / calibration.scale, (float(learnt[-1]) - calibration.bias) / calibration.scale]
    return EncodedQueries(direction[None], np.array([sigmoid], np.float32))


def with_sigmoids(encoded: EncodedQueries) -> EncodedQueries:
    """The same queries with a scale of 1 and a bias of 0 if they have none, so that they can be joined with learnt queries."""
    if encoded.sigmoids is not None:
        return encoded
    identity = np.tile(np.array([[1, 0]], np.float32), (len(encoded.embeddings), 1))
    return EncodedQueries(encoded.embeddings, identity)


def _spaced(frames: Float32) -> Float32:
    if len(frames) <= MAX_FRAMES:
        return frames
    return frames[np.linspace(0, len(frames) - 1, MAX_FRAMES).round().astype(np.int64)]


def _unlike(background: Float32, positive: Float32) -> Float32:
    """The background frames that are less like the mean of the positive frames than half of the positive frames are."""
    mean = positive.mean(axis=0)
    return background[background @ mean < np.median(positive @ mean)]


def _weights(n_positive: int, n_negative: int, n_background: int) -> Float64:
    """Weight of each frame; both sides weigh the same, and so do explicit negatives and the background."""
    n_kinds = (n_negative > 0) + (n_background > 0)
    counts = (n_positive, n_negative, n_background)
    totals = (0.5, 0.5 / max(n_kinds, 1), 0.5 / max(n_kinds, 1))
    return np.concatenate([np.full(n, total / max(n, 1)) for n, total in zip(counts, totals, strict=True)])


def _start(positive: Float32, rest: Float64) -> Float64:
    """Direction from the other frames to the positive ones, with the bias in the middle; shape (D + 1,)."""
    centre = positive.mean(axis=0).astype(np.float64)
    other = rest.mean(axis=0) if len(rest) else np.zeros_like(centre)
    direction = centre - other
    direction *= START_SCALE / max(float(np.linalg.norm(direction)), 1e-9)
    return np.append(direction, -direction @ (centre + other) / 2)


def _start_from_words(words: EncodedQueries, calibration: Calibration) -> Float64:
    scale, bias = (1.0, 0.0) if words.sigmoids is None else words.sigmoids[0].astype(np.float64)
    direction = calibration.scale * scale * words.embeddings[0].astype(np.float64)
    return np.append(direction, calibration.scale * bias + calibration.bias)


@dataclass(frozen=True, slots=True, eq=False)
class _Regression:
    """A weighted logistic regression that is drawn towards its starting point.

    Attributes:
        inputs: The frames, each with a 1 for the bias, shape (F, D + 1).
        is_positive: Which frames are positive, shape (F,).
        weights: Weight of each frame, which sum to 1, shape (F,).
        start: The starting point, shape (D + 1,).
        penalty: Weight of the squared distance from the starting point in each dimension, shape (D + 1,).
    """

    inputs: Float64
    is_positive: NDArray[np.bool_]
    weights: Float64
    start: Float64
    penalty: Float64

    def loss(self, learnt: Float64) -> float:
        """Mean logistic loss plus the penalty."""
        margins = np.where(self.is_positive, 1, -1) * (self.inputs @ learnt)
        distance = learnt - self.start
        return float(self.weights @ np.logaddexp(0, -margins) + 0.5 * self.penalty @ distance**2)

    def newton_step(self, learnt: Float64) -> Float64:
        """The step to subtract, shape (D + 1,)."""
        scores = 0.5 + 0.5 * np.tanh(0.5 * (self.inputs @ learnt))  # (F,)
        gradient = self.inputs.T @ (self.weights * (scores - self.is_positive)) + self.penalty * (learnt - self.start)
        curvature = (self.inputs.T * (self.weights * scores * (1 - scores))) @ self.inputs + np.diag(self.penalty)
        return np.linalg.solve(curvature, gradient).astype(np.float64, copy=False)


def _fit(frames: Float64, is_positive: NDArray[np.bool_], weights: Float64, start: Float64) -> Float64:
    """Newton's method with step halving; the bias has nearly no penalty."""
    inputs = np.concatenate([frames, np.ones((len(frames), 1))], axis=1)
    penalty = np.append(np.full(frames.shape[1], PENALTY), _BIAS_PENALTY)
    regression = _Regression(inputs, is_positive, weights / weights.sum(), start, penalty)
    learnt, loss = start, regression.loss(start)
    for _ in range(_STEPS):
        step, size = regression.newton_step(learnt), 1.0
        while (new_loss := regression.loss(learnt - size * step)) > loss and size > _SMALLEST_STEP:
            size /= 2
        if new_loss > loss - _SMALLEST_GAIN:
            break
        learnt, loss = learnt - size * step, new_loss
    return learnt
