"""The sound bank: frame embeddings of scenes of many known sounds, in a small file that needs no recordings.

A new sound is learnt against these scenes. They are mixed from `train` recordings of a pack and encoded by one audio graph, so a
bank fits the bundles with that graph only. `python -m training.build_sound_bank` builds the bank of a bundle.

Letters of shapes: R scenes, K kept frames of a scene, P components, D channels of an embedding.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.own_sounds.encoders import BundleEncoders

PACKAGED_BANK = Path(__file__).parent / "sound_bank.npz"
COMPONENTS = 64
"""Largest number of principal components of the embeddings that are stored, in 8 bits each."""
FRAME_STEP = 4
"""One of so many frames of a scene is kept."""
NO_LABEL = -1
_LARGEST_CODE = 127


class SoundBankError(ValueError):
    """The file is not a sound bank, or is the bank of another audio graph."""


@dataclass(frozen=True, slots=True, eq=False)
class SoundBank:
    """Frame embeddings of scenes of known sounds.

    Attributes:
        codes: Components of the kept frames in 8 bits, (R, K, P).
        basis: Embedding of each component of a code of 1, (P, D).
        labels: Indices in `names` of the labels that are heard in each scene, filled up with NO_LABEL, (R, L).
        names: Names of the labels.
        frame_step: One of so many frames of a scene is kept.
        audio_sha256: sha256 of the audio graph that encoded the scenes.
        attribution: Authors and licences of the recordings that were mixed.
    """

    codes: NDArray[np.int8]
    basis: NDArray[np.float32]
    labels: NDArray[np.int16]
    names: tuple[str, ...]
    frame_step: int
    audio_sha256: str
    attribution: tuple[str, ...]

    @classmethod
    def of(
        cls,
        frames: NDArray[np.floating],
        labels: NDArray[np.int16],
        names: tuple[str, ...],
        audio_sha256: str,
        attribution: tuple[str, ...],
    ) -> "SoundBank":
        """Compresses the kept frames (R, K, D) of scenes to their principal components."""
        flat = frames.reshape(-1, frames.shape[-1]).astype(np.float32)
        _, vectors = np.linalg.eigh(flat.T.astype(np.float64) @ flat)  # rising eigenvalues
        components = vectors[:, ::-1][:, :COMPONENTS].T.astype(np.float32)  # (P, D)
        values = flat @ components.T
        steps = np.abs(values).max(axis=0) / _LARGEST_CODE
        codes = np.round(values / np.where(steps > 0, steps, 1)).astype(np.int8)
        return cls(
            codes.reshape(*frames.shape[:2], -1), components * steps[:, None], labels, names, FRAME_STEP,
            audio_sha256, attribution,
        )  # fmt: skip

    def frames(self) -> NDArray[np.float32]:
        """The kept frame embeddings, restored to unit norm, (R, K, D)."""
        restored = self.codes.astype(np.float32) @ self.basis
        return restored / np.maximum(np.linalg.norm(restored, axis=-1, keepdims=True), 1e-6)

    def scenes_without(self, names: frozenset[str]) -> NDArray[np.bool_]:
        """Which scenes hold none of the labels with these names, (R,)."""
        indices = [index for index, name in enumerate(self.names) if name in names]
        return np.asarray(~np.isin(self.labels, indices).any(axis=1), dtype=np.bool_)

    def save(self, file: Path) -> None:
        """Writes the bank."""
        texts = {"names": self.names, "attribution": self.attribution, "audio_sha256": self.audio_sha256}
        np.savez_compressed(
            file,
            codes=self.codes,
            basis=self.basis,
            labels=self.labels,
            frame_step=np.int64(self.frame_step),
            texts=np.frombuffer(json.dumps(texts).encode(), np.uint8),
        )

    @classmethod
    def load(cls, file: Path) -> "SoundBank":
        """Reads a bank.

        Raises:
            SoundBankError: The file does not exist or is no sound bank.
        """
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                texts = json.loads(stored["texts"].tobytes().decode())
                return cls(
                    stored["codes"], stored["basis"], stored["labels"], tuple(texts["names"]),
                    int(stored["frame_step"]), texts["audio_sha256"], tuple(texts["attribution"]),
                )  # fmt: skip
        except FileNotFoundError as error:
            raise SoundBankError(
                f"{file} does not exist; python -m training.build_sound_bank builds the bank of a bundle"
            ) from error
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise SoundBankError(f"{file} is no sound bank ({error})") from error

    def check_fits(self, encoders: BundleEncoders) -> None:
        """Checks that the bank was made with the audio graph of a bundle.

        Raises:
            SoundBankError: The bank was made with another audio graph.
        """
        if self.audio_sha256 != encoders.audio_sha256:
            raise SoundBankError(
                f"the sound bank was made for an audio graph with sha256 {self.audio_sha256[:12]}...; that of "
                f"{encoders.folder} has {encoders.audio_sha256[:12]}... (python -m training.build_sound_bank "
                f"--bundle {encoders.folder} builds its bank, from a pack of recordings)"
            )
