"""Learns a new sound from its recordings and a bundle, and measures what was learnt on recordings that were left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.core.manifest import Manifest
from training.own_sounds.bundle import AddedSound
from training.own_sounds.detections import Detections, OtherSounds, detections, heard_share, with_few_alarms
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.learning import Float32, LearntQuery, blended, learn_query
from training.own_sounds.recordings import OwnRecordings
from training.own_sounds.scenes import SoundScenes, sound_scenes
from training.own_sounds.sound_bank import SoundBank
from training.own_sounds.wording import KnownCaptions, find_wordings, templated

MAX_FOLDS = 4
"""Largest number of parts of the recordings that are left out in turn."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the model's query for the name in the learnt query, of which the best is chosen."""
MIN_KEPT_SHARE = 0.5
KNOWN_FOUND = 0.8
"""A sound of which the model finds this share of the events, with few false alarms, is known."""


class KnownSoundError(ValueError):
    """The name or the sound is one that the model knows well, so learning it anew would replace what works."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A learnt sound, and how well its query works.

    Attributes:
        sound: The learnt sound.
        before: Detections of the model's query for the name, on all recordings.
        after: Detections of learnt queries, each on the recordings and the scenes of the sound bank that it was not learnt
            from.
    """

    sound: AddedSound
    before: Detections
    after: Detections


def learn_sound(
    recordings: OwnRecordings,
    names: Sequence[str],
    encoders: BundleEncoders,
    bank: SoundBank,
    known: KnownCaptions,
    force: bool = False,
) -> Outcome:
    """Learns a sound.

    Args:
        recordings: Recordings of the sound.
        names: Wordings of the sound, its name first.
        encoders: The bundle that is added to.
        bank: Sound bank of the bundle.
        known: Captions of the sounds that the model knows.
        force: Learns a sound that the model knows, too.

    Raises:
        SoundBankError: The bank was made for another audio graph.
        KnownSoundError: The model knows the name or the sound well, and `force` is not set.
    """
    bank.check_fits(encoders)
    keys = encoders.queries(templated(names)).embeddings
    same = known.same_words(keys)
    if same and not force:
        described = ", ".join(f"{label!r} ({caption!r})" for label, caption in list(same.items())[:3])
        raise KnownSoundError(
            f"the name {names[0]!r} says the same as a caption of a sound that the model knows: {described}; a more "
            "specific name is accepted (--force replaces the known sound)"
        )
    manifest = encoders.manifest
    scenes = sound_scenes(recordings, encoders)
    others = _other_sounds(bank, frozenset(same))
    start = query_of(names[0], encoders)
    before = detections(with_few_alarms(start, others, manifest), scenes, others, manifest)
    if before.found >= KNOWN_FOUND and not force:
        raise KnownSoundError(
            f"the model finds {before.found:.0%} of the sounds in these recordings already when it is asked for "
            f"{names[0]!r}; learning is accepted below {KNOWN_FOUND:.0%} (--force learns the sound all the same)"
        )
    share, after = choose_share(scenes, others, start, manifest)
    learnt = learn(scenes, others, start, manifest, [share])[0]
    wordings = find_wordings(keys, known, frozenset(same))
    return Outcome(AddedSound(names[0], len(recordings.paths), wordings, learnt), before, after)


def _other_sounds(bank: SoundBank, same: frozenset[str]) -> OtherSounds:
    """The scenes of the bank that hold none of some labels, or all scenes if hardly any would be left."""
    kept = bank.scenes_without(same)
    return OtherSounds(bank.frames()[kept if kept.mean() >= MIN_KEPT_SHARE else slice(None)], bank.frame_step)


def learn(
    scenes: SoundScenes, others: OtherSounds, start: LearntQuery, manifest: Manifest, shares: Sequence[float] = SHARES
) -> list[LearntQuery]:
    """Learns the query of a sound and blends it with the model's query, with few false alarms for each share of the latter."""
    learnt = learn_query(scenes, others.frames, start, manifest)
    return [with_few_alarms(blended(learnt, start, share), others, manifest) for share in shares]


def choose_share(
    scenes: SoundScenes, others: OtherSounds, start: LearntQuery, manifest: Manifest
) -> tuple[float, Detections]:
    """Chooses the share of the model's query, on the recordings that are left out of learning in turn.

    Returns:
        The share with which the largest part of the left-out sounds is heard, and the detections with it. They are measured
        on the recordings and on the half of the other scenes that were not learnt from.
    """
    numbers = np.unique(scenes.recording)
    n_folds = min(MAX_FOLDS, len(numbers))
    heard, results = list[list[float]](), list[list[Detections]]()
    for fold in range(n_folds):
        tested = numbers[fold::n_folds]
        kept, left_out = scenes.of(np.setdiff1d(numbers, tested)), scenes.of(tested)
        queries = learn(kept, others.half(fold % 2 == 0), start, manifest)
        heard.append([heard_share(query, left_out, manifest) for query in queries])
        results.append([detections(query, left_out, others.half(fold % 2 == 1), manifest) for query in queries])
    best = int(np.mean(heard, axis=0).argmax())
    found, alarms = np.mean([(r[best].found, r[best].alarms_per_hour) for r in results], axis=0)
    return SHARES[best], Detections(float(found), float(alarms))


def query_of(text: str, encoders: BundleEncoders) -> LearntQuery:
    """The query of a bundle for a text."""
    encoded = encoders.queries([text])
    sigmoid: Float32 | None = None if encoded.sigmoids is None else encoded.sigmoids[0]
    return LearntQuery(encoded.embeddings[0], sigmoid)
