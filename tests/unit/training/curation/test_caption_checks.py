import pytest

from training.curation.caption_checks import refusal_reason


@pytest.mark.parametrize(
    ("source", "caption"),
    [
        ("a dog barks", "a dog barks"),
        ("a brown dog barks in the park", "A dog barks."),
        ("a dog is barkng loudly in the backround", "A dog is barking loudly in the background."),
        ("knoking on a door", "Knocking on a door"),
        ("dogs barked", "A dog is barking."),
        ("bird song and foot steps", "Birdsong and footsteps"),
        ("a doorbell rings", "A door bell rings"),
        ("a man says 'come here quickly'", "A man speaks."),
        ('a woman: "where are you"', "A woman is talking."),
        ("water-drops falling", "Water drops are falling."),
        ("a rifle shot, the café's door – creaks", "A rifle shot; the café's door – creaks."),
        ("ribbit ribbit by a frog", "ribbit by a frog"),
        ("glug glug", "glug glug"),
        ("rain without wind", "Rain without wind."),
        ("first rain, then thunder after a second", "First rain, then thunder."),
        ("a man shouts 'no, don't' and a dog barks", "A man talks and a dog barks."),
        ("a child: no, not now", "A child speaks."),
        ('a man says "no', "A man speaks."),
    ],
)
def test_omitting_and_correcting_words_is_accepted(source: str, caption: str) -> None:
    assert refusal_reason([source], caption) is None


@pytest.mark.parametrize(
    ("source", "caption", "reason"),
    [
        ("a dog barks", "A dog barks while birds chirp", "new words: while, birds, chirp"),
        ("a dog barks", "Two dogs bark", "new words: two"),
        ("rain before thunder", "rain after thunder", "new words: after"),
        ("rain until there is thunder", "rain while there is thunder", "new words: while"),
        ("rain and thunder", "Rain, then thunder", "new words: then"),
        ("rain and thunder", "Rain followed by thunder", "new words: followed"),
        ("dogs bark", "one dog barks", "new words: one"),
        ("a dog barks", "A dog barks once", "new words: once"),
        ("rain without wind", "rain with wind", "negations: 0; 1 are accepted, as in the original"),
        ("a dog does not bark", "A dog does bark", "negations: 0; 1 are accepted, as in the original"),
        ("a dog doesnt bark", "A dog does bark", "negations: 0; 1 are accepted, as in the original"),
        ("a dog doesn't bark", "A dog does bark", "negations: 0; 1 are accepted, as in the original"),
        ("no wind and no rain", "No wind and rain", "negations: 1; 2 are accepted, as in the original"),
        ("a dog can be heard", "A dog can’t be heard", "negations: 1; 0 are accepted, as in the original"),
        ("a dog barks", "A dog does not bark", "negations: 1; 0 are accepted, as in the original"),
        ("a dog barks", "A dog barks outside", "new words: outside"),
        ("a mouse is clicking", "A mouse is clinking", "new words: clinking"),
        ("a cat purrs", "A car purrs", "new words: car"),
        ("a dog barks", "A person speaks, a dog barks", "new words: speaks"),
        ("somebody walks", "Somebody wals", "new words: wals"),
        ("a dog barks", "", "no words are left"),
        ("a dog barks", "...", "no words are left"),
        ("a dog barks. a cat meows", "A dog barks. A cat meows.", "more than one sentence"),
        (
            "a dog barks",
            "A dog barks, and the dog barks, and the dog is barking",
            "characters; at most 33 are accepted",
        ),
        ("a dog barks", "Ein Hund bellt", "not English"),
        ("ein Hund bellt", "ein Hund bellt", "not English"),
        ("a dog barks", "собака лает", "characters that are not English"),
        ("a dog barks", "a dög barks", "characters that are not English: ö"),
    ],
)
def test_adding_words_is_refused_with_the_reason(source: str, caption: str, reason: str) -> None:
    assert reason in (refusal_reason([source], caption) or "")


def test_a_sentence_over_several_captions_may_use_the_words_of_all() -> None:
    sources = ["a dog barks", "a door is slammed"]
    assert refusal_reason(sources, "First a dog is barking, then a door slams.") is None
    assert refusal_reason(sources, "A dog barks, then a window slams.") == "new words: window"
    assert refusal_reason(sources, "A dog barks before a door slams.") == "new words: before"
    assert refusal_reason(["a man: come", "rain without wind"], "A man speaks, then rain.") == (
        "negations: 0; 1 are accepted, as in the original"
    )
    assert "300 are accepted" in (refusal_reason(["a dog barks " * 50], "a dog barks " * 40) or "")
