from __future__ import annotations

import pytest

from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE
from palm_assets.provenance.xmp import XmpClaims, read_xmp, xmp_packet


def test_a_packet_is_read_as_it_was_written() -> None:
    claims = read_xmp(xmp_packet("starter-0123abcd", 2**53).encode())
    assert claims == XmpClaims(DIGITAL_SOURCE_TYPE, "palms 0.1.0", "starter-0123abcd", str(2**53))
    assert claims.is_ai


def test_a_model_cannot_become_markup() -> None:
    claims = read_xmp(xmp_packet('"/><evil a="', None).encode())
    assert claims is not None
    assert claims.model == '"/><evil a="'
    assert claims.seed == ""


def test_properties_may_be_elements() -> None:
    packet = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
    <Iptc4xmpExt:DigitalSourceType rdf:resource="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"/>
    </rdf:Description></rdf:RDF></x:xmpmeta>"""
    claims = read_xmp(packet)
    assert claims is not None
    assert claims.source_type.endswith("/digitalCapture")
    assert not claims.is_ai


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\xff\xfe\x00",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        b"<unclosed",
        b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        b"<a>" + b" " * 70_000 + b"</a>",
        b"<?xml version='1.0' encoding='no-such-code'?><a/>",
    ],
)
def test_anything_else_is_none_and_no_error(packet: bytes) -> None:
    assert read_xmp(packet) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "cp037"])
def test_no_encoding_hides_a_document_type(encoding: str) -> None:
    body = xmp_packet("x").replace('"x"', '"&grown;"')
    body = f'<!DOCTYPE x [<!ENTITY a "{"x" * 50}"><!ENTITY grown "{"&a;" * 50}">]>{body}'
    head = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() if encoding == "cp037" else b""
    assert read_xmp(head + body.encode(encoding)) is None


def test_a_byte_order_mark_is_no_part_of_a_packet() -> None:
    assert read_xmp(xmp_packet("x").encode("utf-8-sig")) == read_xmp(xmp_packet("x").encode())
