"""The join of `HandInfo.csv` with the files: matched sensibly or refused, never replaced by a guess."""

from __future__ import annotations

import contextlib
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm_assets.errors import DatasetError
from palm_assets.photos.hand_info import find_table, join_table
from palm_assets.photos.index import folder_fingerprint, index_photos
from tests.helpers import save_picture

HEADER = "id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities"


def written(
    folder: Path, rows: list[tuple[str, str, str]], header: str = HEADER, name: str = "HandInfo.csv"
) -> Path:
    """A table of (id, aspectOfHand, imageName)."""
    lines = [header, *(f"{person},30,x,fair,0,0,{aspect},{image},0" for person, aspect, image in rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def six_photos(root: Path) -> list[str]:
    """Palm and back of three people, in `Hands`."""
    names = [f"Hand_{number:07d}" for number in range(6)]
    for number, name in enumerate(names):
        save_picture(root / "Hands" / f"{name}.jpg", seed=number)
    return names


WAYS = {
    "as they are": lambda name: f"{name}.jpg",
    "another case": lambda name: f"{name}.JPG",
    "all lower case": lambda name: f"{name}.jpg".lower(),
    "no ending": lambda name: name,
    "another ending": lambda name: f"{name}.png",
    "a folder": lambda name: f"Hands/{name}.jpg",
    "a path of Windows": lambda name: f"C:\\data\\Hands\\{name}.jpg",
    "another folder": lambda name: f"images/{name}.jpg",
    "a blank behind": lambda name: f"{name}.jpg ",
    "a blank before": lambda name: f" {name}.jpg",
    "a blank before the ending": lambda name: f"{name} ",
    "quoted": lambda name: f'"{name}.jpg"',
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_names_written_another_way_are_matched(tmp_path: Path, way: object) -> None:
    names = six_photos(tmp_path)
    written(
        tmp_path,
        [(str(n // 2), "dorsal left" if n % 2 else "palmar left", way(name)) for n, name in enumerate(names)],  # type: ignore[operator]
    )
    index = index_photos(tmp_path, max_set_aside=0)
    assert [(photo.person, photo.aspect, photo.side) for photo in index.photos] == [
        ("0", "palmar", "left"),
        ("1", "palmar", "left"),
        ("2", "palmar", "left"),
    ]
    assert [entry.reason for entry in index.set_aside] == ["aspect dorsal"] * 3


_SCRAMBLES = st.tuples(
    st.sampled_from([str.upper, str.lower, str.title, str]),
    st.sampled_from(["", ".jpg", ".JPG", ".jpeg", ".PNG"]),
    st.sampled_from(["", "Hands/", "data\\Hands\\", "/abs/Hands/"]),
    st.sampled_from(["", " ", "\t"]),
    st.sampled_from(["NFC", "NFD"]),
)


@settings(deadline=None)
@given(st.lists(_SCRAMBLES, min_size=4, max_size=4))
def test_any_mixture_of_case_ending_folder_blanks_and_composition_is_matched(
    tmp_path_factory: pytest.TempPathFactory, ways: list[tuple[object, str, str, str, str]]
) -> None:
    stems = ["Hand_1", "hånd 2", "Рука_3", "IMG.4"]
    rows = []
    for number, (stem, (case, suffix, folder, blank, form)) in enumerate(zip(stems, ways, strict=True)):
        name = unicodedata.normalize(form, case(stem))  # type: ignore[operator, arg-type]
        rows.append((str(number), "palmar left", f"{folder}{blank}{name}{suffix}{blank}"))
    table = written(tmp_path_factory.mktemp("table"), rows)
    joined = join_table(table, [f"Hands/{stem}.jpg" for stem in stems])
    assert {name: labels.person for name, labels in joined.items()} == {
        f"Hands/{stem}.jpg": str(number) for number, stem in enumerate(stems)
    }


def test_the_folder_in_front_of_a_name_distinguishes_files_of_the_same_name(tmp_path: Path) -> None:
    table = written(tmp_path, [("anna", "palmar left", "A/1.jpg"), ("ben", "palmar left", "B\\1.JPG")])
    joined = join_table(table, ["set/a/1.jpg", "set/B/1.jpg"])
    assert {name: labels.person for name, labels in joined.items()} == {
        "set/a/1.jpg": "anna",
        "set/B/1.jpg": "ben",
    }


def test_an_ending_distinguishes_names_that_differ_in_nothing_else(tmp_path: Path) -> None:
    table = written(tmp_path, [("anna", "palmar left", "1.jpg"), ("ben", "palmar left", "1.png")])
    joined = join_table(table, ["1.PNG", "1.JPG"])
    assert {name: labels.person for name, labels in joined.items()} == {"1.PNG": "ben", "1.JPG": "anna"}


def test_rows_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    table = written(tmp_path, [("anna", "palmar left", "1.jpg"), ("ben", "palmar left", "1.jpg")])
    with pytest.raises(DatasetError, match=r"2 rows of HandInfo\.csv fit '1\.jpg' and contradict"):
        join_table(table, ["1.jpg"])
    table = written(tmp_path, [("anna", "palmar left", "1.jpg"), ("anna", "palmar left", "1.jpg")])
    assert join_table(table, ["1.jpg"])["1.jpg"].person == "anna"


def test_a_table_that_names_no_file_is_refused_with_an_example_of_both(tmp_path: Path) -> None:
    six_photos(tmp_path)
    written(tmp_path, [(str(n), "palmar left", f"scan-{n}.jpg") for n in range(6)])
    with pytest.raises(
        DatasetError, match=r"no row for 6 of 6 images .*'scan-0\.jpg'.*'Hands/Hand_0000000\.jpg'"
    ):
        index_photos(tmp_path)


def test_a_table_without_a_single_row_is_refused(tmp_path: Path) -> None:
    six_photos(tmp_path)
    written(tmp_path, [])
    with pytest.raises(DatasetError, match="no row for 6 of 6 images"):
        index_photos(tmp_path)


def test_a_few_files_without_a_row_are_of_unknown_aspect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = six_photos(tmp_path)
    written(tmp_path, [(str(n), "palmar left", name) for n, name in enumerate(names[:5])])
    index = index_photos(tmp_path)
    assert [photo.aspect for photo in index.photos] == ["palmar"] * 5 + ["unknown"]
    assert "no row for 1 of 6 images" in caplog.text
    only = index_photos(tmp_path, aspects=["palmar"], max_set_aside=0)
    assert {entry.path: entry.reason for entry in only.set_aside} == {
        "Hands/Hand_0000005.jpg": "not in HandInfo.csv"
    }


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "utf-8-sig"), (";", "utf-16-le-bom")]
)
def test_tables_as_spreadsheets_save_them_are_read(tmp_path: Path, delimiter: str, encoding: str) -> None:
    names = six_photos(tmp_path)
    table = written(tmp_path, [(str(n), "palmar left", name) for n, name in enumerate(names)])
    text = table.read_text().replace(",", delimiter)
    data = (
        "\ufeff".encode("utf-16-le") + text.encode("utf-16-le")
        if "bom" in encoding
        else text.encode(encoding)
    )
    table.write_bytes(data)
    assert [photo.person for photo in index_photos(tmp_path).photos] == ["0", "1", "2", "3", "4", "5"]


def test_columns_in_another_case_or_with_blanks_and_the_tables_own_name_in_another_case(
    tmp_path: Path,
) -> None:
    names = six_photos(tmp_path)
    header = HEADER.replace("imageName", " ImageName ").replace("aspectOfHand", "aspectofhand")
    written(tmp_path, [(str(n), "palmar left", name) for n, name in enumerate(names)], header, "handinfo.CSV")
    assert [photo.person for photo in index_photos(tmp_path).photos] == ["0", "1", "2", "3", "4", "5"]


def test_the_topmost_table_counts_and_its_sidecar_does_not(tmp_path: Path) -> None:
    written(tmp_path / "a", [])
    found = find_table(tmp_path, ["a/b/HandInfo.csv", "a/HandInfo.csv", "notes.csv"])
    assert found == tmp_path / "a/HandInfo.csv"
    assert find_table(tmp_path, ["HandInfo.csv.bak"]) is None


def test_the_table_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    names = six_photos(tmp_path)
    rows = [(str(n), "palmar left", name) for n, name in enumerate(names)]
    written(tmp_path, rows)
    before = folder_fingerprint(tmp_path)
    written(tmp_path, [*rows[:-1], ("0", "palmar left", names[-1])])
    assert folder_fingerprint(tmp_path) != before


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=300).map(lambda text: (HEADER + "\n" + text).encode())
    )
)
def test_any_table_is_joined_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    table = tmp_path_factory.mktemp("table") / "HandInfo.csv"
    table.write_bytes(content)
    with contextlib.suppress(DatasetError):
        join_table(table, ["Hands/Hand_1.jpg", "x.png"])


# Tables as people make them


def six_rows(root: Path, ids: Sequence[str], aspects: Sequence[str] = ("palmar left",)) -> Path:
    names = six_photos(root)
    return written(root, [(ids[n], aspects[n % len(aspects)], name) for n, name in enumerate(names)])


@pytest.mark.parametrize(
    "ids",
    ["P1 p1 2 2 3 3", "7 07 2 2 3 3", "7 7.0 2 2 3 3", "\u00e4b a\u0308b 2 2 3 3", "\uff11\uff12 12 2 2 3 3"],
    ids=["case", "zeros", "a number of a spreadsheet", "composition", "full width"],
)
def test_ids_that_differ_in_spelling_alone_are_refused(tmp_path: Path, ids: str) -> None:
    six_rows(tmp_path, ids.split())
    with pytest.raises(DatasetError, match="one person"):
        index_photos(tmp_path)


@settings(deadline=None)
@given(st.lists(st.integers(0, 30).map(str) | st.sampled_from(["anna", "ben", "ü"]), min_size=6, max_size=6))
def test_any_other_ids_are_people(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    root = tmp_path_factory.mktemp("set")
    six_rows(root, ids)
    assert [photo.person for photo in index_photos(root).photos] == ids


def test_an_id_and_a_folder_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    six_rows(tmp_path, ["anna", "anna", "2", "2", "3", "3"])
    save_picture(tmp_path / "Anna" / "new.jpg", seed=70)
    with pytest.raises(DatasetError, match="one person"):
        index_photos(tmp_path)


@pytest.mark.parametrize(
    ("said", "aspect", "side"),
    [
        ("Dorsal-Left", "dorsal", "left"),
        ("dorsal_right", "dorsal", "right"),
        ("BackLeft", "dorsal", "left"),
        ("back", "dorsal", "unknown"),
        ("right palm", "palmar", "right"),
        ("тыльная сторона; правая", "dorsal", "right"),
        ("Ладонь левая", "palmar", "left"),
        ("left", "unknown", "left"),
        ("", "unknown", "unknown"),
        ("N/A", "unknown", "unknown"),
    ],
)
def test_aspects_are_read_in_the_words_that_people_use(
    tmp_path: Path, said: str, aspect: str, side: str
) -> None:
    table = written(tmp_path, [("anna", said, "1.jpg")])
    labels = join_table(table, ["1.jpg"])["1.jpg"]
    assert (labels.aspect, labels.side) == (aspect, side)


def test_an_aspect_that_cannot_be_read_is_refused_and_quoted(tmp_path: Path) -> None:
    six_rows(tmp_path, ["1", "1", "2", "2", "3", "3"], ["palmar left", "vorne"])
    with pytest.raises(DatasetError, match=r"3 rows .* neither palmar nor dorsal: 'vorne' of 'Hand_0000001'"):
        index_photos(tmp_path)


@pytest.mark.parametrize(
    "name", ["HandInfo.xlsx", "HandInfo (1).csv", "Hand_Info.csv", "HandInfo - Copy.csv", "handinfo.csv.txt"]
)
def test_a_table_of_another_name_is_not_passed_over(tmp_path: Path, name: str) -> None:
    six_photos(tmp_path)
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"only HandInfo\.csv is read") as refused:
        index_photos(tmp_path)
    assert repr(name) in str(refused.value)
    (tmp_path / name).rename(tmp_path / "HandInfo.csv.old")
    assert len(index_photos(tmp_path).photos) == 6


def test_a_table_that_is_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    six_photos(tmp_path)
    (tmp_path / "HandInfo.csv").symlink_to("/mnt/share/HandInfo.csv")
    with pytest.raises(DatasetError, match="a link to one that does not exist"):
        index_photos(tmp_path)


def test_two_sets_side_by_side_are_refused_and_a_copy_of_the_table_is_not(tmp_path: Path) -> None:
    """Both name their files alike, so the table of one would name the people of the other."""
    for seed, name in enumerate(("A", "B")):
        for number in range(2):
            save_picture(tmp_path / name / f"{number}.jpg", seed=10 * seed + number)
        rows = [(f"{name}{number}", "palmar left", f"{number}.jpg") for number in range(2)]
        written(tmp_path / name, rows)
    with pytest.raises(DatasetError, match=r"'A/HandInfo\.csv' and 'B/HandInfo\.csv'"):
        index_photos(tmp_path)
    shutil.copy(tmp_path / "A" / "HandInfo.csv", tmp_path / "B" / "HandInfo.csv")
    assert len(index_photos(tmp_path).photos) == 4
    written(tmp_path, [(f"{f}{n}", "palmar left", f"{f}/{n}.jpg") for f in "AB" for n in range(2)])
    index = index_photos(tmp_path, max_set_aside=0)
    assert [photo.person for photo in index.photos] == ["A0", "A1", "B0", "B1"]
    assert {entry.path: entry.reason for entry in index.set_aside} == {
        f"{name}/HandInfo.csv": "a HandInfo.csv nearer to the root counts" for name in "AB"
    }


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: "sep=;\r\n" + text.replace(",", ";"),
        lambda text: "\n\n" + text,
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(",", "|"),
        lambda text: text.replace(",", ";").replace("\n", ";;;\n"),
        lambda text: text.replace("Hand_0000000", '"Hand_0000000\n"'),
    ],
    ids=[
        "Excel's first line",
        "empty lines",
        "line ends of old macOS",
        "bars",
        "empty columns",
        "a line end",
    ],
)
def test_a_table_is_read_whatever_program_wrote_it(tmp_path: Path, changed: Callable[[str], str]) -> None:
    table = six_rows(tmp_path, ["1", "1", "2", "2", "3", "3"])
    table.write_bytes(changed(table.read_text()).encode())
    assert [photo.person for photo in index_photos(tmp_path).photos] == ["1", "1", "2", "2", "3", "3"]


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = six_rows(tmp_path, ["1", "1", "2", "2", "3", "3"])
    table.write_text(
        "\n".join(f"{line},{n if n else 'ID'}" for n, line in enumerate(table.read_text().split()))
    )
    with pytest.raises(DatasetError, match="Several columns are called id"):
        index_photos(tmp_path)


def test_a_row_without_an_id_does_not_say_who_it_is(tmp_path: Path) -> None:
    six_rows(tmp_path, ["1", "1", "2", "2", "", ""])
    with pytest.raises(DatasetError, match="2 of 6 photographs have no id in HandInfo"):
        index_photos(tmp_path, loose_photos="refuse")
    index = index_photos(tmp_path, loose_photos="refuse", max_set_aside=0.4)
    assert [photo.person for photo in index.photos] == ["1", "1", "2", "2"]
    assert {entry.reason for entry in index.set_aside} == {"HandInfo.csv does not say who is on it"}
    each = index_photos(tmp_path, loose_photos="each_a_person")
    assert len({photo.person for photo in each.photos}) == 4
    by_name = index_photos(tmp_path, loose_photos="by_file_name")
    assert [photo.person for photo in by_name.photos] == ["1", "1", "2", "2", "Hand", "Hand"]
