"""Tokens as mounted secrets, env files and editors leave them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm_assets.errors import AccessRefusedError
from palm_assets.sources.kaggle import fetch_dataset, newest_version
from palm_assets.sources.kaggle_client import _clean
from tests.sources.kaggle_server import KaggleServer
from tests.sources.kaggle_sets import BOXES, HANDS, boxes, files_in

TOKEN = "KGAT_1234"
WAYS = [
    "KGAT_1234\n",
    " KGAT_1234",
    "KGAT_1234\r\n",
    "\tKGAT_1234 \n\n",
    '"KGAT_1234"',
    "'KGAT_1234'\n",
    "\ufeffKGAT_1234",
]


@pytest.mark.parametrize("token", WAYS)
def test_blanks_line_ends_quotes_and_marks_around_a_token_make_no_difference(
    kaggle: KaggleServer, cache: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    assert newest_version(HANDS) == 2
    assert files_in(fetch_dataset(BOXES, cache=cache).root) == boxes()
    assert set(kaggle.authorizations) == {f"Bearer {TOKEN}"}
    assert os.environ["KAGGLE_API_TOKEN"] == token, "the environment is as it was"


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'"), min_size=1),
    st.text(" \t\r\n\x0b\x0c", max_size=4),
    st.text(" \t\r\n", max_size=4),
    st.sampled_from(["", '"', "'"]),
)
def test_any_token_comes_out_of_any_wrapping(token: str, before: str, behind: str, quote: str) -> None:
    assert _clean(before + quote + token + quote + behind) == token


@pytest.mark.parametrize("token", ["", " ", "\n", '""'])
def test_a_token_that_is_only_blanks_is_none(
    kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    newest_version(HANDS)
    assert kaggle.authorizations == [None]


def test_behind_a_blank_token_the_old_kaggle_json_counts(
    kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "\n")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kaggle.json").write_text(json.dumps({"username": " ann ", "key": "k\n"}))
    newest_version(HANDS)
    assert kaggle.authorizations == ["Basic " + base64.b64encode(b"ann:k").decode()]


def test_user_name_and_key_from_the_environment_are_cleaned(
    kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "ann\n")
    monkeypatch.setenv("KAGGLE_KEY", " k\r\n")
    newest_version(HANDS)
    assert kaggle.authorizations == ["Basic " + base64.b64encode(b"ann:k").decode()]


def test_a_token_may_stand_in_a_file_that_the_variable_names(
    kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfKGAT_1234\r\n")
    monkeypatch.setenv("KAGGLE_API_TOKEN", f"{tmp_path / 'secret'}\n")
    newest_version(HANDS)
    assert kaggle.authorizations == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    "token",
    [
        "KGAT_12\n34",
        "KGAT 1234",
        "KGAT_ладонь",
        "KGAT_\x7f12",
        'KAGGLE_API_TOKEN="KGAT_1234"',
        "Bearer KGAT_1234",
        '{"username":"ann","key":"k"}',
        "\\nKGAT_1234\\n",
        "\u201cKGAT_1234\u201d",
        "KGAT_1234\u200b",
    ],
)
def test_a_token_with_blanks_inside_is_a_matter_of_access_and_not_shown(
    kaggle: KaggleServer, cache: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    for call in (lambda: newest_version(HANDS), lambda: fetch_dataset(HANDS, version=1, cache=cache)):
        with pytest.raises(AccessRefusedError, match="blanks, line ends") as refused:
            call()
        assert "KAGGLE_API_TOKEN" in refused.value.hint
        assert token not in str(refused.value)
    assert kaggle.log == []


def put_into_home(tmp_path: Path, name: str, content: bytes) -> None:
    place = tmp_path / "home" / (".kaggle" if name == "access_token" else "") / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


@pytest.mark.parametrize(
    ("content", "sent"),
    [(b'{"username": "ann", "key": 1234}', b"ann:1234"), (b'{"username": " ann\\n", "key": "k "}', b"ann:k")],
)
def test_values_of_an_old_kaggle_json_are_cleaned(
    kaggle: KaggleServer, tmp_path: Path, content: bytes, sent: bytes
) -> None:
    put_into_home(tmp_path, "kaggle.json", content)
    newest_version(HANDS)
    assert kaggle.authorizations == ["Basic " + base64.b64encode(sent).decode()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kaggle.json", b"{"),
        ("kaggle.json", b'["ann", "k"]'),
        ("kaggle.json", b'{"username": "ann", "key": {"k": 1}}'),
        ("kaggle.json", '{"username": "ann", "key": "k"}'.encode("utf-16")),
        ("access_token", "KGAT_1234\r\n".encode("utf-16")),
        ("access_token", "KGAT_1234\r\n".encode("utf-16-le")),
        ("access_token", b"# my token\nKGAT_1234\n"),
        ("access_token", b"KAGGLE_API_TOKEN=KGAT_1234\n"),
    ],
)
def test_a_file_that_holds_no_credentials_is_a_matter_of_access(
    kaggle: KaggleServer, tmp_path: Path, name: str, content: bytes
) -> None:
    put_into_home(tmp_path, name, content)
    with pytest.raises(AccessRefusedError) as refused:
        newest_version(HANDS)
    assert "access_token" in refused.value.hint
    assert kaggle.log == []
