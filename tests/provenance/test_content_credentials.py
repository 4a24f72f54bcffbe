"""What a manifest says, whoever made it."""

from __future__ import annotations

import pytest

from palm_assets.provenance.content_credentials import _source


@pytest.mark.parametrize(
    "data",
    [None, "text", [1, 2], {}, {"actions": 5}, {"actions": ["created", None, {"action": "c2pa.created"}]}],
)
def test_actions_of_another_form_say_nothing(data: object) -> None:
    created = {"action": "c2pa.created", "digitalSourceType": "x", "softwareAgent": "a name"}
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": data}]}
    assert _source(manifest) == ("", {})
    manifest["assertions"].append({"label": "c2pa.actions", "data": {"actions": [created]}})
    assert _source(manifest) == ("x", {})
