"""Examples of a request: stretches of recordings of the library, and of clips that the service remembers."""

import numpy as np
from numpy.typing import NDArray

from service.core.errors import ClipNotFound
from service.engine.clip_embedding import ClipEmbedding
from service.engine.interface import LocalizationEngine
from service.library.example_frames import stretch_frames
from service.library.recording import Recording
from service.library.serving import ServedLibrary


class ExampleFinder:
    """Finds the frames of examples, in the library first and then in the cache.

    Args:
        engine: The engine, whose cache has the clips of earlier requests.
        library: The library of the service; None if it has none.
    """

    def __init__(self, engine: LocalizationEngine, library: ServedLibrary | None) -> None:
        self._engine, self._library = engine, library

    def frames(self, name: str, text: str) -> NDArray[np.float32]:
        """The frames of an example, shape (F, D).

        Args:
            name: Name of the field, for messages.
            text: The example; see `service.core.example_spec`.

        Raises:
            ParameterInvalid: If the example has another form, or ends after the recording.
            ClipNotFound: If neither the library nor the cache has the recording.
        """
        library = self._library.searcher.library if self._library else None
        return stretch_frames(name, text, self._find, self._engine.manifest, library)

    def _find(self, recording_id: str) -> Recording | ClipEmbedding:
        found = self._library.searcher.library.recording(recording_id) if self._library else None
        if found is not None:
            return found
        cached = self._engine.cache.get(recording_id)
        if cached is None:
            raise ClipNotFound(recording_id[:100])
        return cached
