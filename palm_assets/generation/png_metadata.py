"""Where a PNG comes from: the text chunks that `palm_assets.generation.archives.png_bytes` wrote into it.

The bytes come from a stranger. Only the beginning of the file is read, no pixel is decoded, and a value is
believed only if it has exactly the form that we write.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from app.likeness import AROUND
from palm_assets.gan.config import MAX_SEED
from palm_assets.generation.generate import ATTEMPTS, Request

HEAD = 4096  # bytes from the beginning of the file that hold all our chunks
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_INDEX = 100_000 * ATTEMPTS
_FORMS = {
    "palms:seed": re.compile(r"[0-9]{1,16}"),
    "palms:index": re.compile(r"[0-9]{1,7}"),
    "palms:model": re.compile(r"(starter-)?[0-9a-z]{1,64}"),
    "palms:score": re.compile(r"[01]\.[0-9]{4}"),
    "palms:truncation": re.compile(r"[01](\.[0-9]{1,6})?"),
}
_STEPS = re.compile(r"[1-9][0-9]?(\.[1-9][0-9]?){0,31}")


@dataclass(frozen=True)
class Origin:
    """What a PNG of ours says about itself. Anybody can write such chunks: it is a hint, not a proof.

    `steps` are those taken away from the palm of this seed and index, see `app.likeness`.
    """

    seed: int
    index: int
    model: str
    score: float
    truncation: float
    steps: tuple[int, ...] = ()

    @property
    def request(self) -> Request:
        """What makes this palm alone again, or the one that the steps began at."""
        return Request(1, self.seed + self.index, self.truncation)


def read_origin(head: bytes) -> Origin | None:
    """What the beginning of a PNG says; None if it is no PNG of ours, whatever it is instead."""
    texts = dict(_texts(head[:HEAD]))
    if not all(name in texts and form.fullmatch(texts[name]) for name, form in _FORMS.items()):
        return None
    steps = texts.get("palms:steps", "")
    if steps and not _STEPS.fullmatch(steps):
        return None
    origin = Origin(
        int(texts["palms:seed"]),
        int(texts["palms:index"]),
        texts["palms:model"],
        float(texts["palms:score"]),
        float(texts["palms:truncation"]),
        tuple(map(int, steps.split("."))) if steps else (),
    )
    possible = (
        origin.seed + origin.index <= MAX_SEED
        and origin.index <= MOST_INDEX
        and origin.score <= 1
        and 0 < origin.truncation <= 1
        and max(origin.steps, default=1) <= AROUND
    )
    return origin if possible else None


def _texts(head: bytes) -> Iterator[tuple[str, str]]:
    """Keyword and text of each whole, undamaged tEXt chunk (PNG specification, section 11.3.3.2)."""
    if not head.startswith(SIGNATURE):
        return
    at = len(SIGNATURE)
    while at + 12 <= len(head):
        length, kind = struct.unpack_from(">I4s", head, at)
        end = at + 12 + length
        if end > len(head) or kind == b"IDAT":
            return
        data, (check,) = head[at + 8 : end - 4], struct.unpack_from(">I", head, end - 4)
        if zlib.crc32(kind + data) != check:
            return
        if kind == b"tEXt":
            keyword, _, text = data.partition(b"\0")
            yield keyword.decode("latin-1"), text.decode("latin-1")
        at = end
