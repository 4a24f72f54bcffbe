from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import app
from app.i18n.words import LANGUAGES, Words, escape_markdown, language_for, plural
from palm_assets.gan.hand_labels import LABELS, Subject
from palm_assets.generation.verification import Conclusion
from palm_assets.quality.set_metrics import SetMetrics

PLACES = re.compile(r"\{(\w+)\}")
ABOUT = [Words(language, subject) for language in LANGUAGES for subject in get_args(Subject)]
# Where palms are meant whatever is shown: the name of the page, and what can be chosen.
OF_PALMS = {"title", "not_found", "page_main", "aspect_palm", "model_hands", "about_limits_text"}
OF_PALMS |= {"origin_result_static_page", "origin_too_large", "nearest_off"}
OF_PALMS |= {"record_balance_aspects", "record_value_aspect"}


def test_both_languages_have_the_same_texts() -> None:
    assert LANGUAGES["ru"].keys() == LANGUAGES["en"].keys()


@pytest.mark.parametrize("key", LANGUAGES["en"])
def test_both_languages_fill_in_the_same_places(key: str) -> None:
    assert set(PLACES.findall(LANGUAGES["ru"][key])) == set(PLACES.findall(LANGUAGES["en"][key]))


@pytest.mark.parametrize("key", LANGUAGES["ru"])
def test_russian_texts_are_in_russian(key: str) -> None:
    commands = {"make", "pipeline", "preset", "local"}
    allowed = {
        "zip",
        "png",
        "mp",
        "fid",
        "kid",
        "auc",
        "inception",
        "seed",
        "adam",
        "iptc",
        "verify",
        "palms",
        *commands,
    }
    latin = re.findall(r"[A-Za-z]{2,}", PLACES.sub("", Words("ru")(key)))
    assert {word.lower() for word in latin} <= allowed


@pytest.mark.parametrize("words", ABOUT, ids=lambda words: f"{words.language}-{words.subject}")
def test_hands_that_may_show_their_backs_are_not_called_palms(words: Words) -> None:
    texts = {key: words(key) for key in LANGUAGES["en"]}
    assert not [text for text in texts.values() if re.search(r"\{[a-zA-Z]+\.", text)]  # all forms are known
    if words.subject == "hand":
        shown = {key: re.sub(r"`.*?`", "", text) for key, text in texts.items() if key not in OF_PALMS}
        assert not [key for key, text in shown.items() if re.search(r"palm|ладон", text, re.IGNORECASE)]


def test_a_palm_is_of_a_hand_and_not_a_tree() -> None:
    assert not [text for text in LANGUAGES["ru"].values() if "пальм" in text.lower()]


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    folder = Path(app.__file__).parent
    languages = {*folder.glob("i18n/en*.py"), *folder.glob("i18n/ru*.py")}
    code = "".join(path.read_text() for path in folder.rglob("*.py") if path not in languages)
    code += " ".join(f'"{key}"' for key in DERIVED)
    unused = [key for key in LANGUAGES["en"] if f'"{key}"' not in code]
    assert unused == []
    named = set(re.findall(r'words\("(\w+)"', code))
    assert named <= LANGUAGES["en"].keys()


# Made of a part and an ending, so that the code never spells them out.
DERIVED = [
    *(key for key in LANGUAGES["en"] if key.startswith("record_")),
    *(f"nearest_{name}{kind}" for name in ("real", "help") for kind in ("", "_synthetic")),
    *(f"{name}_{form}" for name in ("palms", "waiting") for form in ("one", "few", "many")),
    *("order_number", "order_score", "about_generator", "about_discriminator"),
    *(f"{name}_{value}" for name, values in LABELS.items() for value in ("any", *values)),
    *LABELS,
    *("about_scores_calibrated", "about_scores_raw"),
    *("tone_very_fair", "tone_fair", "tone_medium", "tone_dark", "tone_unknown"),
    *(f"about_{name}" for name in dir(SetMetrics)),
    *("lead_photographs", "lead_synthetic", "model_of_photographs", "model_of_synthetic"),
    *(f"score_{part}{name}" for part in ("", "range_") for name in ("low", "middle", "high")),
    *("compare_whose_new", "compare_whose_held_out"),
    *("compare_farther", "compare_farther_by_kernel", "compare_alike", "compare_nearer"),
    *(f"origin_result_{conclusion}" for conclusion in get_args(Conclusion)),
    *(f"origin_signature_{state}" for state in ("own", "valid", "invalid")),
]


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (1, "1 ладонь"),
        (2, "2 ладони"),
        (5, "5 ладоней"),
        (11, "11 ладоней"),
        (14, "14 ладоней"),
        (21, "21 ладонь"),
        (104, "104 ладони"),
        (111, "111 ладоней"),
        (1000, "1000 ладоней"),
    ],
)
def test_russian_numbers_decline(n: int, text: str) -> None:
    assert Words("ru").counted("palms", n) == text


@pytest.mark.parametrize(("n", "text"), [(1, "1 рука"), (2, "2 руки"), (12, "12 рук"), (21, "21 рука")])
def test_a_set_of_backs_is_one_of_hands(n: int, text: str) -> None:
    assert Words("ru").about("hand").counted("palms", n) == text
    assert Words("en").about("hand").counted("palms", n) == f"{n} hand{'s' * (n != 1)}"
    assert Words("ru").about("hand")("palms_many", n=5) == "5 рук"
    assert Words("ru").about("hand")("large_title") == "Рука, созданная ИИ"  # with a capital letter


def test_english_has_one_and_many() -> None:
    assert [plural("en", n) for n in (0, 1, 2, 21)] == ["many", "one", "many", "many"]


def test_numbers_have_the_decimal_mark_of_the_language() -> None:
    assert (Words("ru").decimal(0.5), Words("en").decimal(0.5)) == ("0,50", "0.50")


def test_durations_read_naturally() -> None:
    assert [Words("en").duration(s) for s in (0, 2.34, 59.4, 61, 600)] == [
        "0.1\u00a0s",
        "2.3\u00a0s",
        "59\u00a0s",
        "1\u00a0min 1\u00a0s",
        "10\u00a0min 0\u00a0s",
    ]


def test_the_browser_chooses_the_language() -> None:
    assert [language_for(locale) for locale in ("ru-RU", "RU", "en-GB", "de", "", None)] == [
        "ru",
        "ru",
        "en",
        "en",
        "en",
        "en",
    ]


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "[x](javascript:y)",
        "**b**",
        ":red[x]",
        "![i](http://h/i.png)",
        "$x$",
        "`c`",
    ],
)
def test_input_cannot_act_in_markdown(evil: str) -> None:
    shown = escape_markdown(evil, max_length=99)
    assert re.sub(r"\\(.)", r"\1", shown) == evil  # it still reads the same
    assert not re.search(r"(?<!\\)[<>\[\]()*`$:!_]", shown)


def test_input_stays_short_and_on_one_line() -> None:
    assert escape_markdown("1\n2\u202e3") == "1 2 3"
    assert len(escape_markdown("9" * 500)) == 24


def test_russian_lines_do_not_end_in_short_words_and_dashes_do_not_begin_them() -> None:
    assert "Ни\u00a0одна из\u00a0них" in Words("ru")("lead_photographs")
    assert "по\u00a0фотографиям" in Words("ru")("lead_photographs")
    assert "Оценка\u00a0— это вероятность" in Words("ru")("score_help_calibrated")
    assert Words("ru")("card", n=7) == "№\u00a07"
    assert Words("en")("card", n=7) == "No.\u00a07"


def test_a_negative_number_has_a_minus_and_no_hyphen() -> None:
    assert Words("ru").decimal(-0.5) == "−0,50"
    assert Words("ru").spread(-0.00017, 0.00041) == "−0,00017\u00a0±\u00a00,00041"
