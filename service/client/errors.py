"""The root of the client's errors, and the errors that have no class in `service.client.problems`.

::

    EarmarkError
    ├── ServiceUnreachable      no connection, or no answer in time
    ├── UnexpectedAnswer        an answer that is none of Earmark's, for example the error page of a proxy
    └── ProblemError            the service refused or failed; `service.client.problems` has a class for each problem type

Arguments that cannot be sent, such as an array without a sample rate, raise `TypeError` or `ValueError`. A file that
cannot be read raises `OSError`.
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from collections.abc import Mapping
from typing import Any, ClassVar

_STANDARD_MEMBERS = ("type", "title", "status", "detail", "setting")


class EarmarkError(Exception):
    """Root of the errors that the client raises.

    Attributes:
        retry_after_s: Time after which the request may succeed, in seconds; None if nothing is known.
    """

    retry_after_s: float | None = None


class ServiceUnreachable(EarmarkError):
    """The service cannot be reached, broke the connection, did not answer in time, or sent what HTTP does not allow."""


class UnexpectedAnswer(EarmarkError):
    """The answer does not come from Earmark, or comes from a version that this client does not know.

    Args:
        status: HTTP status code of the answer.
        reason: What is unexpected.
        retry_after_s: Value of the Retry-After header, in seconds.

    Attributes:
        status: HTTP status code of the answer.
    """

    def __init__(self, status: int, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}: {reason}")
        self.status, self._reason, self.retry_after_s = status, reason, retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the error by its arguments, so that a worker process can return it."""
        return type(self), (self.status, self._reason, self.retry_after_s)


class ProblemError(EarmarkError):
    """The service answered with a problem (RFC 9457). The message is the `detail` of the problem.

    Args:
        problem: The members of the problem.
        request_id: Value of the X-Request-ID header.
        retry_after_s: Value of the Retry-After header, in seconds.

    Attributes:
        type_name: Last part of the problem type, such as "audio-too-long"; it never changes.
        status: HTTP status code.
        title: Short text of the problem type.
        detail: What was received, what is accepted, and which of the operator's settings decides.
        setting: The operator's setting that decides what is accepted, or None.
        data: Further members of the problem, such as `limit_s`.
        request_id: Identifier of the request, which is also in the log of the service.
    """

    type_name: ClassVar[str] = ""

    def __init__(self, problem: Mapping[str, Any], request_id: str = "", retry_after_s: float | None = None) -> None:
        self.detail = str(problem.get("detail", ""))
        super().__init__(self.detail)
        self.status, self.title = int(problem.get("status", 0)), str(problem.get("title", ""))
        self.setting: str | None = problem.get("setting")
        self.data = {name: value for name, value in problem.items() if name not in _STANDARD_MEMBERS}
        self.request_id, self.retry_after_s = request_id, retry_after_s
        self._problem = dict(problem)

    def __init_subclass__(cls, type_name: str = "") -> None:
        if type_name:
            cls.type_name = type_name
            PROBLEM_CLASSES[type_name] = cls

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the error by its arguments, so that a worker process can return it."""
        return type(self), (self._problem, self.request_id, self.retry_after_s)


PROBLEM_CLASSES: dict[str, type[ProblemError]] = {}
"""The class of each problem type that this client knows, by the name of the type."""
