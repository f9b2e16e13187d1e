"""Conditions on recordings: a small part of SQL, checked and written anew before the engine of the library sees it.

Only comparisons of columns with values, and their combinations, are accepted. Functions are not, because a condition can come
over HTTP, and `repeat('x', 1000000000)` would take the memory of the service.
"""

import math
from collections.abc import Mapping
from typing import Any

from service.core.library_errors import FilterInvalid
from service.core.start_errors import LibraryUnavailable

MAX_CHARS = 2000
MAX_DEPTH = 12
ACCEPTED = (
    "comparisons such as site = 'north' AND (duration_s > 60 OR path LIKE '%owl%'), also with IN, BETWEEN and IS NULL"
)
BUILT_IN: Mapping[str, type] = {"id": str, "path": str, "duration_s": float}
"""Columns of every library that a condition may name."""
_COMPARISONS = {"EQ": "=", "NEQ": "!=", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}


def check_condition(text: str, metadata: Mapping[str, type]) -> str:
    """Checks a condition, and writes it as SQL for LanceDB.

    Args:
        text: The condition.
        metadata: Types of the columns of metadata, `str` or `float`.

    Raises:
        FilterInvalid: If the text is no such condition, or names an unknown column.
    """
    try:
        from sqlglot import exp, parse_one
        from sqlglot.errors import SqlglotError
    except ModuleNotFoundError as error:
        raise LibraryUnavailable(str(error.name)) from error
    if len(text) > MAX_CHARS:
        raise FilterInvalid(f"it has {len(text)} characters", f"at most {MAX_CHARS} characters")
    try:
        tree: Any = parse_one(text, into=exp.Condition)
    except (SqlglotError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        # the parser has a class for most of its errors, but random text also makes it fail inside
        raise FilterInvalid(f"{_shown(text)} is not understood", ACCEPTED) from error
    try:
        return _Writer({**BUILT_IN, **metadata}).condition(tree)
    except RecursionError as error:
        raise FilterInvalid(f"{_shown(text)} is not understood", ACCEPTED) from error


class _Writer:
    """Writes a parsed condition as SQL.

    Args:
        columns: Types of the known columns.
    """

    def __init__(self, columns: Mapping[str, type]) -> None:
        self._columns = columns

    def condition(self, node: Any, depth: int = 0) -> str:
        """Writes a condition that is nested to this depth; values alone are none."""
        kind = type(node).__name__
        if depth > MAX_DEPTH:
            raise FilterInvalid("it is nested too deeply", f"at most {MAX_DEPTH} levels")
        if kind in ("And", "Or"):
            return f"({f' {kind.upper()} '.join(self.condition(part, depth + 1) for part in node.flatten())})"
        if kind == "Paren":
            return self.condition(node.this, depth + 1)
        if kind == "Not":
            return f"(NOT {self.condition(node.this, depth + 1)})"
        return self._test(node, kind)

    def _test(self, node: Any, kind: str) -> str:
        """Writes the test of one column."""
        if kind in _COMPARISONS:
            return self._comparison(node, _COMPARISONS[kind])
        if kind in ("Like", "ILike"):
            name = self._column(node.this, str)
            return f"({name} {kind.upper()} {self._value(node.expression, str)})"
        if kind == "In" and node.expressions and not node.args.get("query"):
            name, of = self._column(node.this), self._kind(node.this)
            return f"({name} IN ({', '.join(self._value(item, of) for item in node.expressions)}))"
        if kind == "Between":
            name, of = self._column(node.this), self._kind(node.this)
            return f"({name} BETWEEN {self._value(node.args['low'], of)} AND {self._value(node.args['high'], of)})"
        if kind == "Is" and type(node.expression).__name__ == "Null":
            return f"({self._column(node.this)} IS NULL)"
        raise FilterInvalid(f"it has {_shown(node)}", ACCEPTED)

    def _comparison(self, node: Any, sign: str) -> str:
        if type(node.this).__name__ == "Column":
            return f"({self._column(node.this)} {sign} {self._value(node.expression, self._kind(node.this))})"
        return f"({self._value(node.this, self._kind(node.expression))} {sign} {self._column(node.expression)})"

    def _kind(self, node: Any) -> type:
        self._column(node)
        return self._columns[node.name.lower()]

    def _column(self, node: Any, kind: type | None = None) -> str:
        is_plain = type(node).__name__ == "Column" and not node.table
        if not is_plain:
            raise FilterInvalid(f"it has {_shown(node)} where a column is needed", ACCEPTED)
        name = node.name.lower()
        if name not in self._columns:
            raise FilterInvalid(f"the library has no column {_shown(node)}", f"the columns {', '.join(self._columns)}")
        if kind not in (None, self._columns[name]):
            raise FilterInvalid(f"column {name} holds numbers", "a comparison with a number")
        return f"`{name}`"

    def _value(self, node: Any, kind: type) -> str:
        sign = ""
        if type(node).__name__ == "Neg":
            node, sign = node.this, "-"
        if type(node).__name__ != "Literal":
            raise FilterInvalid(f"it has {_shown(node)} where a value is needed", ACCEPTED)
        if kind is str:
            if not node.is_string or sign:
                raise FilterInvalid(f"it compares a column of texts with {_shown(node)}", "a text in single quotes")
            return "'" + node.this.replace("'", "''") + "'"
        number = math.nan if node.is_string else _number(node.this)
        if not math.isfinite(number):
            raise FilterInvalid(f"it compares a column of numbers with {_shown(node)}", "a number without quotes")
        return f"{sign}{number!r}"


def _number(text: str) -> float:
    """The number that a literal stands for; NaN for a literal such as 1e, which the parser takes for a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _shown(node: Any) -> str:
    text = " ".join(str(node).split())
    return text if len(text) <= 60 else text[:57] + "..."
