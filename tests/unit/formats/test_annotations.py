from pathlib import Path

import jams
import pytest

from service.formats.annotations import as_jams
from service.formats.document import Document
from tests.unit.formats.documents import DOCUMENT, EMPTY, ODD

pytestmark = pytest.mark.filterwarnings("ignore:Passing a schema to Validator:DeprecationWarning")  # in jams


@pytest.mark.parametrize("document", [DOCUMENT, EMPTY])
def test_jams_reads_and_validates_the_file(document: Document, tmp_path: Path) -> None:
    path = tmp_path / "street.jams"
    path.write_text(as_jams(document), encoding="utf-8")
    file = jams.load(str(path), validate=True, strict=True)
    assert file.file_metadata.duration == 7205.5
    assert file.file_metadata.identifiers["earmark_clip_id"] == "0123abcd"
    (annotation,) = file.search(namespace="tag_open")
    assert len(annotation.data) == len(document.detections)


def test_observations_have_the_query_unchanged_and_the_score_as_confidence(tmp_path: Path) -> None:
    path = tmp_path / "street.jams"
    path.write_text(as_jams(DOCUMENT), encoding="utf-8")
    (annotation,) = jams.load(str(path)).annotations
    observations = [(each.time, each.duration, each.value, each.confidence) for each in annotation.data]
    assert observations == [(0.0, 7205.5, "rain", 0.8), (0.04, 0.04, ODD, 0.9), (3725.12, 0.88, ODD, 0.654321)]
