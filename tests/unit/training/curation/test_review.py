import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from training.curation.review import Outcome, word_difference, write_review


def test_removed_and_added_words_are_marked() -> None:
    assert word_difference("a brown dog barkes", "a dog barks.") == (
        "a<del> brown</del> dog <del>barkes</del><ins>barks.</ins>"
    )


@given(old=st.text("ab <>&\"'.", max_size=30), new=st.text("ab <>&\"'.", max_size=30))
def test_both_texts_are_in_the_difference_and_are_escaped(old: str, new: str) -> None:
    html = word_difference(old, new)
    unescaped = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&amp;": "&"}

    def text(without: str) -> str:
        kept = re.sub(rf"<{without}>.*?</{without}>", "", html, flags=re.DOTALL)
        plain = re.sub(r"</?(ins|del)>", "", kept)
        assert not {"<", ">"} & set(plain)
        return re.sub("|".join(unescaped), lambda match: unescaped[match[0]], plain)

    assert text("ins") == old
    assert text("del") == new


def test_the_page_counts_and_marks_the_status_of_each_caption(tmp_path: Path) -> None:
    outcomes = [
        ("<script>alert(1)</script>.wav", Outcome("a red dog", "a dog")),
        ("b.wav", Outcome("a dog", "a dog & a cat", "new words: cat")),
        ("c.wav", Outcome("a dog", "a dog")),
        ("d.wav", Outcome("a cat", "a cat")),
    ]
    write_review(outcomes, tmp_path / "review.html")
    page = (tmp_path / "review.html").read_text()
    assert re.findall(r"> (\w+) \((\d+)\)</label>", page) == [
        ("all", "4"), ("changed", "1"), ("refused", "1"), ("unchanged", "2"),
    ]  # fmt: skip
    assert re.findall(r'<tr class="(\w+)">', page) == ["changed", "refused", "unchanged", "unchanged"]
    assert "<small>new words: cat</small>" in page
    assert "<ins> &amp; a cat</ins>" in page
    assert "<script" not in page
    assert "http" not in page


def test_a_refused_proposal_leaves_the_caption_unchanged() -> None:
    assert Outcome("a dog", "a cat", "new words: cat").caption == "a dog"
    assert Outcome("a dgo", "a dog").caption == "a dog"
