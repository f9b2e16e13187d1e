from pathlib import Path

import numpy as np
import pytest

from service.core.library_errors import LibraryDamaged
from service.library.moment_check import check_moments
from service.library.store import Library
from tests.library_parts import MODEL, make_library, new_recording


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 603), new_recording("/b", b"b", 40), new_recording("/c", b"c", 1)])
    return library


def test_moments_as_they_were_written_are_sound(library: Library) -> None:
    assert check_moments(library) == library.tables.moments.count_rows()
    library.remove(library.recordings(["id"])["id"].to_pylist())
    assert check_moments(library) == 0


def test_left_overs_of_writers_are_no_damage(library: Library) -> None:
    n_moments = library.tables.moments.count_rows()
    left_over = library.tables.moments.to_arrow().slice(0, 3)
    generation = left_over.schema.get_field_index("generation")
    library.tables.moments.add(left_over.set_column(generation, "generation", [[7, 7, 7]]))
    assert check_moments(library) == n_moments
    library.tables.recordings.delete("true")
    assert check_moments(library) == 0


def test_missing_and_repeated_moments_are_found(library: Library) -> None:
    library.tables.moments.add(library.tables.moments.to_arrow().slice(1, 1))
    with pytest.raises(LibraryDamaged, match=r"moments of /[abc] are missing or there twice"):
        check_moments(library)
    (generation,) = library.recordings(["generation"], "path = '/b'")["generation"].to_pylist()
    library.tables.moments.delete(f"generation != {generation}")
    with pytest.raises(LibraryDamaged, match=r"moments of /[ac] are missing"):
        check_moments(library)


@pytest.mark.parametrize(
    "values",
    [
        {"first_frame": -5},
        {"end_frame": 100_000},
        {"vector": [0.5] * 16},
        {"vector": [1e30] + [0.0] * 15},
        {"cells": bytes(MODEL.dimension)},
        {"cells": b"12"},
    ],
)
def test_changed_moments_are_found(values: dict[str, object], library: Library) -> None:
    (generation,) = library.recordings(["generation"], "path = '/a'")["generation"].to_pylist()
    moments = library.tables.moments.to_arrow()
    of_a = moments["first_frame"].to_numpy()[moments["generation"].to_numpy() == generation]
    first = int(np.sort(of_a)[1])
    where = f"generation = {generation} AND first_frame = {first}"
    if "cells" in values:
        chosen = library.tables.moments.search().where(where).to_arrow()
        library.tables.moments.delete(where)
        place = chosen.schema.get_field_index("cells")
        library.tables.moments.add(chosen.set_column(place, "cells", [[values["cells"]]]))
    else:
        library.tables.moments.update(where=where, values=values)
    with pytest.raises(LibraryDamaged):
        check_moments(library)
