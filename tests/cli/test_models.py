"""`palms import-published` and `palms pack`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import torch

from palm_assets.store.artifacts import Store
from tests.cli.conftest import Palms, Publish


def published_weights(folder: Path) -> list[str]:
    """State dicts of the published shape, by a definition of its own (facts.md)."""
    torch.manual_seed(0)
    widths = [500, 2048, 1024, 512, 256, 128, 64, 3]
    layers: list[torch.nn.Module] = []
    for number, (inner, outer) in enumerate(itertools.pairwise(widths)):
        first, last = number == 0, outer == 3
        layers.append(
            torch.nn.ConvTranspose2d(inner, outer, 4, 1 if first else 2, 0 if first else 1, bias=False)
        )
        layers += [torch.nn.Sigmoid()] if last else [torch.nn.BatchNorm2d(outer), torch.nn.ReLU()]
    torch.save(
        {f"main.{k}": v for k, v in torch.nn.Sequential(*layers).state_dict().items()}, folder / "G.pt"
    )
    layers = []
    for number, (inner, outer) in enumerate([(3, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]):
        layers.append(torch.nn.Conv2d(inner, outer, 4, 2, 1, bias=False))
        layers += [torch.nn.BatchNorm2d(outer)] if number else []
        layers.append(torch.nn.LeakyReLU(0.2))
    weights = {f"main.{k}": v for k, v in torch.nn.Sequential(*layers).state_dict().items()}
    head = torch.nn.Linear(65536, 2).state_dict()
    torch.save({**weights, **{f"fc.{k}": v for k, v in head.items()}}, folder / "D.pt")
    return [str(folder / "G.pt"), str(folder / "D.pt")]


def test_published_weights_become_a_model_that_generates(palms: Palms, store: Store, tmp_path: Path) -> None:
    files = published_weights(tmp_path)
    result = palms("import-published", *files)
    assert result.exit_code == 0, result.output
    (version,) = store.versions("models")
    artifact = store.open("models", version)
    assert artifact.facts["imported"] is True
    assert (artifact.folder / "samples.png").exists()
    assert store.released() is None
    assert "already in the store" in palms("import-published", *files).output
    out = tmp_path / "p.zip"
    assert palms("generate", "--count", "1", "--model", version, "--out", str(out)).exit_code == 0
    refused = palms("import-published", *files, "--release")
    assert refused.exit_code == 1
    assert "fid_reference" in refused.stderr
    assert store.released() is None


def test_a_missing_file_of_weights_is_misuse(palms: Palms) -> None:
    assert palms("import-published", "nowhere.pt", "nowhere.pt").exit_code == 2


def test_a_pickle_that_would_run_code_is_refused_and_not_run(palms: Palms, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "boom",)

    torch.save({"main.0.weight": Bomb()}, tmp_path / "G.pt")
    torch.save({}, tmp_path / "D.pt")
    result = palms("import-published", str(tmp_path / "G.pt"), str(tmp_path / "D.pt"))
    assert result.exit_code == 1
    assert not (tmp_path / "boom").exists()


def test_pack_copies_a_model_into_a_folder(
    palms: Palms, store: Store, publish_model: Publish, tmp_path: Path
) -> None:
    version = publish_model().version
    result = palms("pack", version, tmp_path / "packed")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "packed" / "generator.safetensors").is_file()
    again = palms("pack", version, tmp_path / "packed")
    assert again.exit_code == 1
    values = json.loads(palms("pack", version, tmp_path / "other", "--json").stdout)
    assert (values["packed_from"], values["folder"]) == (version, str(tmp_path / "other"))
    assert values["bytes"] > 0


def test_card_prints_the_card_and_the_facts(palms: Palms, publish_model: Publish) -> None:
    artifact = publish_model(1, kimg=80.0)
    assert "This model has no card" in palms("card", artifact.version).output
    (artifact.folder / "README.md").write_text("# A card\n")  # not among the files of the manifest
    result = palms("card", artifact.version)
    assert f"model {artifact.version}, learned from photographs, 16 px" in result.output
    assert "# A card" in result.output
    values = json.loads(palms("card", artifact.version, "--json").stdout)
    assert (values["card"], values["facts"]["kimg"], values["origin"]) == ("# A card\n", 80.0, "photographs")
