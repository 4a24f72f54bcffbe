"""Links from the assets in the UI to the lines of code that define them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import dagster as dg


def with_code_references(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with a reference to their source.

    It is a file on this machine, or a page of the repository if PALM_SOURCE_URL names one on GitHub or
    GitLab, at the branch or commit in PALM_SOURCE_REVISION (default: main).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        found = dg.with_source_code_references(list(assets))
        if url := os.environ.get("PALM_SOURCE_URL"):
            found = dg.link_code_references_to_git(
                found,
                git_url=url,
                git_branch=os.environ.get("PALM_SOURCE_REVISION") or "main",
                file_path_mapping=dg.AnchorBasedFilePathMapping(
                    local_file_anchor=Path(__file__),
                    file_anchor_path_in_repository="pipelines/code_references.py",
                ),
            )
    return [asset for asset in found if isinstance(asset, dg.AssetsDefinition)]
