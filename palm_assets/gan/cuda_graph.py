"""Replays a training step as a CUDA graph: one launch instead of hundreds of small kernels.

Launched one by one, the kernels keep the processor busy for longer than the GPU (docs/benchmarks.md, GPU).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor], bool], Tensor]

WARMUP_CALLS = 3  # in which cuDNN chooses its convolutions and the optimizers allocate their moments


class CudaGraphRunner:
    """Calls a function three times, then captures it as a CUDA graph and replays that.

    Args:
        function: computes on the GPU alone: it samples no random numbers, reads no value back, and copies
            nothing from the host. Its arguments are tensors, always of the same shapes, and a flag; each
            value of the flag has a graph of its own. What the function changes in place, a replay changes,
            too; any other value it reads (a learning rate, for example) stays as it was at capture.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._calls: Counter[bool] = Counter()
        self._inputs: list[Tensor] = []
        self._graphs: dict[bool, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()  # shared: graphs are replayed one after the other

    def __call__(self, inputs: Sequence[Tensor], flag: bool) -> Tensor:
        """What the function returns; `inputs` may be on the host."""
        if not self._inputs:
            self._inputs = [torch.empty_like(given, device="cuda") for given in inputs]
        for place, given in zip(self._inputs, inputs, strict=True):
            place.copy_(given if given.is_cuda else given.pin_memory(), non_blocking=True)
        if self._calls[flag] < WARMUP_CALLS:
            self._calls[flag] += 1
            return self._warm_up(flag)
        if flag not in self._graphs:
            self._graphs[flag] = self._capture(flag)
        graph, result = self._graphs[flag]
        graph.replay()
        return result.clone()  # the next replay writes to the same place

    def reset(self) -> None:
        """Capture again at the next call: a value that the function reads has changed."""
        self._graphs.clear()
        self._memory = torch.cuda.graph_pool_handle()  # the other pool went with its graphs

    def _warm_up(self, flag: bool) -> Tensor:
        """A plain call, on the stream on which the function will be captured."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = self._function(self._inputs, flag)
        current.wait_stream(self._stream)
        return result.clone()

    def _capture(self, flag: bool) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory, stream=self._stream):
            result = self._function(self._inputs, flag)
        return graph, result
