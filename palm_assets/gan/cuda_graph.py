"""Replays a training step as a CUDA graph: one launch instead of hundreds of small kernels.

Launched one by one, the kernels keep the processor busy for longer than the GPU (docs/benchmarks.md, GPU).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor], bool], Tensor]

WARMUP_CALLS = 3  # cuDNN chooses its algorithms, and the optimizers allocate their moments


class CudaGraphRunner:
    """Calls a function; from the fourth call on, replays it as a CUDA graph.

    Args:
        function: runs on the GPU alone: it generates no random numbers, reads no value back, and copies
            nothing from the host. Its arguments are tensors, always of the same shapes, and a flag; each
            value of the flag has a graph of its own. A replay repeats what the function changes in place;
            any other value that it reads (a learning rate, for example) stays as it was at capture.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._calls: Counter[bool] = Counter()
        self._inputs: list[Tensor] = []
        self._graphs: dict[bool, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()  # shared, as graphs are replayed one after another

    def __call__(self, inputs: Sequence[Tensor], flag: bool) -> Tensor:
        """The result of the function; `inputs` may be on the host."""
        if not self._inputs:
            self._inputs = [torch.empty_like(value, device="cuda") for value in inputs]
        for buffer, value in zip(self._inputs, inputs, strict=True):
            buffer.copy_(value if value.is_cuda else value.pin_memory(), non_blocking=True)
        if self._calls[flag] < WARMUP_CALLS:
            self._calls[flag] += 1
            return self._warm_up(flag)
        if flag not in self._graphs:
            self._graphs[flag] = self._capture(flag)
        graph, result = self._graphs[flag]
        graph.replay()
        return result.clone()  # the next replay overwrites it

    def reset(self) -> None:
        """Capture again at the next call, because a value that the function reads has changed."""
        self._graphs.clear()
        self._memory = torch.cuda.graph_pool_handle()  # the old pool was freed with its graphs

    def _warm_up(self, flag: bool) -> Tensor:
        """An ordinary call, on the stream on which the function will be captured."""
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
