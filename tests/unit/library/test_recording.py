from service.library.recording import COLUMNS, LibraryModel, Recording
from tests.manifests import make_manifest

ROW = Recording("a1", "/x.wav", "c" * 64, 10, 5, 2.5, 63, 7, metadata={"site": "north", "gain": None})


def test_a_recording_survives_the_way_through_a_row() -> None:
    assert Recording.of_row(ROW.row()) == ROW
    assert set(ROW.row()) == {*COLUMNS, "site", "gain"}


def test_the_model_of_a_library_is_that_of_the_bundle_and_its_text_names_it() -> None:
    manifest = make_manifest(name="tower", version="9", dimension=33)
    model = LibraryModel.of(manifest)
    assert (model.name, model.version, model.dimension, model.grid) == ("tower", "9", 33, manifest.grid)
    assert str(model).startswith("tower 9 (embeddings ")
    assert LibraryModel.of(make_manifest(hop_samples=320)).model_id != model.model_id
