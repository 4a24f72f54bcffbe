"""What the images of deploy/Dockerfile install: size and seconds, without a container engine.

Runs the RUN commands of the stages below a target, as they stand in the file, in a copy of the working tree
and an empty virtual environment, as a user who is not root. Then it generates two images, and starts the page
by the command of the image until its health check succeeds. Steps of Debian's packages are skipped.

On a machine that does not reach PyTorch's index, `--torch VERSION --index URL` installs another CPU build,
from a folder or an index that pip's settings name. `--python` names an interpreter that every user can read.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
NOBODY = 65534
START_SECONDS = 120

Stages = dict[str, tuple[str, list[tuple[str, str]]]]


def stages() -> Stages:
    """Name of each stage to its base, and its instructions with their values."""
    found: Stages = {}
    for entry in DockerfileParser(path=str(DOCKERFILE)).structure:
        instruction, value = entry["instruction"], entry["value"]
        if instruction == "FROM":
            base, _, name = value.split()
            found[name] = (base, [])
        elif instruction != "COMMENT":
            found[name][1].append((instruction, value))
    return found


def lineage(target: str) -> list[str]:
    """The stages that an image is made of, in order: its bases, and those that it copies from."""
    base, instructions = stages()[target]
    used = [base, *(match for _, value in instructions for match in re.findall(r"--from=(\S+)", value))]
    order: list[str] = []
    for name in used:
        order += [stage for stage in lineage(name) if stage not in order] if name in stages() else []
    return [*order, target]


def run_commands(target: str) -> Iterator[tuple[str, str]]:
    """Stage and command of each RUN below a target."""
    for stage in lineage(target):
        for instruction, value in stages()[stage][1]:
            if instruction == "RUN":
                yield stage, value


def variables(target: str) -> dict[str, str]:
    """Values of ARG and ENV below a target."""
    words = [
        word
        for stage in lineage(target)
        for instruction, value in stages()[stage][1]
        if instruction in ("ARG", "ENV")
        for word in value.split()
    ]
    return dict(word.split("=", 1) for word in words)


def last(target: str, instruction: str) -> str:
    """The last value of an instruction below a target."""
    found = [value for stage in lineage(target) for name, value in stages()[stage][1] if name == instruction]
    return found[-1]


def copy_of_working_tree(folder: Path) -> None:
    """What git tracks, as it stands, with an index of its own instead of the history."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for command in (["git", "init", "--quiet"], ["git", "add", "--all", "--force"]):
        subprocess.run(command, cwd=folder, check=True)


def megabytes(folder: Path) -> float:
    """Sizes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=["page", "pipeline"], default="page")
    parser.add_argument("--torch", help="version of PyTorch in place of that in constraints.txt")
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable).resolve(), help="base interpreter"
    )
    parser.add_argument("--index", help="index of PyTorch in place of that in the Dockerfile")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="palms-install-"))
    try:
        measure(work, args.python, args.target, args.torch, args.index)
    finally:
        shutil.rmtree(work)


def measure(work: Path, python: Path, target: str, torch: str | None, index: str | None) -> None:
    """Run the commands, print a table, and try what they made."""
    source, home = work / "palms", work / "home"
    source.mkdir()
    home.mkdir()
    copy_of_working_tree(source)
    if torch is not None:
        constraints = source / "constraints.txt"
        text = re.sub(r"(?m)^torch==.*$", f"torch=={torch}", constraints.read_text(encoding="utf-8"))
        constraints.write_text(re.sub(r"(?m)^torchvision==.*\n", "", text), encoding="utf-8")
    (work / "bin").mkdir()
    (work / "bin" / "python").symlink_to(python)
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        **variables(target),
        "VENV": str(work / "venv"),
        "HOME": str(home),
        "PALM_HOME": str(home / "palm_home"),
        "PATH": f"{work / 'venv' / 'bin'}:{work / 'bin'}:/usr/bin:/bin",
    } | ({"TORCH_INDEX": index} if index is not None else {})
    root = os.geteuid() == 0
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
    if root:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(work)], check=True)
    total = 0.0
    for stage, command in run_commands(target):
        if re.search(r"apt-get|useradd", command):
            print(f"{stage}: skipped: {command[:60]}")
            continue
        start = time.perf_counter()
        log = work / "log"
        with log.open("wb") as out:
            code = subprocess.run(
                ["sh", "-euc", command], cwd=source, env=environment, stdout=out, stderr=out, **user
            ).returncode
        if code != 0:
            sys.exit(log.read_text(encoding="utf-8")[-3000:])
        seconds, shown = time.perf_counter() - start, " ".join(command.split())[:70]
        total += seconds
        so_far = megabytes(work / "venv") if (work / "venv").is_dir() else 0
        print(f"{stage}: {seconds:.1f} s, {so_far:.0f} MB: {shown}")
    size = megabytes(work / "venv")
    print(f"{target}: environment {size:.0f} MB in {total:.1f} s, source {megabytes(source):.0f} MB")
    packages = sorted(
        (megabytes(path), path.name)
        for path in (work / "venv").glob("lib/python3.*/site-packages/*")
        if path.is_dir() and not path.name.endswith(".dist-info")
    )
    print("largest: " + ", ".join(f"{name} {size:.0f}" for size, name in packages[:-13:-1]) + " MB")
    generate = "palms generate --count 2 --seed 7 --out palms.zip"
    start = time.perf_counter()
    subprocess.run(["sh", "-euc", generate], cwd=home, env=environment, check=True, **user)
    print(f"`{generate}`: {time.perf_counter() - start:.1f} s")
    if target == "page":
        print(f"page: healthy after {seconds_to_health(source, environment, user):.1f} s")


def seconds_to_health(source: Path, environment: dict[str, str], user: dict[str, Any]) -> float:
    """Start the page by the command of its image; seconds until the image's health check succeeds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = json.loads(last("page", "CMD"))
    check = json.loads(last("page", "HEALTHCHECK").partition("CMD ")[2].replace("8501", port))
    served = environment | {"STREAMLIT_SERVER_PORT": port, "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"}
    options: dict[str, Any] = {
        "cwd": source,
        "env": served,
        "stderr": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        **user,
    }
    start = time.perf_counter()
    with subprocess.Popen(command, **options) as process:
        try:
            while subprocess.run(check, **options).returncode != 0:
                if process.poll() is not None or time.perf_counter() - start > START_SECONDS:
                    sys.exit("The page did not become healthy.")
            return time.perf_counter() - start
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
