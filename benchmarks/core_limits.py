"""What a stream network asks of a core, and what the core has: the bound of its time a frame.

A network's arithmetic is counted by torch (`FlopCounterMode`, two for each multiplication with addition), its traffic
follows from the sizes of weights and of the outputs of layers, and the time of its parts is from ONNX Runtime's
profiler, which adds some microseconds to each operator. The peak of the core is that of large matrix products in the
same run: fp32 and bf16 in torch, int8 in ONNX Runtime.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from classifiers.clip_models.streaming import StreamModel
from classifiers.export.form import StreamForm

SIDE = 1024  # of the matrices
PRODUCTS, PROFILED_FRAMES = 5, 40
DEPTHWISE, OTHER_CONVOLUTIONS = "depthwise convolutions", "other convolutions"
# What operators do, by their names in the runtime; all others compute one value after the other.
PRODUCT, MOVE, SIZES, CONVERT, ELEMENTWISE = "matrix products", "moving values", "sizes", "to and from int8", "the rest"
WORK = {
    PRODUCT: ("MatMul", "Gemm", "FusedMatMul", "QLinearMatMul", "MatMulInteger", "FusedGemm"),
    MOVE: ("Concat", "Slice", "Pad", "Transpose", "Split", "ReorderInput", "ReorderOutput", "Identity", "Expand"),
    SIZES: ("Shape", "Gather", "Unsqueeze", "Squeeze", "Reshape", "Range", "ConstantOfShape"),
    CONVERT: ("QuantizeLinear", "DequantizeLinear"),
}
KINDS = {operator: kind for kind, operators in WORK.items() for operator in operators}


@dataclass(frozen=True)
class Demand:
    """What one frame asks for.

    operations         floating-point operations
    depthwise_share    of the operations
    weight_bytes       in fp32, each read once
    activation_bytes   that the layers write, in fp32, without the state
    state_bytes        read and written
    """

    operations: int
    depthwise_share: float
    weight_bytes: int
    activation_bytes: int
    state_bytes: int


def demand_of(model: StreamModel) -> Demand:
    """What a frame asks for of a network in torch."""
    form = StreamForm(model.eval())
    frame, *state = form.examples(1, 1)
    written, depthwise = 0, 0

    def count(layer: nn.Module, _: Any, output: Any) -> None:
        nonlocal written, depthwise
        if isinstance(output, Tensor):
            written += output.numel() * 4
            if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                depthwise += 2 * output.numel() * layer.weight[0].numel()

    leaves = [layer for layer in model.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(count) for layer in leaves]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        form(frame, *state)
    for handle in handles:
        handle.remove()
    operations = counter.get_total_flops()
    return Demand(
        operations=operations,
        depthwise_share=depthwise / operations,
        weight_bytes=4 * sum(value.numel() for value in model.parameters()),
        activation_bytes=written,
        state_bytes=2 * sum(one.bytes for one in form.state),
    )


def peak_rates() -> dict[str, float]:
    """Operations a second of large matrix products on one thread, by the type of the factors."""
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    factors = torch.randn(2, SIDE, SIDE, generator=draw)
    halves = factors.bfloat16()
    integers = _integer_product()
    return {
        "fp32": _rate(lambda: factors[0] @ factors[1]),
        "bf16": _rate(lambda: halves[0] @ halves[1]),
        "int8": _rate(integers),
    }


def time_shares(content: bytes) -> dict[str, float]:
    """The shares of the time of an exported network that its kinds of operators take, one frame at a time."""
    groups = _groups_of(onnx.load_from_string(content))
    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder, "profile"))
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        feed = {one.name: _zeros(one) for one in session.get_inputs()}
        for _ in range(PROFILED_FRAMES):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        name, _, what = event["name"].rpartition("_kernel_time")
        if name and not what:
            spent[_kind(name, event["args"]["op_name"], groups)] += event["dur"]
    total = sum(spent.values())
    return {kind: microseconds / total for kind, microseconds in spent.most_common()}


def _groups_of(model: Any) -> dict[str, int]:
    """The groups of convolutions by name."""
    return {
        node.name: next((one.i for one in node.attribute if one.name == "group"), 1)
        for node in model.graph.node
        if node.op_type == "Conv"
    }


def _kind(node: str, operator: str, groups: dict[str, int]) -> str:
    if "Conv" not in operator:
        return KINDS.get(operator, ELEMENTWISE)
    known = max((name for name in groups if node.startswith(name)), key=len, default="")
    return DEPTHWISE if groups.get(known, 1) > 1 else OTHER_CONVOLUTIONS


def _zeros(one: Any) -> np.ndarray:
    """An input of one video and one frame."""
    kinds = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int64)": np.int64}
    return np.zeros([size if isinstance(size, int) else 1 for size in one.shape], kinds[one.type])


def _integer_product() -> Callable[[], Any]:
    draw = np.random.default_rng(0)
    weights = onnx.numpy_helper.from_array(draw.integers(-127, 128, (SIDE, SIDE), np.int8), "weights")
    values = onnx.helper.make_tensor_value_info("values", onnx.TensorProto.UINT8, [SIDE, SIDE])
    product = onnx.helper.make_tensor_value_info("product", onnx.TensorProto.INT32, [SIDE, SIDE])
    node = onnx.helper.make_node("MatMulInteger", ["values", "weights"], ["product"])
    graph = onnx.helper.make_graph([node], "product", [values], [product], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"values": draw.integers(0, 256, (SIDE, SIDE), np.uint8)}
    return lambda: session.run(None, feed)


def _rate(product: Callable[[], Any]) -> float:
    product()
    seconds = []
    for _ in range(PRODUCTS):
        started = time.process_time()
        product()
        seconds.append(time.process_time() - started)
    return 2 * SIDE**3 / statistics.median(seconds)
