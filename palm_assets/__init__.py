"""Images of human hands that belong to no one: the library behind the pipeline, the page and `palms`.

    import palm_assets

    model = palm_assets.load_model()
    images = model.sample(16, seed=7)
    metrics = palm_assets.evaluate("folder_of_images")

`import palm_assets` alone is light: what a name needs is imported when the name is first used.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if sys.platform == "win32":
    from palm_assets.errors import UnsupportedSystemError

    raise UnsupportedSystemError(
        "Palms does not run on Windows, because its store needs POSIX file locks",
        hint="Install it in WSL (Windows Subsystem for Linux): https://learn.microsoft.com/windows/wsl/install",
    )

if sys.platform == "linux" and not os.path.exists("/proc/cpuinfo"):  # noqa: PTH110  # pathlib is slower
    from palm_assets.errors import UnsupportedSystemError

    raise UnsupportedSystemError(
        "PyTorch cannot load a model without /proc/cpuinfo", hint="Mount /proc: mount -t proc proc /proc"
    )

if TYPE_CHECKING:
    from palm_assets.errors import PalmError
    from palm_assets.evaluation.set_evaluation import evaluate
    from palm_assets.gan.sampler import PalmModel
    from palm_assets.generation.generate import GeneratedImage, GenerationRequest, generate
    from palm_assets.quality.set_metrics import SetMetrics
    from palm_assets.release.model_choices import ModelChoice, list_models
    from palm_assets.release.model_loader import load_model
    from palm_assets.store.artifacts import Store

__version__ = "0.1.0"
__all__ = [
    "GeneratedImage",
    "GenerationRequest",
    "ModelChoice",
    "PalmError",
    "PalmModel",
    "SetMetrics",
    "Store",
    "evaluate",
    "generate",
    "list_models",
    "load_model",
]

_MODULES = {
    "GeneratedImage": "generation.generate",
    "GenerationRequest": "generation.generate",
    "ModelChoice": "release.model_choices",
    "PalmError": "errors",
    "PalmModel": "gan.sampler",
    "SetMetrics": "quality.set_metrics",
    "Store": "store.artifacts",
    "evaluate": "evaluation.set_evaluation",
    "generate": "generation.generate",
    "list_models": "release.model_choices",
    "load_model": "release.model_loader",
}

if not TYPE_CHECKING:  # type checkers would take any name for one of this module

    def __getattr__(name: str) -> object:
        """Import a public name from its module on first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
