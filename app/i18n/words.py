"""How the page speaks: the words of a language, filled in, with its grammar of numbers."""

from __future__ import annotations

import functools
import math
import re
from typing import Any

from app.texts_en import EN
from app.texts_ru import RU

LANGUAGES = {"ru": RU, "en": EN}
NAMES = {"ru": "Русский", "en": "English"}
MINUS = "−"
NO_BREAK = "\u00a0"
# Where a line must not end: after a short word and №, before a dash, between a number and what it counts.
_KEPT_TOGETHER = {
    "ru": re.compile(r"(?<![\w`-])(?:[А-Яа-яё]{1,2}|№) (?=\S)| (?=[—±%])|(?<=\}) (?=(?:с|мин|МБ)\b)"),
    "en": re.compile(r"\b(?:no\.|No\.) (?=\S)| (?=[±%])|(?<=\}) (?=(?:s|min|MB)\b)"),
}


class Words:
    """The words of one language, filled in."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = _typeset(language)

    def __call__(self, key: str, **values: Any) -> str:
        """The text of a key; its `{places}` filled with `values`."""
        return self._texts[key].format(**values) if values else self._texts[key]

    def counted(self, key: str, n: int) -> str:
        """The text of `key_one`, `key_few` or `key_many`, as the number's grammar wants it."""
        return self(f"{key}_{plural(self.language, n)}", n=n)

    def decimal(self, value: float, digits: int = 2) -> str:
        """A number with the language's decimal mark."""
        text = f"{value:.{digits}f}".replace("-", MINUS)
        return text.replace(".", ",") if self.language == "ru" else text

    def significant(self, value: float, digits: int = 4) -> str:
        """A number with so many significant digits, never as a power of ten."""
        if value == 0 or not math.isfinite(value):
            return self.decimal(value, 0)
        return self.decimal(value, min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 9))

    def spread(self, value: float, sd: float) -> str:
        """A number and its deviation, both as precise as two digits of the deviation allow."""
        if not sd > 0:
            return self.significant(value, 3)
        digits = min(max(1 - math.floor(math.log10(sd)), 0), 9)
        return f"{self.decimal(value, digits)}{NO_BREAK}±{NO_BREAK}{self.decimal(sd, digits)}"

    def duration(self, seconds: float) -> str:
        """Seconds, or minutes and seconds."""
        if seconds < 10:
            return self("seconds", n=self.decimal(max(seconds, 0.1), 1))
        whole = round(seconds)
        return self("seconds", n=whole) if whole < 60 else self("minutes", m=whole // 60, s=whole % 60)


@functools.cache
def _typeset(language: str) -> dict[str, str]:
    """The texts with spaces that do not break where a typesetter wants none."""

    def kept(found: re.Match[str]) -> str:
        return found[0].replace(" ", NO_BREAK)

    return {key: _KEPT_TOGETHER[language].sub(kept, text) for key, text in LANGUAGES[language].items()}


def plural(language: str, n: int) -> str:
    """Which form a number takes: "one", "few" or "many" (Unicode CLDR, whole numbers)."""
    if language == "ru":
        if n % 10 == 1 and n % 100 != 11:
            return "one"
        return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"
    return "one" if n == 1 else "many"


def preferred(locale: str | None) -> str:
    """The language for a browser's locale, such as "ru-RU"."""
    return "ru" if (locale or "").lower().split("-")[0] in ("ru", "be", "uk", "kk", "ky") else "en"


def harmless(text: str, most: int = 24) -> str:
    """What a visitor typed, fit to be shown inside Markdown: one line, cut short, nothing in it acts."""
    line = re.sub(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+", " ", text).strip()
    line = line if len(line) <= most else line[: most - 1] + "…"
    return re.sub(r"([\\`*_{}\[\]()<>#+!|$:~&\"'^=-])", r"\\\1", line)
