"""Secret settings from files: EARMARK_<NAME>_FILE names a file that has the value of EARMARK_<NAME>.

Container platforms give secrets to a process as files, such as `/run/secrets/redis_url`, so that a secret is neither in
the environment nor in a list of processes.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from service.core.start_errors import SettingInvalid

SUFFIX = "_FILE"
MAX_BYTES = 4096
"""Maximum size of a secret, in bytes; a larger file is a mistake."""


def read_secret_files(environment: Mapping[str, str], variables: Iterable[str]) -> dict[str, str]:
    """Reads the values of the variables whose file is named in the environment.

    Args:
        environment: The environment variables; upper and lower case of names do not matter.
        variables: Names of the secret settings, such as `EARMARK_REDIS_URL`.

    Returns:
        The value of each variable that has a file, without the line break at its end.

    Raises:
        SettingInvalid: If a variable is set in both ways, or if its file cannot be used. The message has no part of the
            secret.
    """
    given = {name.upper(): value for name, value in environment.items() if value}
    secrets: dict[str, str] = {}
    for variable in variables:
        if path := given.get(f"{variable}{SUFFIX}"):
            if variable in given:
                raise SettingInvalid(f"{variable}{SUFFIX}", f"set together with {variable}", "only one of the two")
            secrets[variable] = _read(f"{variable}{SUFFIX}", Path(path))
    return secrets


def _read(variable: str, path: Path) -> str:
    """The only line of a file."""
    try:
        content = _read_regular_file(path)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else "not UTF-8"
        raise SettingInvalid(variable, f"{str(path)!r} ({reason})", "a file that the service can read") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(content) > MAX_BYTES or not text.isprintable():
        size = f"more than {MAX_BYTES}" if len(content) > MAX_BYTES else str(len(content))
        accepted = f"a file with one line of at most {MAX_BYTES} bytes and without control characters"
        raise SettingInvalid(variable, f"{str(path)!r} ({size} bytes)", accepted)
    return text


def _read_regular_file(path: Path) -> bytes:
    """The first bytes of a file, one more than the maximum.

    Raises:
        OSError: If it cannot be read, or if it is not a regular file: reading a pipe could wait forever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it has a descriptor, not a path
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "not a regular file")
        return file.read(MAX_BYTES + 1)
