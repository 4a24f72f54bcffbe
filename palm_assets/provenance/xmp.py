"""XMP packets (ISO 16684-1) of generated images and videos: written and read here.

They carry IPTC's DigitalSourceType, which other programs know, and the model and seed. In an MP4 file the
packet is in a box of its own at the top level (ISO 16684-3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from palm_assets import __version__
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE

PNG_KEYWORD = "XML:com.adobe.xmp"
CREATOR_TOOL = f"palms {__version__}"
_STATIC_PAGE = "(static page)"
STATIC_PAGE_TOOL = f"{CREATOR_TOOL} {_STATIC_PAGE}"
"""The page of `palms export web`, whose images have no signature and no watermark."""

MAX_BYTES = 64 * 1024  # longer packets are not parsed

_XMP = "http://ns.adobe.com/xap/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_PALMS = "https://palms.invalid/ns/1.0/"  # a name, not an address: RFC 2606 keeps this domain free
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MAX_VALUE = 200
_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # UUID of boxes that hold XMP
_MAX_BOXES = 100  # of a file, at its top level


@dataclass(frozen=True)
class XmpClaims:
    """What an XMP packet says. Anyone can write one: a hint, not a proof.

    Attributes:
        source_type: IPTC DigitalSourceType, an address; "" if there is none.
        creator_tool: program that made the image; "" if there is none.
        model: version of the model, if Palms wrote it.
        seed: of the image, if Palms wrote it.
    """

    source_type: str = ""
    creator_tool: str = ""
    model: str = ""
    seed: str = ""

    @property
    def is_ai(self) -> bool:
        """Whether it says that a trained model made the image, or a part of it."""
        return self.source_type.rpartition("/")[2] in (
            "trainedAlgorithmicMedia",
            "compositeWithTrainedAlgorithmicMedia",
        )

    @property
    def is_of_palms(self) -> bool:
        """Whether it says that Palms made the image."""
        return self.creator_tool.lower().startswith("palms")

    @property
    def is_of_static_page(self) -> bool:
        """Whether it says that a page of static files of Palms made the image."""
        return self.is_of_palms and self.creator_tool.endswith(_STATIC_PAGE)


def xmp_packet(model: str, seed: int | None = None, creator_tool: str = CREATOR_TOOL) -> str:
    """The packet of an image of this model.

    Args:
        model: version of the model.
        seed: of the image, that is of its set with its index added; None for an animation or a frame of one.
        creator_tool: what makes the image: this program, or `STATIC_PAGE_TOOL`.
    """
    seed_attribute = "" if seed is None else f' palms:Seed="{seed}"'
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
        f'<rdf:Description rdf:about="" xmlns:xmp="{_XMP}" xmlns:Iptc4xmpExt="{_IPTC}" xmlns:palms="{_PALMS}"'
        f' xmp:CreatorTool={quoteattr(creator_tool)} Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"'
        f" palms:Model={quoteattr(model)}{seed_attribute}/></rdf:RDF></x:xmpmeta>"
    )


def read_xmp(packet: bytes) -> XmpClaims | None:
    """What a packet says; None if it is no XMP, or says nothing of this.

    The bytes may be hostile: long packets, those with a document type, and other encodings than UTF-8 are not
    parsed.
    """
    if len(packet) > MAX_BYTES:
        return None
    try:
        text = packet.decode("utf-8-sig")  # in another encoding the next line would find nothing
        # A document type can define entities that grow. The parser takes text with zeros for UTF-16.
        if "<!" in text or "\0" in text:
            return None
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    claims = XmpClaims(
        _value(root, _IPTC, "DigitalSourceType"),
        _value(root, _XMP, "CreatorTool"),
        _value(root, _PALMS, "Model"),
        _value(root, _PALMS, "Seed"),
    )
    return None if claims == XmpClaims() else claims


def video_box(packet: str) -> bytes:
    """A packet as a box that can follow the last one of an MP4 file; nothing if the packet is empty."""
    content = packet.encode()
    return struct.pack(">I4s", 24 + len(content), b"uuid") + _BOX + content if packet else b""


def read_video_xmp(stream: BinaryIO) -> XmpClaims | None:
    """What the packet of an MP4 file says; None if there is none. The file may be hostile."""
    end = stream.seek(0, 2)
    at = stream.seek(0)
    for _ in range(_MAX_BOXES):
        head = stream.read(32)
        if len(head) < 16:
            return None
        size, kind = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1:  # a long size follows
            (size,), start = struct.unpack_from(">Q", head, 8), 16
        if kind == b"uuid" and head[start : start + 16] == _BOX:
            stream.seek(at + start + 16)
            length = size - start - 16
            return read_xmp(stream.read(length)) if 0 < length <= MAX_BYTES else None
        if size < start or at + size > end:  # a size of 0 is up to the end of the file
            return None
        at = stream.seek(at + size)
    return None


def _value(root: ElementTree.Element, namespace: str, name: str) -> str:
    """A property, whether it is written as an attribute or as an element (text or resource)."""
    tag = f"{{{namespace}}}{name}"
    for description in root.iter(f"{{{_RDF}}}Description"):
        text = description.get(tag)
        element = description.find(tag)
        if text is None and element is not None:
            text = element.get(f"{{{_RDF}}}resource") or element.text
        if text:
            return "".join(letter for letter in text.strip() if letter.isprintable())[:_MAX_VALUE]
    return ""
