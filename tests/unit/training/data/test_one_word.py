from training.data.captions import FOLDER, LabelCaptions, read_label_captions
from training.data.one_word import GROUPS, one_word_off
from training.data.stems import stem


def texts_of(*entries: LabelCaptions) -> list[tuple[int, str]]:
    return [(item.label, item.text) for item in one_word_off(entries)]


def test_one_word_is_replaced_by_each_other_word_of_its_group() -> None:
    texts = texts_of(LabelCaptions("dog", ("a dog barks",)))
    assert (0, "a dog growls") in texts
    assert (0, "a cat barks") in texts
    assert all(len(set(text.split()) - {"a", "dog", "barks"}) == 1 for _, text in texts)


def test_words_that_may_be_true_of_the_label_do_not_replace() -> None:
    dog = LabelCaptions("dog", ("a dog barks", "growling"), unsure=("wolf",))
    wolf = LabelCaptions("wolf", ("a howl",))
    texts = [text for label, text in texts_of(dog, wolf) if label == 0]
    assert not any("growl" in text or "howl" in text for text in texts)
    assert "a dog whimpers" in texts


def test_a_voice_that_may_be_anyones_keeps_its_gender() -> None:
    both = LabelCaptions("laughing", ("a man laughs", "a woman laughs"))
    assert not any(
        "woman" in text or "man" in text.split()[1:2] for _, text in texts_of(both) if text.endswith("laughs")
    )


def test_a_group_has_no_word_twice() -> None:
    assert all(len({stem(word) for word in group}) == len(group) for group in GROUPS)


def test_captions_of_the_pack_have_many_neighbours() -> None:
    assert len(one_word_off(list(read_label_captions(FOLDER / "labels.jsonl").values()))) > 3000
