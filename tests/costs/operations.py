"""Counts what a workload does: operators of PyTorch and their work, and calls of Python functions.

These counts do not depend on the load or the speed of the machine.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Counts = dict[str, int]


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators, their floating point operations, and the bytes of new tensors that they return."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators = self.flops = self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        keywords = keywords or {}
        if function._overloadpacket not in flop_registry:
            with self:  # in inference mode, an operator that consists of others comes whole
                result = function.decompose(*arguments, **keywords)
            if result is not NotImplemented:
                return result
        result = function(*arguments, **keywords)
        self.operators += 1
        formula = flop_registry.get(function._overloadpacket)
        if formula is not None:
            self.flops += formula(*arguments, **keywords, out_val=result)
        given = {tensor.untyped_storage().data_ptr() for tensor in _tensors([*arguments, *keywords.values()])}
        self.bytes += sum(
            tensor.nbytes for tensor in _tensors(result) if tensor.untyped_storage().data_ptr() not in given
        )
        return result


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)


def count_operators(work: Callable[[], object]) -> Counts:
    """Operators of all threads: their number, floating point operations, and bytes of new tensors."""
    counted: list[_Operators] = []
    run = threading.Thread.run

    def counting_run(thread: threading.Thread) -> None:
        with _Operators() as operators:  # a mode counts in its thread alone
            counted.append(operators)
            run(thread)

    threading.Thread.run = counting_run  # type: ignore[method-assign,assignment]
    try:
        with _Operators() as operators:
            counted.append(operators)
            work()
    finally:
        threading.Thread.run = run  # type: ignore[method-assign]
    return {
        "operators": sum(each.operators for each in counted),
        "flops": sum(each.flops for each in counted),
        "bytes": sum(each.bytes for each in counted),
    }


def count_calls(work: Callable[[], object], *, thread: str | None = None) -> Counts:
    """Calls of functions, of Python and C, in this thread and those that it starts.

    Args:
        work: is called once.
        thread: count in threads with such a name alone, as this one waits for them in a loop.
    """
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if event in ("call", "c_call") and (thread is None or thread in threading.current_thread().name):
            calls += 1

    with _without_garbage_collection():
        threading.setprofile(count)
        if thread is None:
            sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return {"calls": calls}


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Finalizers of what earlier work left behind are not counted."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
