"""A generator as one ONNX file: latent vectors in, pixels uint8 out.

The graph computes what `PalmModel.generate` computes in float32, up to rounding. A transposed convolution is
written as a 2x2 convolution to four subpixels (see `palm_assets.gan.inference`), for which runtimes have
faster kernels. Weights are stored as float16 where that loses nothing, as in a packed model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from palm_assets.errors import CheckpointError, ExportError, PackageMissingError
from palm_assets.gan.inference import HALF_RANGE
from palm_assets.gan.networks import Generator, Smoothstep, UpsampleConv, smooth_output
from palm_assets.gan.sampler import PalmModel
from palm_assets.store.atomic import write_atomically
from palm_assets.store.os_errors import typed_write_errors

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET, IR_VERSION = 18, 9  # read by every runtime since 2023
MAX_LEVELS = 1  # of 255, by which a pixel may differ from PyTorch's
CHECKED_SEEDS = 32
LATENT_RULE = (
    "Image i of the set with seed s: torch.randn(latent, generator=torch.Generator().manual_seed(s + i)), "
    "float32, times the truncation. See docs/export.md for the algorithm."
)
CHUNK = 16


def export_onnx(model: PalmModel, path: Path, *, seeds: int = CHECKED_SEEDS) -> int:
    """Write a model's generator as an ONNX file, once it is checked; return its size in bytes.

    Input `latents` float32 (N, latent), and `labels` float32 (N, labels) if the generator takes labels;
    output `images` uint8 RGB (N, 3, S, S).

    Args:
        model: whose generator it is.
        path: of the file; an existing one is replaced.
        seeds: number of images that are compared with PyTorch's.

    Raises:
        PackageMissingError: onnx or onnxruntime is not installed.
        ExportError: the images differ from PyTorch's by more than one level, or the file cannot be written.
        DiskFullError: no space left.
    """
    content = onnx_bytes(model, seeds=seeds)
    with typed_write_errors(
        path, ExportError, "The model cannot be written", hint="Name another file.", only_writes=True
    ):
        write_atomically(path, content)
    return len(content)


def onnx_bytes(model: PalmModel, *, seeds: int = CHECKED_SEEDS) -> bytes:
    """The checked ONNX file of a model; see `export_onnx`."""
    content: bytes = build_graph(model).SerializeToString()
    difference = largest_difference(model, content, range(seeds))
    if difference > MAX_LEVELS:
        raise ExportError(
            f"The ONNX graph differs from PyTorch by {difference} of 255 levels",
            where=model.folder,
            hint="Report this with the versions of torch, onnx and onnxruntime; nothing was written.",
        )
    return content


def largest_difference(model: PalmModel, content: bytes, seeds: Sequence[int]) -> int:
    """Largest difference of a pixel, in levels of 255, between ONNX Runtime and PyTorch in float32.

    Args:
        model: whose graph it is.
        content: the ONNX file.
        seeds: of the images.

    Raises:
        PackageMissingError: onnxruntime is not installed.
    """
    session = open_session(content)
    largest = 0
    for start in range(0, len(seeds), CHUNK):
        rows = [model.latents(seed, [0]) for seed in seeds[start : start + CHUNK]]
        inputs = _network_inputs(model, torch.cat(rows))
        names = ("latents", "labels")
        feed = {name: value.numpy() for name, value in zip(names, inputs, strict=False)}
        (images,) = session.run(None, feed)
        expected = _pytorch_images(model.generator, torch.cat(inputs, 1))
        largest = max(largest, int(np.abs(images.astype(np.int16) - expected).max()))
    return largest


def build_graph(model: PalmModel) -> ModelProto:
    """The ONNX graph of a model's generator, not checked yet.

    Raises:
        PackageMissingError: onnx is not installed.
        CheckpointError: the generator is of another class.
    """
    if not isinstance(model.generator, Generator):
        raise CheckpointError(
            "This generator has no ONNX form", where=model.folder, hint="Use another model."
        )
    return _Graph(model).to_model()


class _Graph:
    """Nodes and weights, in the order of computation."""

    def __init__(self, model: PalmModel) -> None:
        try:
            import onnx
        except ImportError as error:
            raise PackageMissingError.of("onnx", extra="onnx") from error
        self._onnx = onnx
        self._model = model
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._inputs: list[str] = []

    def to_model(self) -> ModelProto:
        """The graph of the whole generator."""
        helper, types = self._onnx.helper, self._onnx.TensorProto
        generator, networks = self._model.generator, self._model.networks
        *layers, activation = generator.main
        sizes = _input_sizes(self._model)
        value = self._first_map(layers[:3], ("latents", "labels")[: len(sizes)])
        for layer, norm in zip(layers[3::3], [*layers[4::3], None], strict=True):
            value = self._upsampled(value, layer, norm)
        value = self._pixels(value, activation, generator.output_smoothing)
        self._nodes.append(helper.make_node("Cast", [value], ["images"], to=types.UINT8))
        side = networks.image_size
        graph = helper.make_graph(
            self._nodes,
            "palm_generator",
            [
                helper.make_tensor_value_info(name, types.FLOAT, ["count", size])
                for name, size in zip(("latents", "labels"), sizes, strict=False)
            ],
            [helper.make_tensor_value_info("images", types.UINT8, ["count", 3, side, side])],
            self._weights,
        )
        made: ModelProto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        made.producer_name = "palms"
        helper.set_model_props(made, _properties(self._model))
        self._onnx.checker.check_model(made, full_check=True)
        return made

    def _first_map(self, layers: Sequence[nn.Module], names: tuple[str, ...]) -> str:
        """Feature map (N, C, 4, 4) of latent vectors: a transposed convolution of one pixel is a product."""
        layer, norm, relu = layers
        assert isinstance(layer, nn.ConvTranspose2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(relu, nn.ReLU)
        vectors = names[0] if len(names) == 1 else self._node("Concat", *names, axis=1)
        product = self._node("MatMul", vectors, self._weight(layer.weight.flatten(1)))
        shape = self._weight(np.array([-1, *layer.weight.shape[1:]], np.int64))
        return self._node("Relu", self._normalized(self._node("Reshape", product, shape), norm, 1))

    def _upsampled(self, value: str, layer: nn.Module, norm: nn.Module | None) -> str:
        """Feature map of twice the side; normalization before the subpixels are put in place."""
        assert isinstance(layer, UpsampleConv)
        taps = ([3, 1], [2, 0])  # see palm_assets.gan.inference
        subpixels = [layer.weight[:, :, rows][:, :, :, columns] for rows in taps for columns in taps]
        weight = torch.cat(subpixels, 1).transpose(0, 1)
        value = self._padded(value, "edge" if layer.edge_padding == "replicate" else "constant")
        value = self._node("Conv", value, self._weight(weight), kernel_shape=[2, 2])
        if norm is not None:
            assert isinstance(norm, nn.BatchNorm2d)
            value = self._node("Relu", self._normalized(value, norm, 4))
        parts = self._nodes_of("Split", [value], 4, axis=1, num_outputs=4)
        placed = []
        for number, part in enumerate(parts):
            y, x = divmod(number, 2)
            starts = self._weight(np.array([y, x], np.int64))
            ends = self._weight(np.array([-1 if y == 0 else 2**31, -1 if x == 0 else 2**31], np.int64))
            axes = self._weight(np.array([2, 3], np.int64))
            placed.append(self._node("Slice", part, starts, ends, axes))
        return self._node("DepthToSpace", self._node("Concat", *placed, axis=1), blocksize=2, mode="DCR")

    def _normalized(self, value: str, norm: nn.BatchNorm2d, repeats: int) -> str:
        columns = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        weights = [self._weight(column.repeat(repeats)) for column in columns if column is not None]
        return self._node("BatchNormalization", value, *weights, epsilon=norm.eps)

    def _pixels(self, value: str, activation: nn.Module, smoothing: float) -> str:
        """Whole numbers 0 to 255, float (N, 3, S, S): output activation, smoothing and rounding."""
        if isinstance(activation, Smoothstep):
            inside = self._node("Clip", value, self._scalar(-1), self._scalar(1))
            rest = self._node("Sub", self._scalar(3), self._node("Mul", inside, inside))
            value = self._node("Div", self._node("Mul", inside, rest), self._scalar(2))
        else:
            assert isinstance(activation, nn.Tanh)
            value = self._node("Tanh", value)
        if smoothing:
            row = np.array([smoothing, 1 - 2 * smoothing, smoothing])
            kernel = np.tile(np.outer(row, row).astype(np.float32), (3, 1, 1, 1))
            padded = self._padded(value, "edge")
            value = self._node("Conv", padded, self._weight(kernel), group=3, kernel_shape=[3, 3])
        value = self._node("Mul", self._node("Add", value, self._scalar(1)), self._scalar(HALF_RANGE))
        return self._node("Clip", self._node("Round", value), self._scalar(0), self._scalar(255))

    def _padded(self, value: str, mode: str) -> str:
        pads = self._weight(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        return self._node("Pad", value, pads, mode=mode)

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self._nodes_of(kind, list(inputs), 1, **attributes)[0]

    def _nodes_of(self, kind: str, inputs: list[str], count: int, **attributes: Any) -> list[str]:
        outputs = [f"{kind.lower()}_{len(self._nodes)}_{number}" for number in range(count)]
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, outputs, **attributes))
        return outputs

    def _scalar(self, value: float) -> str:
        return self._weight(np.array(value, np.float32))

    def _weight(self, values: torch.Tensor | NDArray[Any]) -> str:
        """A constant; large ones as float16 where that loses nothing."""
        array = values.detach().numpy() if isinstance(values, torch.Tensor) else values
        array = np.ascontiguousarray(array) if array.ndim else array
        name = f"weight_{len(self._weights)}"
        half = array.astype(np.float16) if array.dtype == np.float32 and array.size > 256 else None
        if half is None or not np.array_equal(half.astype(np.float32), array):
            self._weights.append(self._onnx.numpy_helper.from_array(array, name))
            return name
        self._weights.append(self._onnx.numpy_helper.from_array(half, name))
        return self._node("Cast", name, to=self._onnx.TensorProto.FLOAT)


def _properties(model: PalmModel) -> dict[str, str]:
    return {
        "model": model.version,
        "networks": json.dumps(model.networks.model_dump(mode="json"), sort_keys=True),
        "latents": LATENT_RULE,
        "license": "AGPL-3.0-or-later",
    }


def _input_sizes(model: PalmModel) -> list[int]:
    """Sizes of the latent vector, and of the label vector if the generator takes one behind it."""
    first = model.generator.main[0]
    assert isinstance(first, nn.ConvTranspose2d)
    labels = first.in_channels - model.networks.latent
    return [model.networks.latent, labels] if labels else [model.networks.latent]


def _network_inputs(model: PalmModel, latents: torch.Tensor) -> list[torch.Tensor]:
    """The latents, and different labels for each image if the generator takes labels."""
    sizes = _input_sizes(model)
    if len(sizes) == 1:
        return [latents]
    return [latents, torch.eye(sizes[1])[torch.arange(len(latents)) % sizes[1]]]


@torch.inference_mode()
def _pytorch_images(generator: Generator, vectors: torch.Tensor) -> NDArray[np.uint8]:
    images = smooth_output(generator(vectors), generator.output_smoothing)
    pixels: NDArray[np.uint8] = ((images + 1) * HALF_RANGE).round_().clamp_(0, 255).to(torch.uint8).numpy()
    return pixels


def open_session(content: bytes) -> Any:
    """The file, ready to run on the CPU.

    Raises:
        PackageMissingError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise PackageMissingError.of("onnxruntime", extra="onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
