"""Process-wide settings: memory, cores, and interpreters without affinity or UTF-8."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from palm_assets import runtime
from palm_assets.runtime import cpu_quota, limit_cores, usable_cores
from palm_assets.store.artifacts import Artifact

ROOT = Path(__file__).parents[1]

FAULTS = """
import resource, sys
import numpy as np
from palm_assets.runtime import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def compute():
    return [np.ones(size // 8) for size in (3 * 2**20, 100 * 2**20)]
compute()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    compute()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_kept_memory_is_reused_without_page_faults() -> None:
    assert page_faults("kept") < page_faults("returned") / 20


# Cores


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


V2, V1 = "0::/\n", "4:memory:/\n3:cpu,cpuacct:/\n0::/\n"
CPU = "sys/fs/cgroup/cpu"
QUOTAS = {
    "nothing mounted": ({}, None),
    "no limit": ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "version 2": ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
    "version 2, the parent's": (
        {
            "proc/self/cgroup": "0::/machine/job\n",
            "sys/fs/cgroup/machine/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/machine/job/cpu.max": "400000 100000\n",
        },
        0.5,
    ),
    "version 2, a group of the host": (
        {"proc/self/cgroup": "0::/docker/12ab\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"},
        2.0,
    ),
    "version 1": (
        {
            "proc/self/cgroup": V1,
            f"{CPU}/cpu.cfs_quota_us": "100000\n",
            f"{CPU}/cpu.cfs_period_us": "100000\n",
        },
        1.0,
    ),
    "version 1, no limit": (
        {
            "proc/self/cgroup": V1,
            f"{CPU}/cpu.cfs_quota_us": "-1\n",
            f"{CPU}/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "version 1, mounted by both names": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/job\n",
            f"{CPU},cpuacct/job/cpu.cfs_quota_us": "300000\n",
            f"{CPU},cpuacct/job/cpu.cfs_period_us": "100000\n",
        },
        3.0,
    ),
    "both, version 2 under unified": (
        {"proc/self/cgroup": V1, "sys/fs/cgroup/unified/cpu.max": "70000 100000\n"},
        0.7,
    ),
    "damaged": ({"proc/self/cgroup": "nonsense\n0::/\n", "sys/fs/cgroup/cpu.max": "many\n"}, None),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_the_cpu_quota_of_control_groups_is_read(tmp_path: Path, case: str) -> None:
    files, quota = QUOTAS[case]
    assert cpu_quota(write(tmp_path, files)) == quota


@pytest.mark.parametrize("affinity", [True, False])
@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 8),
        ("100000 100000", 1),
        ("10000 100000", 1),
        ("150000 100000", 2),
        ("1600000 100000", 8),
    ],
)
def test_cores_are_limited_by_the_quota_rounded_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, affinity: bool, quota: str, cores: int
) -> None:
    if affinity:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    else:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
    root = write(tmp_path, {"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": quota})
    assert usable_cores(root) == cores


ONE_THREAD = """
import os, sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
from palm_assets.runtime import configure, cpu_quota, usable_cores
configure()
import torch
print(cpu_quota(), usable_cores(), torch.get_num_threads())
"""


@pytest.fixture
def group_of_one_core() -> Iterator[Path]:
    """A real control group of this system, of either version; only root can make one."""
    mounts = Path("/sys/fs/cgroup")
    second = (mounts / "cgroup.controllers").is_file()
    folder = (mounts if second else mounts / "cpu") / f"palms-test-{os.getpid()}"
    limits = {"cpu.max": "100000 100000"} if second else {"cpu.cfs_quota_us": "100000"}
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        for name, text in limits.items():
            try:
                (folder / name).write_text(text, encoding="ascii")
            except OSError as error:
                pytest.skip(f"the control group cannot be limited: {error}")
        yield folder
    finally:
        folder.rmdir()


def test_in_a_control_group_of_one_core_one_thread_is_used(group_of_one_core: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP")}
    done = subprocess.run(
        [sys.executable, "-c", ONE_THREAD, str(group_of_one_core)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.split() == ["1.0", "1", "1"]


def test_nothing_else_counts_cores() -> None:
    words = ("sched_getaffinity", "cpu_count", "process_cpu_count", "nproc", "NPROCESSORS")
    counting = {
        path.relative_to(ROOT).as_posix()
        for path in [*sources("palm_assets", "pipelines", "app", "benchmarks"), ROOT / "Makefile"]
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    assert counting == {"palm_assets/runtime.py"}


# Interpreters without affinity or UTF-8

THREE_ROOMS = """
import os, sys
assert not hasattr(os, "sched_getaffinity")
assert not sys.flags.utf8_mode
import palm_assets.cli.main, pipelines.definitions, app.views.about
from palm_assets.gan.sampler import load_model
from pathlib import Path
model = load_model(Path(sys.argv[1]), "v")
print(len(model.sample(2)))
import torch
assert torch.get_num_threads() == 1, torch.get_num_threads()
"""
ONE_CORE_WITHOUT_AFFINITY = """
import os
if hasattr(os, "sched_getaffinity"):
    del os.sched_getaffinity
os.cpu_count = lambda: 1
"""


@pytest.mark.skipif(not str(ROOT).isascii(), reason="PyTorch cannot be imported from it in an ASCII locale")
def test_the_pipeline_imports_and_samples_without_affinity_and_without_utf8(
    tmp_path: Path, publish_model: Callable[..., Artifact]
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(ONE_CORE_WITHOUT_AFFINITY, encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP", "LC", "LANG"))
    }
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)]),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "DAGSTER_HOME": str(tmp_path),
        "PALM_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        [sys.executable, "-c", THREE_ROOMS, str(publish_model().folder)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "2"


def test_text_files_name_their_encoding() -> None:
    """Otherwise the locale decides, and under LC_ALL=C a word of a card ends a run after its training."""
    unnamed = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sources("palm_assets", "pipelines", "app", "benchmarks")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and is_text_without_encoding(call)
    ]
    assert unnamed == []


def is_text_without_encoding(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    named = any(keyword.arg == "encoding" for keyword in call.keywords)
    encoding_at = {"read_text": 0, "write_text": 1}
    return name in encoding_at and not named and len(call.args) <= encoding_at[name]


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_a_process_among_several_uses_no_more_cores_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_most_cores", None)
    available = usable_cores()
    limit_cores(1)
    assert usable_cores() == 1
    limit_cores(available + 1)
    assert usable_cores() == available
