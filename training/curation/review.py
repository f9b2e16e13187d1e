"""Writes an HTML page that shows a person, word by word, how a language model changed captions.

The page is a single file without scripts.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from pathlib import Path

STATUSES = ("changed", "refused", "unchanged")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of cleaning one caption.

    Attributes:
        original: the caption before cleaning.
        proposal: the caption that the model proposed.
        reason: why the proposal was refused; empty if it was accepted.
    """

    original: str
    proposal: str
    reason: str = ""

    @property
    def caption(self) -> str:
        """The resulting caption: the proposal, or the original if the proposal was refused."""
        return self.original if self.reason else self.proposal

    @property
    def status(self) -> str:
        """One of STATUSES."""
        return "refused" if self.reason else "unchanged" if self.proposal == self.original else "changed"


def word_difference(old: str, new: str) -> str:
    """Merges two texts into HTML, with `<del>` around the removed words and `<ins>` around the added words."""
    old_tokens, new_tokens = (re.findall(r"\w+|[^\w\s]+|\s+", text) for text in (old, new))
    parts = []
    for kind, i, j, k, m in SequenceMatcher(None, old_tokens, new_tokens, autojunk=False).get_opcodes():
        removed, added = escape("".join(old_tokens[i:j])), escape("".join(new_tokens[k:m]))
        if kind == "equal":
            parts.append(removed)
        else:
            parts += [f"<del>{removed}</del>"] * bool(removed) + [f"<ins>{added}</ins>"] * bool(added)
    return "".join(parts)


def write_review(outcomes: Iterable[tuple[str, Outcome]], target: Path) -> None:
    """Writes the page.

    Args:
        outcomes: the outcome of each caption, with its place: the recording and the onset of the region.
        target: the HTML file to write.
    """
    rows, counts = [], Counter[str]()
    for place, outcome in outcomes:
        counts[outcome.status] += 1
        reason = f"<br><small>{escape(outcome.reason)}</small>" if outcome.reason else ""
        rows.append(
            f'<tr class="{outcome.status}"><th scope="row">{escape(place)}</th><td>{outcome.status}{reason}</td>'
            f"<td>{word_difference(outcome.original, outcome.proposal)}</td></tr>\n"
        )
    choices = "".join(
        f'<label><input type="radio" name="show" id="{name}"{" checked" * (name == "all")}> {name} ({count})</label>\n'
        for name, count in (("all", len(rows)), *((status, counts[status]) for status in STATUSES))
    )
    target.write_text(PAGE.replace("CHOICES", choices).replace("ROWS", "".join(rows)), encoding="utf-8")


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Caption review</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 75rem; margin: auto; padding: 1rem }
fieldset { position: sticky; top: 0; background: Canvas; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem }
table { border-collapse: collapse; width: 100% }
th, td { border-top: 1px solid GrayText; padding: .3rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere }
tbody th { font-weight: normal }
del { color: light-dark(#a40000, #ff9d9d) }
ins { color: light-dark(#005c1a, #7ee2a0); font-weight: bold }
body:has(#changed:checked) tbody tr:not(.changed),
body:has(#refused:checked) tbody tr:not(.refused),
body:has(#unchanged:checked) tbody tr:not(.unchanged) { display: none }
</style>
<body>
<h1>Caption review</h1>
<p>Words that the language model <del>removed</del> and <ins>added</ins>. If a change was refused, the caption stays as it
was; the reason is below the word “refused”.</p>
<fieldset><legend>Show</legend>
CHOICES</fieldset>
<table>
<thead><tr><th scope="col">Recording and onset</th><th scope="col">Outcome</th><th scope="col">Caption</th></tr></thead>
<tbody>
ROWS</tbody>
</table>
</body>
</html>
"""
