"""Classifiers of scikit-learn as models of checkpoints.

In: an estimator with `predict_proba` over means, saved by skops, which runs no code of the file as pickle would. Its
bytes are a tensor of the checkpoint, so that whatever carries checkpoints carries it. Out: a `FeatureModel`, whose
logits (N, K) are the logarithms of the estimator's probabilities. N videos, K classes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel
from classifiers.weights.checkpoint import Checkpoint, CheckpointConfig, CheckpointError
from schemas.budget import unpacked_budget

MODEL = "scikit-learn"  # in the configuration of a checkpoint
STATE = "skops"  # the tensor with the bytes of the file
MISSING = "a classifier of scikit-learn needs other libraries: pip install 'framemill[sklearn]'"
SCHEMA = "schema.json"  # of skops: what there is, and the members of the archive with its arrays
MAX_FEATURES = 1 << 24
# scikit-learn's own types that skops leaves to its callers, and that run no code when they are loaded. Trees predict
# without a look at their bounds: `_check_trees` looks at them before.
TRUSTED = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)


class EstimatorModel(FeatureModel):
    """An estimator, which computes on the CPU, as a network: rgb (N, D) and audio (N, A) to logits (N, K), float32."""

    level = "video"

    def __init__(self, estimator: Any, config: CheckpointConfig) -> None:
        nn.Module.__init__(self)  # it has no layers
        self.num_classes, self.rgb_dim, self.audio_dim = config.num_classes, config.rgb_dim, config.audio_dim
        self.feature_dim = config.rgb_dim + config.audio_dim
        self.estimator = estimator
        self.place = nn.Parameter(torch.zeros(0), requires_grad=False)  # tells the device, as weights do

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        return torch.cat([rgb, audio], dim=1)

    @override
    def forward_head(self, features: Tensor) -> Tensor:
        probabilities = np.asarray(self.estimator.predict_proba(features.cpu().numpy()), np.float64)
        logits = np.log(probabilities.clip(np.finfo(np.float32).tiny)).astype(np.float32)
        return torch.from_numpy(logits).to(features.device)


def estimator_state(estimator: Any) -> dict[str, Tensor]:
    """The tensors of a checkpoint with this estimator.

    Raises:
        ImportError: without skops.
        CheckpointError: for an estimator that `estimator_model` would refuse.
    """
    name = type(estimator).__name__
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(MISSING) from error
    try:
        content = skops.io.dumps(estimator)
    except Exception as error:  # whatever parts of others, such as networks, make skops do
        raise CheckpointError(name, [f"skops cannot save it: {error}"]) from error
    _load(content, name)
    return {STATE: torch.frombuffer(bytearray(content), dtype=torch.uint8)}


def estimator_model(checkpoint: Checkpoint, subject: str) -> EstimatorModel:
    """The model of a checkpoint; error messages start with `subject`.

    Raises:
        ImportError: without skops.
        CheckpointError: for a file that is damaged, has types that are not known to be harmless, or does not fit.
    """
    content = checkpoint.state.get(STATE)
    if content is None or content.dtype != torch.uint8:
        raise CheckpointError(subject, [f"its weights have no {STATE!r}, the file of scikit-learn's classifier"])
    estimator = _load(content.numpy().tobytes(), subject)
    config, problems = checkpoint.config, []
    classes, width = getattr(estimator, "classes_", ()), getattr(estimator, "n_features_in_", None)
    if not hasattr(estimator, "predict_proba"):
        problems.append(f"{type(estimator).__name__} gives no probabilities (predict_proba)")
    if len(classes) != config.num_classes:
        problems.append(f"the classifier has {len(classes)} classes, config.json {config.num_classes}")
    if width != config.rgb_dim + config.audio_dim:
        problems.append(f"it takes {width} features, config.json says {config.rgb_dim} + {config.audio_dim}")
    if problems:
        raise CheckpointError(subject, problems)
    return EstimatorModel(estimator, config)


def _load(content: bytes, subject: str) -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(MISSING) from error
    try:
        _check_size(content)
        unknown = set(skops.io.get_untrusted_types(data=content))
        if unknown - TRUSTED:
            names = ", ".join(sorted(unknown - TRUSTED))
            raise CheckpointError(subject, [f"it has types that may run code when they are loaded: {names}"])
        estimator = skops.io.loads(content, trusted=sorted(unknown))
        _check_trees(estimator, None, set())
        return estimator
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged file makes skops or scikit-learn do
        raise CheckpointError(subject, [f"the file of scikit-learn's classifier cannot be read: {error}"]) from error


def _check_size(content: bytes) -> None:
    """Raise `ValueError` for an archive of which skops would read more than its bytes account for.

    It reads members before it looks at types, one for each object that the schema says has it; objects of one id are
    one. A compressed member may be larger than it says; skops itself compresses none.
    """
    budget = unpacked_budget(len(content))
    read: set[tuple[str, Any]] = set()
    with ZipFile(io.BytesIO(content)) as archive:
        if any(member.compress_type != ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed; save it again, without compression")

        def charge(node: dict[str, Any]) -> None:
            name, place = node.get("file"), node.get("__id__")
            if not isinstance(name, str) or (place and (name, place) in read):
                return
            read.add((name, place))
            budget.spend(name, archive.getinfo(name).file_size)
            with archive.open(name) as member:
                if member.read(2) == b"PK":  # numpy would unpack it
                    raise ValueError(f"{name} is an archive, as sparse matrices are; they are not read")

        budget.spend(SCHEMA, archive.getinfo(SCHEMA).file_size)
        json.loads(archive.read(SCHEMA), object_hook=charge)


def _check_trees(value: Any, width: int | None, seen: set[tuple[int, int | None]]) -> None:
    """Raise `ValueError` for trees that would touch memory that is not theirs: they predict without a look at bounds.

    Their nodes must not lead out of them, or back, nor look at features that their owner is not given: a decision tree
    and boosting of histograms compare the width of their input with `n_features_in_`, and a forest or gradient boosting
    gives its trees what it has compared itself. `width` is that of what the owner of `value` gives it unseen, None if
    it does not do so; `seen` has what has been checked, with its width.
    """
    if (id(value), width) in seen:
        return
    seen.add((id(value), width))
    if type(value).__name__ in ("Tree", "TreePredictor"):
        raise ValueError("a tree is where none belongs")
    for part, width_of_part in _parts(value, width):
        _check_trees(part, width_of_part, seen)
    if type(value).__module__ == "sklearn.ensemble._gb":
        _check_columns(value)  # after its parts, which predict here


def _parts(value: Any, width: int | None) -> list[tuple[Any, int | None]]:
    """The objects within an object, with the width of the input that it gives them; its trees are checked."""
    if isinstance(value, np.ndarray):  # a mask hides nothing
        return [(each, width) for each in np.asarray(value).ravel().tolist()] if value.dtype == object else []
    if isinstance(value, Mapping):
        return [(each, width) for each in value.values()]
    if isinstance(value, Collection):
        return [] if isinstance(value, str | bytes) else [(each, width) for each in value]
    attributes = {} if isinstance(value, type) else dict(getattr(value, "__dict__", {}))
    hidden = [name for name in attributes if callable(getattr(type(value), name, None))]
    if hidden:  # such as the one that compares the width
        raise ValueError(f"{type(value).__name__} has values in the place of methods: {', '.join(hidden)}")
    own = _features_of(attributes)
    module = type(value).__module__
    if module == "sklearn.tree._classes" and "tree_" in attributes:
        _check_tree(attributes.pop("tree_"), own if width is None else min(own, width))
    elif module.startswith("sklearn.ensemble._hist_gradient_boosting") and "_predictors" in attributes:
        if attributes.get("_preprocessor") is not None:
            raise ValueError("boosting of histograms changes its features, which are plain numbers")
        for tree in (tree for trees in attributes.pop("_predictors") for tree in trees):
            _check_predictor(tree, own)
    gives_unseen = module in ("sklearn.ensemble._forest", "sklearn.ensemble._gb")
    return [(each, own if gives_unseen else None) for each in attributes.values()]


def _features_of(attributes: Mapping[str, Any]) -> int:
    """How many features an estimator compares its input with; 0 if it says nothing that can be compared."""
    own = attributes.get("n_features_in_")
    return own if type(own) is int and own <= MAX_FEATURES else 0


def _check_columns(boosting: Any) -> None:
    """The trees of a stage of gradient boosting add to the columns that it begins with, without a look at them."""
    attributes = vars(boosting)
    if "estimators_" in attributes:
        begun = boosting._raw_predict_init(np.zeros((1, _features_of(attributes)), np.float32))
        if begun.shape != (1, boosting.estimators_.shape[1]):
            raise ValueError("the trees of gradient boosting do not fit what it begins with")


def _check_tree(tree: Any, width: int) -> None:
    if type(tree).__name__ != "Tree" or tree.node_count < 1 or not tree.value.size:
        raise ValueError("a tree has no nodes")
    inner = tree.children_left != -1
    children = np.stack([tree.children_left, tree.children_right])
    _check_nodes(children[:, inner], inner.nonzero()[0], tree.node_count)
    _check_places(tree.feature[inner], width)


def _check_predictor(tree: Any, width: int) -> None:
    if type(tree).__name__ != "TreePredictor" or not len(tree.nodes):
        raise ValueError("a tree has no nodes")
    type(tree).__setstate__(tree, {})  # gives the fields of its nodes their names, whoever made it
    nodes = np.asarray(tree.nodes)  # a mask hides nothing
    if nodes["is_categorical"].any():
        raise ValueError("a tree has categories, and its features are plain numbers")
    inner = nodes["is_leaf"] == 0
    _check_nodes(np.stack([nodes["left"], nodes["right"]])[:, inner], inner.nonzero()[0], len(nodes))
    _check_places(nodes["feature_idx"][inner], width)


def _check_nodes(children: NDArray[Any], parents: NDArray[Any], count: int) -> None:
    """Children (2, n) of n nodes, as scikit-learn numbers them: after their parents."""
    if (children <= parents).any() or (children >= count).any():
        raise ValueError("a tree's nodes lead out of it, or back")


def _check_places(places: NDArray[Any], count: int) -> None:
    if (places < 0).any() or (places >= count).any():
        raise ValueError("a tree looks at features that there are not")
