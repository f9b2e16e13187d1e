import dataclasses
import json
from pathlib import Path

import pytest

from service.core.bundle_errors import BundleFileMissing, ChecksumMismatch, ManifestInvalid
from service.core.frame_grid import FrameGrid
from service.core.manifest import BUNDLE_FILES, CPU_AUDIO_GRAPH, Manifest, verify_bundle
from service.core.presence import PresenceRule
from service.core.query_wording import NEWEST_NORMALIZER
from tests.manifests import make_manifest

MANIFEST = make_manifest()
FIELDS = [field.name for field in dataclasses.fields(Manifest)]
REQUIRED = [field.name for field in dataclasses.fields(Manifest) if field.default is dataclasses.MISSING]
OF_ANOTHER_KIND = [
    (field, value)
    for field in FIELDS
    for value in (None, -1.5, [1], {"a": 1}, True)
    if (field, value) != ("bias", -1.5)  # a bias may be negative
]


def _changed(**changes: object) -> str:
    return json.dumps(json.loads(MANIFEST.to_json()) | changes)


def test_a_manifest_read_from_its_json_is_equal() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


def test_the_format_decides_which_outputs_the_text_graph_has() -> None:
    assert (MANIFEST.format_version, MANIFEST.text_outputs) == (2, ("embedding",))
    text_dependent = Manifest.from_json(_changed(format_version=3))
    assert text_dependent.has_text_dependent_sigmoids
    assert text_dependent.text_outputs == ("embedding", "sigmoid")


def test_a_manifest_gives_its_grid_and_windows() -> None:
    assert MANIFEST.grid == FrameGrid(16_000, 640)
    assert MANIFEST.window_samples == 160_000
    assert MANIFEST.window_plan.step_frames == 200


def test_a_bundle_may_have_a_graph_for_cpus() -> None:
    files = {**MANIFEST.files, CPU_AUDIO_GRAPH: "0" * 64}
    assert Manifest.from_json(_changed(files=files)).files == files
    with pytest.raises(ManifestInvalid, match=r"optionally audio_cpu\.onnx"):
        Manifest.from_json(_changed(files={**MANIFEST.files, "audio_gpu.onnx": "0" * 64}))


@pytest.mark.parametrize(("field", "value"), OF_ANOTHER_KIND, ids=repr)
def test_a_field_of_another_kind_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.from_json(_changed(**{field: value}))
    assert caught.value.field.startswith(field)


def test_a_bundle_without_an_extent_scale_extends_scores_and_has_no_short_peaks() -> None:
    document = json.loads(MANIFEST.to_json())
    assert not {"extent_scale", "core_s", "short_extent_ratio"} & set(document["postprocessing"])
    assert (MANIFEST.postprocessing.extent_scale, MANIFEST.postprocessing.core_s) == ("score", 0)
    by_odds = dataclasses.replace(MANIFEST.postprocessing, extent_scale="odds", core_s=0.28, short_extent_ratio=0.6)
    manifest = dataclasses.replace(MANIFEST, postprocessing=by_odds)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_bundle_without_a_version_of_the_rules_for_queries_has_none() -> None:
    assert "query_normalizer_version" not in json.loads(MANIFEST.to_json())
    assert MANIFEST.query_normalizer_version == 0
    with_rules = dataclasses.replace(MANIFEST, query_normalizer_version=1)
    assert json.loads(with_rules.to_json())["query_normalizer_version"] == 1
    assert Manifest.from_json(with_rules.to_json()) == with_rules


def test_the_rule_of_presence_is_optional() -> None:
    assert "presence" not in json.loads(MANIFEST.to_json())
    assert MANIFEST.presence is None
    with_rule = dataclasses.replace(MANIFEST, presence=PresenceRule(30.0, 0.5))
    assert json.loads(with_rule.to_json())["presence"] == {"from_s": 30.0, "logits_per_doubling": 0.5}
    assert Manifest.from_json(with_rule.to_json()) == with_rule


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"from_s": 30.0}, "presence.logits_per_doubling"),
        ({"from_s": 0, "logits_per_doubling": 0.5}, "presence.from_s"),
        ({"from_s": 30.0, "logits_per_doubling": float("nan")}, "presence.logits_per_doubling"),
        ({"from_s": 30.0, "logits_per_doubling": 0.5, "to_s": 60.0}, "presence.to_s"),
    ],
)
def test_a_broken_rule_of_presence_is_refused_by_name(rule: dict, field: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.from_json(_changed(presence=rule))
    assert caught.value.field == field


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_refused_by_name(field: str) -> None:
    document = json.loads(MANIFEST.to_json())
    del document[field]
    with pytest.raises(ManifestInvalid, match=f"{field} is missing"):
        Manifest.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format_version": 1}, "format_version"),
        ({"format_version": 4}, "format_version"),
        ({"format_version": 3.0}, "format_version"),
        ({"hop_samples": 0}, "hop_samples"),
        ({"overlap_frames": 126}, "overlap_frames"),
        ({"scale": 0}, "scale"),
        ({"query_normalization": "upper"}, "query_normalization"),
        ({"query_normalizer_version": NEWEST_NORMALIZER + 1}, "query_normalizer_version"),
        ({"query_normalizer_version": -1}, "query_normalizer_version"),
        ({"query_normalizer_version": True}, "query_normalizer_version"),
        ({"files": {"audio.onnx": "0" * 64}}, "files"),
        ({"files": dict.fromkeys(BUNDLE_FILES, "xyz")}, "files[audio.onnx]"),
        ({"postprocessing": {"threshold": 0.5}}, "postprocessing.threshold_off"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(changes: dict, field: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.from_json(_changed(**changes))
    assert caught.value.field == field


def test_a_manifest_of_another_format_is_refused_by_its_version_before_its_fields_are_read() -> None:
    with pytest.raises(ManifestInvalid, match="format_version is 1; accepted: 2, 3"):
        Manifest.from_json('{"format_version": 1, "postprocessing": {}, "colour": "red"}')


def test_a_default_threshold_out_of_range_is_a_fault_of_the_manifest() -> None:
    postprocessing = dataclasses.asdict(MANIFEST.postprocessing) | {"threshold": 1.5}
    with pytest.raises(ManifestInvalid, match=r"postprocessing.threshold is 1.5; accepted: 0 to 1"):
        Manifest.from_json(_changed(postprocessing=postprocessing))


@pytest.mark.parametrize("text", ["", "[]", "{", "nan"])
def test_a_manifest_that_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(ManifestInvalid, match="the document"):
        Manifest.from_json(text)


def test_a_whole_bundle_is_verified(tiny_bundle: Path) -> None:
    assert verify_bundle(tiny_bundle).name == "tiny"


def test_a_changed_file_is_refused(tiny_bundle_copy: Path) -> None:
    with (tiny_bundle_copy / "text.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ChecksumMismatch, match=r"text.onnx has sha256 .*; manifest.json says"):
        verify_bundle(tiny_bundle_copy)


@pytest.mark.parametrize("name", ["manifest.json", *BUNDLE_FILES])
def test_a_missing_file_is_refused_by_name(tiny_bundle_copy: Path, name: str) -> None:
    (tiny_bundle_copy / name).unlink()
    with pytest.raises(BundleFileMissing, match=name):
        verify_bundle(tiny_bundle_copy)


HUGE = "9" * 4000


@pytest.mark.parametrize("field", ["sample_rate_hz", "hop_samples", "dimension", "window_frames", "max_query_tokens"])
@pytest.mark.parametrize("value", ["0", "-1", "1" + "0" * 12, HUGE, f"-{HUGE}", "1e400", "NaN", "1.0"])
def test_an_absurd_number_is_refused_in_one_line(field: str, value: str) -> None:
    document = json.loads(MANIFEST.to_json())
    document[field] = "here"
    _assert_refused(json.dumps(document).replace('"here"', value))


@pytest.mark.parametrize("field", ["scale", "bias"])
@pytest.mark.parametrize("value", ["1e400", "-1e400", "NaN", "1e300", "-1e300", HUGE])
def test_an_absurd_calibration_is_refused_in_one_line(field: str, value: str) -> None:
    document = json.loads(MANIFEST.to_json())
    document[field] = "here"
    _assert_refused(json.dumps(document).replace('"here"', value))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(MANIFEST.postprocessing)])
@pytest.mark.parametrize("value", ["1e400", "-1", "NaN", "1e300", HUGE])
def test_an_absurd_default_is_refused_in_one_line(field: str, value: str) -> None:
    document = json.loads(MANIFEST.to_json())
    document["postprocessing"][field] = "here"
    _assert_refused(json.dumps(document).replace('"here"', value))


@pytest.mark.parametrize(
    "changes",
    [
        {"window_frames": 31_536_000 * 25, "overlap_frames": 0},
        {"window_frames": 16_000, "hop_samples": 1000},
        {"sample_rate_hz": 1, "hop_samples": 1, "window_frames": 601, "overlap_frames": 0},
        {"overlap_frames": -1},
        {"name": "\ud800"},
        {"name": "x" * 20_000},
        {"licences": ["x\ud800"]},
        {"x" * 100_000: 1},
        {"a\nb": 1},
        {"files": {"a\nb" * 1000: "0" * 64}},
        {"trained_on": [[[[[[[[[]]]]]]]]]},
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_other_absurd_values_are_refused_in_one_line(changes: dict) -> None:
    _assert_refused(_changed(**changes))


@pytest.mark.parametrize(
    "text", ["[" * 500_000, '{"name":' * 100_000, '{"format_version": 2, "a": ' + "[" * 900 + "]" * 900 + "}", HUGE * 2]
)
def test_deeply_nested_json_is_refused_in_one_line(text: str) -> None:
    _assert_refused(text)


def test_a_manifest_of_several_megabytes_is_refused(tiny_bundle_copy: Path) -> None:
    with (tiny_bundle_copy / "manifest.json").open("a") as file:
        file.write(" " * (1 << 20))
    with pytest.raises(ManifestInvalid, match=r"the document is 10[0-9]* bytes long; accepted: at most 1048576 bytes"):
        verify_bundle(tiny_bundle_copy)


def _assert_refused(text: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.from_json(text)
    line = str(caught.value)
    assert "\n" not in line
    assert line.encode()
    assert len(line) < 600
