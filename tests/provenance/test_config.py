from __future__ import annotations

import subprocess
import sys

import pytest

from palm_assets.errors import ProvenanceError
from palm_assets.provenance.config import LAYERS, ProvenanceConfig, provenance_config


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("", LAYERS),
        ("all", LAYERS),
        ("off", ()),
        ("xmp", ("xmp",)),
        (" C2PA, watermark ", ("c2pa", "watermark")),
    ],
)
def test_the_operator_chooses_layers(
    monkeypatch: pytest.MonkeyPatch, text: str, layers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PALM_PROVENANCE", text)
    assert provenance_config().layers == set(layers)


def test_every_layer_is_on_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PALM_PROVENANCE", "PALM_SIGNING_CERTIFICATE", "PALM_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert provenance_config() == ProvenanceConfig(frozenset(LAYERS), None, None)


@pytest.mark.parametrize("text", ["xmpp", "off,xmp", "xmp;c2pa"])
def test_an_unknown_layer_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PALM_PROVENANCE", text)
    with pytest.raises(ProvenanceError, match="There is no provenance layer"):
        provenance_config()


@pytest.mark.parametrize("name", ["PALM_SIGNING_CERTIFICATE", "PALM_SIGNING_KEY"])
def test_a_certificate_without_its_key_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "some.pem")
    with pytest.raises(ProvenanceError, match=name):
        provenance_config()


def test_the_config_is_light() -> None:
    heavy = {"numpy", "cv2", "c2pa", "torch"}
    code = f"import sys, palm_assets.provenance.config; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
