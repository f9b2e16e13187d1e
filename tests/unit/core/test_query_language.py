import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.foreign_words import FOREIGN_WORDS
from service.core.queries import normalize_query
from service.core.query_language import foreign_language

CAPTIONS = Path(__file__).parents[3] / "training/data/captions"
SENTENCES = {
    "French": """un chien aboie|le vent souffle dans les arbres|une femme parle|la pluie tombe sur le toit|
        chien qui aboie|un moustique bourdonne|quelqu'un chuchote|un homme tousse|eau qui coule|
        moteur de voiture|des enfants jouent et crient|bruit de pas dans l'escalier|une porte claque|
        les oiseaux chantent|une sirène au loin""",
    "German": """ein Hund bellt|der Regen fällt auf das Dach|eine Frau spricht|jemand flüstert|
        Kinder spielen und schreien|Hundegebell|Vögel zwitschern|ein Auto fährt vorbei|
        Schritte auf der Treppe|die Tür wird zugeschlagen|eine Sirene heult|jemand hustet|der Zug fährt ein""",
    "Spanish": """un perro ladra|la lluvia cae sobre el techo|una mujer habla|una serpiente|
        las olas rompen en la playa|niños jugando y gritando|perro ladrando|pájaros cantando|un coche pasa|
        pasos en la escalera|una puerta se cierra de golpe|el viento sopla|ruido de motor""",
    "Italian": "un cane abbaia|la pioggia cade sul tetto|una donna parla|bambini che giocano|gli uccelli cantano",
    "Portuguese": "um cachorro late|a chuva cai no telhado|uma mulher fala|crianças brincando|cães latindo",
    "Dutch": "een hond blaft|regen valt op het dak|een vrouw praat|vogels fluiten|iemand klopt op de deur",
    "Swedish, Norwegian or Danish": "en hund skäller|regn faller på taket|en kvinne snakker",
    "Polish, Czech or Slovak": "pies szczeka|deszcz pada na dach|kobieta mówi|pes štěká",
    "Turkish": "bir köpek havlıyor|kuşlar ötüyor",
    "Cyrillic script": "собака лает|идёт дождь|женщина говорит|пес гавкає|a dog лает|bаrking",  # the last has a Cyrillic a
    "Chinese script": "狗在叫|下雨的声音|一个女人在说话|犬",
    "Hiragana script": "いぬがほえる",
    "Katakana script": "サイレン",
    "Hangul script": "개가 짖는다",
    "Arabic script": "كلب ينبح",
    "Hebrew script": "כלב נובח",
    "Greek script": "ένας σκύλος γαβγίζει",
    "Devanagari script": "कुत्ता भौंक रहा है",
    "Thai script": "สุนัขเห่า",
}
ENGLISH = """a dog barks|birds|sizzling|LOUD!!!|la la la|do re mi|vroom vroom|woof|a cajón is played|
        jalapeños frying|café noise|Des Moines traffic|Les Paul guitar|an el train passes|Le Mans race cars|
        counting un dos tres in a song|bruit|a chaise creaks|a crème brûlée is cracked|clicks of 20 µs|
        a tone of 3 kΩ|the letter Ω|ʻukulele|naïve tune|MP3 artefacts|x|808 kick|viola da gamba|
        oboe d'amore|en route|a van|wind|motor|die cast|a bambino cries|tic-tac|cha cha cha|ding dong|
        pom pom|uno game|El Camino|a Van der Graaf generator hums|MIT lecture|pas de deux|Des Moines|Los Angeles|
        Le Corbusier|a frau talks|Pokémon jingle|Beyoncé sings|doppelgänger|déjà vu|tsk tsk|psst|brr|hmm|
        zzz|qwerty asdf"""


def _cases(text: str) -> list[str]:
    return [item.strip() for item in text.split("|")]


@pytest.mark.parametrize(
    ("language", "query"), [(language, query) for language, text in SENTENCES.items() for query in _cases(text)]
)
def test_other_languages_and_scripts_are_told(language: str, query: str) -> None:
    for written in (query, query.upper(), f" {query}. "):
        assert foreign_language(normalize_query(written, "none"))
    assert foreign_language(query) == language


@pytest.mark.parametrize("query", _cases(ENGLISH))
def test_english_queries_are_not_called_foreign(query: str) -> None:
    assert foreign_language(normalize_query(query, "none")) is None


def test_english_captions_are_not_called_foreign() -> None:
    captions = list(_captions())
    assert len(captions) > 5_000
    foreign = [caption for caption in captions if foreign_language(normalize_query(caption, "none"))]
    assert len(foreign) < 0.001 * len(captions), foreign


def test_no_frequent_word_of_another_language_is_neutral_or_capitalized() -> None:
    for words in FOREIGN_WORDS.values():
        assert len(words) >= 20
        assert all(word == word.lower() and len(word) > 1 for word in words)


def _captions() -> Iterator[str]:
    for file in sorted(CAPTIONS.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            yield entry["label"]
            yield from entry.get("captions", ())
            yield from entry.get("phrases", ())


@given(st.text())
def test_every_text_is_judged_and_plain_digits_and_signs_are_not_foreign(text: str) -> None:
    assert foreign_language(text) is None or any(character.isalpha() for character in text)
