"""The parser of a subcommand, which takes words between and after its options."""

import argparse
from collections.abc import Sequence
from typing import Any


class CommandParser(argparse.ArgumentParser):
    """A parser whose last list of words may be empty, and may continue behind options.

    argparse gives `clip.wav --csv "a dog"` an empty list of queries before it reads `--csv`, and refuses the words behind it.

    Attributes:
        late_words: Name of the argument that takes words behind options; empty for none.
    """

    late_words = ""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # pyright: ignore[reportIncompatibleMethodOverride] - the overloads of argparse
        """Parses arguments, and returns them with the arguments that are unknown."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if not self.late_words or any(word.startswith("-") for word in unknown):
            return parsed, unknown
        (action,) = (each for each in self._actions if each.dest == self.late_words)
        try:
            words = [action.type(word) if callable(action.type) else word for word in unknown]
        except argparse.ArgumentTypeError as error:
            self.error(f"argument {action.metavar}: {error}")
        setattr(parsed, self.late_words, [*getattr(parsed, self.late_words), *words])
        return parsed, []
