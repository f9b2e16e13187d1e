import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.bundle_errors import GraphMismatch
from service.core.manifest import PACKAGED_BUNDLE, Manifest, verify_bundle
from service.core.warnings import AnswerWarning
from service.engine.call import CallAbandoned
from service.engine.options import EngineOptions
from service.engine.text_encoder import TextEncoder, _batches
from tests.tiny_bundle import sign_bundle
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def manifest(tiny_bundle: Path) -> Manifest:
    return verify_bundle(tiny_bundle)


def _warnings(encoder: TextEncoder, query: str) -> tuple[AnswerWarning, ...]:
    (read,) = encoder.read([query])
    return read.warnings


@pytest.fixture(scope="module")
def text_encoder(tiny_bundle: Path, manifest: Manifest) -> TextEncoder:
    return TextEncoder(tiny_bundle, manifest, EngineOptions())


queries = st.lists(st.sampled_from(["low", "a HIGH tone", "low and middle", "zebra"]), min_size=1, max_size=5)


@given(queries)
def test_a_query_means_the_same_whatever_other_queries_come_with_it(
    text_encoder: TextEncoder, queries: list[str]
) -> None:
    together = text_encoder.encode(queries).embeddings
    np.testing.assert_array_equal(
        together, np.concatenate([text_encoder.encode([query]).embeddings for query in queries])
    )


def test_many_queries_go_in_several_batches_and_each_is_what_it_is_alone(text_encoder: TextEncoder) -> None:
    words = ("low", "middle", "high", "tone")
    queries = [
        f"{first} {second}{' and low' * longer}" for longer in (0, 80) for first in words for second in words
    ] * 4
    checks: list[int] = []
    together = text_encoder.encode(queries, lambda: checks.append(1)).embeddings
    assert len(checks) > 2
    np.testing.assert_allclose(
        together, np.concatenate([text_encoder.encode([query]).embeddings for query in queries]), atol=1e-6
    )


def test_work_that_is_no_longer_wanted_ends_between_batches(text_encoder: TextEncoder) -> None:
    def refuse() -> None:
        raise CallAbandoned

    with pytest.raises(CallAbandoned):
        text_encoder.encode(["low"], refuse)


def test_queries_are_normalized_and_cut_to_the_longest_that_the_tower_reads(text_encoder: TextEncoder) -> None:
    low, shouted, endless = text_encoder.encode(["low", "  LOW ", "low " * 500 + "high"]).embeddings
    np.testing.assert_array_equal(low, shouted)
    np.testing.assert_allclose(low, endless, atol=1e-6)


def test_a_query_that_is_cut_says_how_many_of_its_words_were_read(
    text_encoder: TextEncoder, manifest: Manifest
) -> None:
    limit = manifest.max_query_tokens
    assert _warnings(text_encoder, "low " * limit) == ()
    (warning,) = _warnings(text_encoder, "“low_" + "low\u200b " * (limit + 6))
    assert warning.code == "query-cut"
    assert f"first {limit} of {limit + 7} words" in warning.message
    assert f"at most {limit} tokens" in warning.message


def test_a_query_in_another_language_says_so_also_if_it_is_cut(text_encoder: TextEncoder) -> None:
    (warning,) = _warnings(text_encoder, "ein Hund bellt")
    assert (warning.code, warning.onset_s) == ("query-language-unknown", None)
    assert "German" in warning.message
    assert [warning.code for warning in _warnings(text_encoder, "犬 " * 500)] == ["query-cut", "query-language-unknown"]


def test_queries_are_encoded_on_the_cpu_whichever_device_is_set(
    tiny_bundle: Path, manifest: Manifest, text_encoder: TextEncoder
) -> None:
    encoder = TextEncoder(tiny_bundle, manifest, EngineOptions(device="cuda"))
    assert encoder._session.provider == "CPUExecutionProvider"
    queries = ["rain", "a dog barks"]
    assert encoder.encode(queries).embeddings.tobytes() == text_encoder.encode(queries).embeddings.tobytes()


def test_a_graph_of_other_names_is_refused(tiny_bundle_copy: Path) -> None:
    (tiny_bundle_copy / "text.onnx").write_bytes((tiny_bundle_copy / "audio.onnx").read_bytes())
    sign_bundle(tiny_bundle_copy)
    with pytest.raises(GraphMismatch, match=r"text\.onnx has inputs .*waveform.*accepted: .*input_ids"):
        TextEncoder(tiny_bundle_copy, verify_bundle(tiny_bundle_copy), EngineOptions())


def test_a_closed_tower_runs_no_more(tiny_bundle: Path, manifest: Manifest) -> None:
    encoder = TextEncoder(tiny_bundle, manifest, EngineOptions())
    encoder.close()
    with pytest.raises(ValueError, match="closed"):
        encoder.encode(["low"])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_query_of_the_packaged_model_has_the_same_bits_in_every_batch(threads: int) -> None:
    manifest = verify_bundle(PACKAGED_BUNDLE)
    encoder = TextEncoder(PACKAGED_BUNDLE, manifest, EngineOptions(device="cpu", intra_op_threads=threads))
    queries = [f"{n} dogs bark{' at a passing car' * (n % 3)}" for n in range(40)]
    alone = {query: encoder.encode([query]).embeddings.tobytes() for query in queries}
    for size in (2, 3, 7, 40):
        for query, embedding in zip(queries[:size], encoder.encode(queries[:size]).embeddings, strict=True):
            assert embedding.tobytes() == alone[query]


@given(
    lengths=st.lists(st.integers(1, 64), max_size=120),
    n_runs=st.integers(1, 8),
)
def test_every_query_is_in_one_batch_with_queries_of_its_length(lengths: list[int], n_runs: int) -> None:
    batches = _batches(lengths, n_runs, 192)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len({lengths[index] for index in batch}) == 1 for batch in batches)
    costs = [sum(lengths[index] for index in batch) for batch in batches]
    assert costs == sorted(costs, reverse=True)
    assert all(cost <= 192 for cost in costs)


def test_queries_of_equal_length_are_divided_evenly_among_the_runs() -> None:
    assert [len(batch) for batch in _batches([6] * 100, 2, 192)] == [25] * 4
    assert [len(batch) for batch in _batches([6] * 10, 2, 192)] == [5, 5]


def test_after_a_failure_the_batches_that_have_not_begun_are_left_out(tiny_bundle: Path, manifest: Manifest) -> None:
    encoder = TextEncoder(tiny_bundle, manifest, EngineOptions(device="cpu", intra_op_threads=2))
    first, has_failed, n_checks = threading.Lock(), threading.Event(), itertools.count()

    def check() -> None:
        next(n_checks)
        if first.acquire(blocking=False):
            raise CallAbandoned
        assert has_failed.wait(PATIENCE_S)

    with pytest.raises(CallAbandoned):
        encoder.encode(["low " * length for length in range(1, 60)], check)
    has_failed.set()
    encoder.close()
    assert next(n_checks) <= 3  # the failed one, and one that ran on each thread meanwhile
