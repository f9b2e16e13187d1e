"""Examples of a request: stretches of recordings of the library, and of clips that the service remembers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.core.errors import ClipNotFound, ParameterInvalid
from service.core.scoring import EncodedQueries
from service.engine.call import Call
from service.engine.clip_embedding import ClipEmbedding
from service.engine.interface import LearntQuery, LocalizationEngine
from service.library.example_frames import query_by_example, stretch_frames
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

    def learnt_query(
        self, words: Sequence[str], like: Sequence[str], unlike: Sequence[str], call: Call
    ) -> LearntQuery | None:
        """The query of a request with examples; None if it has none.

        The background is that of the library, or without one the frames of the clip.

        Raises:
            ParameterInvalid: If an example cannot be used, or if there are several queries in words beside examples.
            ClipNotFound: If neither the library nor the cache has the recording of an example.
            QueryError: If the query in words cannot be used.
        """
        if not like and not unlike:
            return None
        if len(words) > 1:
            raise ParameterInvalid("query", f"{len(words)} queries", "at most 1 query beside examples")
        texts = self._engine.encode(words, call) if words else None
        like_frames, unlike_frames = (
            [self.frames(name, text) for text in items] for name, items in (("like", like), ("unlike", unlike))
        )
        in_library = self._library.searcher.background() if self._library else np.zeros((0, 0), np.float32)

        def learn(frames: NDArray[np.float16]) -> EncodedQueries:
            background = in_library if len(in_library) else frames.astype(np.float32)
            start = texts.encoded if texts else None
            return query_by_example(like_frames, unlike_frames, background, self._engine.manifest, start)

        name = " ".join([*words, *(f"like {text}" for text in like)])
        return LearntQuery(name, learn, tuple(texts.warnings[0]) if texts else ())

    def _find(self, recording_id: str) -> Recording | ClipEmbedding:
        found = self._library.searcher.library.recording(recording_id) if self._library else None
        if found is not None:
            return found
        cached = self._engine.cache.get(recording_id)
        if cached is None:
            raise ClipNotFound(recording_id[:100])
        return cached
