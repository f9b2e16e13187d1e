"""Clients that post one clip each at the same moment: `python -m tests.benchmarks.burst_client URL NUMBER`; prints JSON.

Every client has a connection of its own, sends its whole request before it reads, as many HTTP libraries do, and returns
after the time in `Retry-After` if it is refused. The process is separate from the service and from the measurement.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

from tests.benchmarks.load import HEADERS, clips, form

QUERIES = ["a dog barks", "a siren"]
_PIECE_BYTES = 32 << 10
_DEADLINE_S = 600.0


@dataclass(slots=True)
class Burst:
    """What the clients of a burst saw.

    Attributes:
        answers: Number of clients by the status of their first answer, or the name of the error.
        returns: Number of refused clients by the status of the answer to their first return.
        later: Number of all later answers, by status.
        seconds: Response times of the first answers with status 200, in seconds.
        retry_after_s: The times that refused clients were sent away for at first, in seconds.
        n_unfinished: Number of clients that still waited at the deadline of the measurement.
        first_s: Time until all clients had their first answer, in seconds.
        wall_s: Time until the last client was done, in seconds.
    """

    answers: Counter[str] = field(default_factory=Counter[str])
    returns: Counter[str] = field(default_factory=Counter[str])
    later: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])
    retry_after_s: list[int] = field(default_factory=list[int])
    n_unfinished: int = 0
    first_s: float = 0.0
    wall_s: float = 0.0


class Clip:
    """A clip that all clients send with different first samples, so that no two are the same; shares its bytes."""

    def __init__(self, seconds: int, seed: int) -> None:
        wav = next(clips(1, seconds, seed))
        self._body = form(wav, QUERIES, curves="none")
        self._varied = self._body.index(wav) + 44  # behind the header of the WAV file

    def request(self, host: str, number: int) -> list[bytes | memoryview]:
        """The pieces of the request of a client."""
        names = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head = f"POST /localize HTTP/1.1\r\nHost: {host}\r\n{names}Content-Length: {len(self._body)}\r\n\r\n".encode()
        rest = memoryview(self._body)[self._varied + 8 :]
        pieces = [rest[start : start + _PIECE_BYTES] for start in range(0, len(rest), _PIECE_BYTES)]
        return [head + self._body[: self._varied] + number.to_bytes(8, "little"), *pieces]


async def post(host: str, port: int, pieces: list[bytes | memoryview]) -> tuple[str, int]:
    """Sends one request; returns its status, or the name of the error, and the seconds in Retry-After."""
    writer = None
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 16)
        writer.transport.set_write_buffer_limits(0)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(headers["content-length"]))
        return head.split()[1], int(headers.get("retry-after", 0))
    except (OSError, asyncio.IncompleteReadError) as error:
        return type(error).__name__, 0
    finally:
        if writer:
            writer.close()


async def burst(url: str, number: int, seconds: int, seed: int, max_returns: int) -> Burst:
    """Posts `number` different clips of `seconds` seconds at once; refused clients return at most `max_returns` times."""
    address, clip, seen = urlsplit(url), Clip(seconds, seed), Burst()
    host, port = address.hostname or "", address.port or 80
    began_s = time.perf_counter()

    async def client(index: int) -> None:
        pieces = clip.request(host, seed * 10**9 + index)
        for attempt in range(1 + max_returns):
            sent_s = time.perf_counter()
            status, retry_s = await post(host, port, pieces)
            now_s = time.perf_counter()
            (seen.answers, seen.returns, seen.later)[min(attempt, 2)][status] += 1
            if attempt == 0:
                seen.first_s = now_s - began_s
                if status == "200":
                    seen.seconds.append(now_s - sent_s)
                if retry_s:
                    seen.retry_after_s.append(retry_s)
            if status != "429" or attempt == max_returns:
                break
            await asyncio.sleep(retry_s)

    clients = [asyncio.create_task(client(index)) for index in range(number)]
    _, unfinished = await asyncio.wait(clients, timeout=_DEADLINE_S)
    seen.n_unfinished = len(unfinished)
    for unfinished_client in unfinished:
        unfinished_client.cancel()
    seen.wall_s = time.perf_counter() - began_s
    return seen


def main() -> None:
    url, number, seconds, seed, max_returns = sys.argv[1], *map(int, sys.argv[2:])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seen = asyncio.run(burst(url, number, seconds, seed, max_returns))
    print(json.dumps({name.name: getattr(seen, name.name) for name in fields(seen)}))


if __name__ == "__main__":
    main()
