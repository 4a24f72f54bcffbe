from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from xml.etree import ElementTree

from app.curves import line_chart
from app.source import source_zip


def test_a_chart_is_well_formed_and_has_a_description() -> None:
    chart = ElementTree.fromstring(line_chart({"<a>": [(0, 1), (10, 2)], "b": [(0, 3)]}, "x & y", 'say "it"'))
    assert chart.get("role") == "img"
    assert chart.get("aria-label") == 'say "it"'
    assert [len((line.get("points") or "").split()) for line in chart.iter("polyline")] == [2, 1]


def test_a_chart_leaves_out_what_is_not_finite() -> None:
    chart = ElementTree.fromstring(
        line_chart({"a": [(0, 1), (5, float("nan")), (10, float("inf"))]}, "x", "d")
    )
    (line,) = chart.iter("polyline")
    assert len((line.get("points") or "").split()) == 1


def test_an_empty_chart_is_no_error() -> None:
    assert line_chart({"a": []}, "x", "d").startswith("<svg")


def test_the_source_that_is_offered_holds_the_program_and_nothing_else() -> None:
    archive = zipfile.ZipFile(io.BytesIO(source_zip()))
    names = archive.namelist()
    assert {"palms/pyproject.toml", "palms/app/main.py", "palms/palm_assets/generating.py"} <= set(names)
    assert not [
        name for name in names if ".env" in name or "palm_home" in name or name.endswith((".pyc", ".pt"))
    ]
    assert source_zip() == source_zip()


def test_the_page_imports_neither_dagster_nor_the_pipelines() -> None:
    code = (
        "import sys, app.asking, app.jobs, app.sets, app.look, app.palms_page, app.about_page;"
        "print([m for m in sys.modules if m.split('.')[0] in ('dagster', 'pipelines', 'ultralytics')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
