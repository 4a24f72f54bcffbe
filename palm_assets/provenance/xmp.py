"""XMP packets (ISO 16684-1) of generated images: written and read here.

They carry IPTC's DigitalSourceType, which other programs know, and the model and seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from palm_assets import __version__
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE

PNG_KEYWORD = "XML:com.adobe.xmp"
CREATOR_TOOL = f"palms {__version__}"
MAX_BYTES = 64 * 1024  # longer packets are not parsed

_XMP = "http://ns.adobe.com/xap/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_PALMS = "https://palms.invalid/ns/1.0/"  # a name, not an address: RFC 2606 keeps this domain free
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MAX_VALUE = 200


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


def xmp_packet(model: str, seed: int | None = None) -> str:
    """The packet of an image of this model.

    Args:
        model: version of the model.
        seed: of the image, that is of its set with its index added; None for an animation or a frame of one.
    """
    seed_attribute = "" if seed is None else f' palms:Seed="{seed}"'
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
        f'<rdf:Description rdf:about="" xmlns:xmp="{_XMP}" xmlns:Iptc4xmpExt="{_IPTC}" xmlns:palms="{_PALMS}"'
        f' xmp:CreatorTool={quoteattr(CREATOR_TOOL)} Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"'
        f" palms:Model={quoteattr(model)}{seed_attribute}/></rdf:RDF></x:xmpmeta>"
    )


def read_xmp(packet: bytes) -> XmpClaims | None:
    """What a packet says; None if it is no XMP, or says nothing of this.

    The bytes may be hostile: long packets and those with a document type are not parsed.
    """
    if len(packet) > MAX_BYTES or b"<!" in packet:  # a document type can define entities that grow
        return None
    try:
        root = ElementTree.fromstring(packet)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    claims = XmpClaims(
        _value(root, _IPTC, "DigitalSourceType"),
        _value(root, _XMP, "CreatorTool"),
        _value(root, _PALMS, "Model"),
        _value(root, _PALMS, "Seed"),
    )
    return None if claims == XmpClaims() else claims


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
