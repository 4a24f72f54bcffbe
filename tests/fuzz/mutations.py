"""Random changes of bytes, the same for the same number."""

from __future__ import annotations

import random

_TOKENS = (
    b"\x00",
    b"\xff" * 4,
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"1e999",
    b"nan",
    b"\xef\xbb\xbf",
)


def mutated(data: bytes, number: int) -> bytes:
    """A copy with one to eight changes: bits, bytes, cuts, repeats, insertions."""
    chance = random.Random(number)
    content = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(content) + 1)
        end = min(len(content), place + chance.randint(1, 16))
        match chance.randrange(6):
            case 0 if place < len(content):
                content[place] ^= 1 << chance.randrange(8)
            case 1:
                content[place:end] = chance.randbytes(end - place)
            case 2:
                del content[place:end]
            case 3:
                content[place:place] = chance.choice(_TOKENS)
            case 4:
                content[place:place] = content[max(0, place - 64) : place]
            case _ if chance.random() < 0.2:
                del content[place:]
    return bytes(content)
