import threading

import numpy as np

from service.engine.caching.peer_tier import FAILURES, PeerTier
from service.engine.clip_embedding import ClipEmbedding
from tests.waiting import PATIENCE_S

EMBEDDING = ClipEmbedding(np.ones((1, 4), np.float16), 0.04)


def test_what_is_put_is_kept_at_the_owner_and_found_there() -> None:
    owner: dict[str, ClipEmbedding] = {}
    tier = PeerTier(owner.get, owner.__setitem__)
    assert tier.get("a") is None
    tier.put("a", EMBEDDING)
    tier.close()  # waits for what is in the background
    assert tier.get("a") is EMBEDDING
    assert tier.contains("a")
    assert not tier.contains("b")
    assert tier.answers()


def test_owners_that_fail_look_empty_and_are_left_alone_after_a_while() -> None:
    n_calls = 0

    def fail(*_: object) -> None:
        nonlocal n_calls
        n_calls += 1
        raise TimeoutError

    tier = PeerTier(fail, fail)
    for _ in range(10):
        assert tier.get("a") is None
    assert n_calls == FAILURES
    assert not tier.answers()
    tier.put("a", EMBEDDING)
    tier.close()
    assert n_calls == FAILURES


def test_a_slow_owner_does_not_pile_up_embeddings() -> None:
    release, kept = threading.Event(), []

    def keep(clip_id: str, _: ClipEmbedding) -> None:
        release.wait(PATIENCE_S)
        kept.append(clip_id)

    tier = PeerTier(lambda _: None, keep)
    for number in range(1000):
        tier.put(str(number), EMBEDDING)
    release.set()
    tier.close()
    assert 1 <= len(kept) < 200
