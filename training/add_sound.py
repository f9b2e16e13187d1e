"""Adds a sound to a bundle, from a folder with recordings of the sound.

`python -m training.add_sound FOLDER --name "a squeaky gate" --out BUNDLE`

The command needs neither a pack nor a checkpoint: what the sound is not is learnt from a sound bank that ships with this package.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from service.core.errors import EarmarkError
from service.core.manifest import PACKAGED_BUNDLE
from training.own_sounds.adaptation import Outcome, learn_sound
from training.own_sounds.bundle import check_writable, write_with_sound
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.recordings import read_recordings
from training.own_sounds.sound_bank import PACKAGED_BANK, SoundBank
from training.own_sounds.wording import KnownCaptions

MAX_NAME_CHARS = 200
FEW_RECORDINGS = 10
"""With fewer recordings the command advises to record more."""


def described(outcome: Outcome) -> str:
    """The outcome in sentences."""
    before, after, n_recordings = outcome.before, outcome.after, outcome.sound.n_recordings
    lines = [
        f"Learnt {outcome.sound.name!r} from {n_recordings} recordings.",
        f"At the default threshold, in recordings that were left out of learning: {after.found:.0%} of the sounds are found, "
        f"with {after.alarms_per_hour:.1f} false alarms per hour in dense scenes of other sounds.",
        f"Before, with as few false alarms: {before.found:.0%}.",
    ]
    if n_recordings < FEW_RECORDINGS:
        lines.append(f"With {FEW_RECORDINGS} or more recordings the sound is learnt better.")
    return "\n".join(lines)


def add_sound(options: argparse.Namespace) -> Outcome:
    """Learns the sound and writes the bundle.

    Raises:
        ValueError: A name, the recordings or the sound bank cannot be used, or the sound is known.
        EarmarkError: The bundle cannot be used.
    """
    names = [name.strip() for name in (options.name, *options.also)]
    for name in names:
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise ValueError(f"the name is {name[:50]!r}; 1 to {MAX_NAME_CHARS} printable characters are accepted")
    check_writable(options.out)
    bank = SoundBank.load(options.bank)
    encoders = BundleEncoders.open(options.bundle, options.threads)
    bank.check_fits(encoders)
    recordings = read_recordings(options.folder, encoders.manifest.sample_rate_hz)
    outcome = learn_sound(recordings, names, encoders, bank, KnownCaptions.encode(encoders), options.force)
    write_with_sound(options.bundle, outcome.sound, options.out)
    return outcome


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.add_sound", description="Add a sound to a bundle.")
    parser.add_argument("folder", type=Path, help="folder of recordings of one sound, in any subfolders")
    parser.add_argument("--name", required=True, help="the words with which the sound will be searched for")
    parser.add_argument("--also", action="append", default=[], help="other words for the sound; may be repeated")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new bundle; must not exist or be empty")
    parser.add_argument("--bundle", type=Path, default=PACKAGED_BUNDLE, help="bundle to which the sound is added")
    parser.add_argument("--bank", type=Path, default=PACKAGED_BANK, help="sound bank of the bundle")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads; 0 uses one per core")
    parser.add_argument("--force", action="store_true", help="learn a sound that the model knows already, too")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = make_parser().parse_args(arguments)
    try:
        outcome = add_sound(options)
    except (ValueError, OSError, EarmarkError) as error:
        sys.exit(f"the sound cannot be added: {error}")
    sys.stdout.write(f"{described(outcome)}\nThe bundle is in {options.out}.\n")


if __name__ == "__main__":
    main()
