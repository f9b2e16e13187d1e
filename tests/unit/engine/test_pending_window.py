import threading

import numpy as np
import pytest

from service.core.errors import DeadlineExceeded
from service.engine.call import Call, CallAbandoned
from service.engine.pending_window import PendingWindow


def test_the_embeddings_are_returned_once_they_are_set() -> None:
    window, frames = PendingWindow(Call(), np.zeros(2, np.float32)), np.ones((1, 1), np.float32)
    threading.Timer(0.02, lambda: window.embeddings.set_result(frames)).start()
    assert window.wait() is frames
    assert set(window.call.stage_times) == {"queue", "inference"}


def test_a_window_is_not_waited_for_beyond_the_deadline() -> None:
    with pytest.raises(DeadlineExceeded):
        PendingWindow(Call(timeout_s=0.01), np.zeros(2, np.float32)).wait()


def test_the_reason_of_a_dropped_window_is_raised() -> None:
    window = PendingWindow(Call(), np.zeros(2, np.float32))
    window.embeddings.set_exception(CallAbandoned())
    with pytest.raises(CallAbandoned):
        window.wait()
