"""Recording on a GPU: a turn of the game is hundreds of small kernels, which a CUDA graph starts as one.

Started one by one, they keep the processor busy for longer than the card (docs/recipe.md, at 128 and 256 px).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Play = Callable[[Sequence[Tensor], bool], Tensor]

PLAYED_FIRST = 3  # in which cuDNN chooses its convolutions and the optimizers lay out their moments


class Recorder:
    """Calls `play` three times, and then a recording of it.

    Args:
        play: computes on the card alone: it draws no random numbers, asks for no value, and copies nothing
            from the processor. Its arguments are tensors, always of the same shapes, and a flag, each value
            of which is recorded by itself. What it changes in place, a replay changes, too; what else it
            reads, a learning rate, say, stays as it was when it was recorded.
    """

    def __init__(self, play: Play) -> None:
        self._play = play
        self._played: Counter[bool] = Counter()
        self._inputs: list[Tensor] = []
        self._recordings: dict[bool, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()  # one for all: they are replayed one after the other

    def __call__(self, inputs: Sequence[Tensor], flag: bool) -> Tensor:
        """What `play` returns; `inputs` may be on the processor."""
        if not self._inputs:
            self._inputs = [torch.empty_like(given, device="cuda") for given in inputs]
        for place, given in zip(self._inputs, inputs, strict=True):
            place.copy_(given if given.is_cuda else given.pin_memory(), non_blocking=True)
        if self._played[flag] < PLAYED_FIRST:
            self._played[flag] += 1
            return self._played_for_once(flag)
        if flag not in self._recordings:
            self._recordings[flag] = self._recorded(flag)
        graph, result = self._recordings[flag]
        graph.replay()
        return result.clone()  # the next replay writes to the same place

    def forget(self) -> None:
        """Record anew: something else that `play` reads has changed."""
        self._recordings.clear()
        self._memory = torch.cuda.graph_pool_handle()  # the other went with its recordings

    def _played_for_once(self, flag: bool) -> Tensor:
        """On the stream on which it will be recorded."""
        usual = torch.cuda.current_stream()
        self._stream.wait_stream(usual)
        with torch.cuda.stream(self._stream):
            result = self._play(self._inputs, flag)
        usual.wait_stream(self._stream)
        return result.clone()

    def _recorded(self, flag: bool) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory, stream=self._stream):
            result = self._play(self._inputs, flag)
        return graph, result
