"""Texts of the page in one language: what is shown, placeholders, plural forms, number formats."""

from __future__ import annotations

import functools
import math
import re
from typing import Any

from app.i18n.en import EN, EN_NOUNS
from app.i18n.ru import RU, RU_NOUNS
from palm_assets.gan.hand_labels import Subject

LANGUAGES = {"ru": RU, "en": EN}
_NOUNS = {"ru": RU_NOUNS, "en": EN_NOUNS}
_NOUN = re.compile(r"\{([Pp]alms?\.[a-z]+)\}")
LANGUAGE_NAMES = {"ru": "Русский", "en": "English"}
MINUS = "−"
NO_BREAK = "\u00a0"
# A line must not end after a short word or №, before a dash, or between a number and its unit.
_KEPT_TOGETHER = {
    "ru": re.compile(r"(?<![\w`-])(?:[А-Яа-яё]{1,2}|№) (?=\S)| (?=[—±%])|(?<=\}) (?=(?:с|мин|МБ)\b)"),
    "en": re.compile(r"\b(?:no\.|No\.) (?=\S)| (?=[±%])|(?<=\}) (?=(?:s|min|MB)\b)"),
}


class Words:
    """All texts of one language: `words(key, **values)` is one of them, filled in.

    Args:
        language: "ru" or "en".
        subject: what the texts are about: palms, or hands, which may show their backs.
    """

    def __init__(self, language: str, subject: Subject = "palm") -> None:
        self.language = language
        self.subject = subject
        self._texts = _typeset(language, subject)

    def about(self, subject: Subject) -> Words:
        """The same texts about palms or hands."""
        return Words(self.language, subject)

    def __call__(self, key: str, **values: Any) -> str:
        """Return the text of a key, its `{placeholders}` replaced by `values`."""
        return self._texts[key].format(**values) if values else self._texts[key]

    def counted(self, key: str, n: int) -> str:
        """Return the text of `key_one`, `key_few` or `key_many`, whichever the number needs."""
        return self(f"{key}_{plural(self.language, n)}", n=n)

    def decimal(self, value: float, digits: int = 2) -> str:
        """Format a number with the decimal mark of the language."""
        text = f"{value:.{digits}f}".replace("-", MINUS)
        return text.replace(".", ",") if self.language == "ru" else text

    def significant(self, value: float, digits: int = 4) -> str:
        """Format a number with so many significant digits, never as a power of ten."""
        if value == 0 or not math.isfinite(value):
            return self.decimal(value, 0)
        return self.decimal(value, min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 9))

    def spread(self, value: float, sd: float) -> str:
        """Format a number ± its standard deviation, with two significant digits of the deviation."""
        if not sd > 0:
            return self.significant(value, 3)
        digits = min(max(1 - math.floor(math.log10(sd)), 0), 9)
        return f"{self.decimal(value, digits)}{NO_BREAK}±{NO_BREAK}{self.decimal(sd, digits)}"

    def duration(self, seconds: float) -> str:
        """Format seconds, or minutes and seconds."""
        if seconds < 10:
            return self("seconds", n=self.decimal(max(seconds, 0.1), 1))
        whole = round(seconds)
        return self("seconds", n=whole) if whole < 60 else self("minutes", m=whole // 60, s=whole % 60)


@functools.cache
def _typeset(language: str, subject: Subject) -> dict[str, str]:
    """Return all texts of a language about palms or hands, with no-break spaces where a line must not end."""

    def keep_together(found: re.Match[str]) -> str:
        return found[0].replace(" ", NO_BREAK)

    def name(found: re.Match[str]) -> str:
        noun = nouns[found[1].lower()]
        return noun.capitalize() if found[1][0] == "P" else noun

    pattern = _KEPT_TOGETHER.get(language)  # a language may have no such rules
    nouns = _NOUNS[language][subject]
    texts = {key: _NOUN.sub(name, text) for key, text in LANGUAGES[language].items()}
    return (
        texts if pattern is None else {key: pattern.sub(keep_together, text) for key, text in texts.items()}
    )


def plural(language: str, n: int) -> str:
    """Return the plural form of a whole number: "one", "few" or "many" (Unicode CLDR)."""
    if language == "ru":
        if n % 10 == 1 and n % 100 != 11:
            return "one"
        return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"
    return "one" if n == 1 else "many"


def language_for(locale: str | None) -> str:
    """Return the language for a browser's locale, such as "ru-RU"."""
    return "ru" if (locale or "").lower().split("-")[0] in ("ru", "be", "uk", "kk", "ky") else "en"


def escape_markdown(text: str, max_length: int = 24) -> str:
    """Make a visitor's input safe to show inside Markdown: one line, cut short, all markup escaped."""
    line = re.sub(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+", " ", text).strip()
    line = line if len(line) <= max_length else line[: max_length - 1] + "…"
    return re.sub(r"([\\`*_{}\[\]()<>#+!|$:~&\"'^=-])", r"\\\1", line)
