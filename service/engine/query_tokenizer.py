"""Opens the tokenizer of a bundle, and converts every failure of the library, even a panic, to `TokenizerInvalid`."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tokenizers import Tokenizer

from service.core.bundle_errors import TokenizerInvalid

_MAX_REASON_CHARS = 200
_CHECKED_TEXT = "a dog barks"


def open_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    """Opens a tokenizer that truncates long texts, and tests it with an English text.

    Args:
        path: File of the tokenizer.
        max_tokens: Largest number of tokens of a text.

    Raises:
        TokenizerInvalid: If the file is not a tokenizer, or if the tokenizer gives no token for an English text.
    """
    with _failures_as_invalid():
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.enable_truncation(max_tokens)  # pyright: ignore[reportUnknownMemberType] - its stub types no kwargs
        tokenizer.no_padding()
        ids = tokenizer.encode(_CHECKED_TEXT).ids
    if not ids:
        raise TokenizerInvalid(f"it gives no token for {_CHECKED_TEXT!r}")
    return tokenizer


@contextmanager
def _failures_as_invalid() -> Generator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of the library is no `Exception`
        reason = " ".join(str(error).split())[:_MAX_REASON_CHARS]
        raise TokenizerInvalid(reason or type(error).__name__) from error
