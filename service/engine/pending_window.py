"""One window that waits for its embeddings."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.engine.call import Call

Float32 = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class PendingWindow:
    """A window that waits for its embeddings.

    Attributes:
        call: The call that the window belongs to.
        samples: Shape (N,).
        embeddings: Future of the frame embeddings, shape (Tw, D).
        started_s: Monotonic time at which the window's batch started; 0 before that.
    """

    call: Call
    samples: Float32
    embeddings: Future[Float32] = field(default_factory=Future[Float32])
    started_s: float = 0.0

    def wait(self) -> Float32:
        """Waits for the embeddings, and adds the time to the stages "queue" and "inference" of the call.

        Raises:
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
            EngineStopped: If the device failed or the engine was closed.
        """
        began_s = time.monotonic()
        try:
            return self.embeddings.result(self.call.remaining_s)
        except TimeoutError:
            self.call.check()
            raise
        finally:
            done_s = time.monotonic()
            started_s = min(max(self.started_s or done_s, began_s), done_s)
            self.call.record("queue", began_s, started_s)
            self.call.record("inference", started_s, done_s)
