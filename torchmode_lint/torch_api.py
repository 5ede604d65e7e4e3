"""What the calls of torch and of the libraries built on it do: the table of `torch_effects`, and what else they say.

Nothing here imports torch. A name that is not listed is looked up by its longest listed prefix
("torch.nn.functional." ends in a dot), so that new functions of a known namespace get its usual
effect. What a project's configuration tells of further names holds within `told`, and comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torchmode_lint.knowledge import NOTHING, Knowledge
from torchmode_lint.torch_effects import EFFECTS, Effect

# What functions and methods return of their arguments, by position and name.
_ENGINE = ((1, "model"), (2, "optimizer"), (-1, "its loader"), (5, "lr_scheduler"))
_PRIVATE = ((0, "module"), (1, "optimizer"), (2, "data_loader"))
HANDED_BACK: dict[str, tuple[tuple[int, str], ...]] = {
    "deepspeed.initialize": _ENGINE,
    "opacus.PrivacyEngine.make_private": _PRIVATE,
    "opacus.PrivacyEngine.make_private_with_epsilon": _PRIVATE,
}
# With one of these they return something else, by a setting that is not read.
HANDED_BACK_PERHAPS = frozenset({"criterion"})


@dataclass(frozen=True, slots=True)
class Applying:
    """What a function applies, and to what: positions and names of the arguments.

    `packed`: the inputs may come as a tuple; `rest`: and all that follow; `lent`: with parameters of its own.
    """

    what: tuple[int, str]
    to: tuple[int, str]
    packed: bool = False
    rest: bool = False
    lent: bool = False


_FUNCTIONAL_CALL = Applying((0, "module"), (2, "args"), packed=True, lent=True)
_WINDOWS = Applying((3, "predictor"), (0, "inputs"))
APPLYING: dict[str, Applying] = {
    "torch.func.functional_call": _FUNCTIONAL_CALL,
    "torch.nn.utils.stateless.functional_call": _FUNCTIONAL_CALL,
    "torch.utils.checkpoint.checkpoint": Applying((0, "function"), (1, ""), rest=True),
    "torch.utils.checkpoint.checkpoint_sequential": Applying((0, "functions"), (2, "input")),
    "monai.inferers.sliding_window_inference": _WINDOWS,
    "monai.inferers.utils.sliding_window_inference": _WINDOWS,
}
INFERER = Applying((1, "network"), (0, "inputs"))
"""`inferer(inputs, network)`, of an object of MONAI's."""

_PREFIXES: dict[str, Effect] = {name: effect for name, effect in EFFECTS.items() if name.endswith((".", "_"))}

# Methods of whatever class of these libraries return an eval-mode model.
_PRETRAINED_METHODS = ("from_pretrained",)
_PRETRAINED_LIBRARIES = ("transformers.", "diffusers.", "pytorch_transformers.", "pytorch_pretrained_bert.", "peft.")


_TOLD: ContextVar[tuple[Knowledge, Mapping[str, Effect]]] = ContextVar("told", default=(NOTHING, {}))


@contextmanager
def told(knowledge: Knowledge) -> Iterator[None]:
    """What a project's configuration says holds meanwhile, in this thread."""
    effects = {
        **dict.fromkeys(knowledge.module_factories, Effect.FACTORY),
        **dict.fromkeys(knowledge.eval_factories, Effect.PRETRAINED),
        **{name: Effect.TO_EVAL if mode == "eval" else Effect.TO_TRAIN for name, mode in knowledge.mode_switchers},
        **dict.fromkeys(knowledge.no_grad_helpers, Effect.GRAD_OFF),
        **dict.fromkeys(knowledge.zero_grad_helpers, Effect.ZERO_GRADIENTS),
    }
    before = _TOLD.set((knowledge, effects))
    try:
        yield
    finally:
        _TOLD.reset(before)


def is_told(name: str) -> bool:
    """Whether the project's configuration says what this name does."""
    return name in _TOLD.get()[1]


def told_words() -> frozenset[str]:
    """The packages whose names the project's configuration speaks of."""
    return frozenset(name.partition(".")[0] for name in _TOLD.get()[1])


_MOVES = frozenset({Effect.TO_TRAIN, Effect.TO_EVAL, Effect.GRAD_OFF, Effect.ZERO_GRADIENTS})


def told_moves() -> frozenset[str]:
    """The last words of the names that the project's configuration says move a state of the protocol."""
    return frozenset(name.rpartition(".")[2] for name, effect in _TOLD.get()[1].items() if effect in _MOVES)


def runs_before(version: tuple[int, int]) -> bool:
    """Whether the code is meant to run on an older torch than this, too; not where nothing is said."""
    oldest = _TOLD.get()[0].torch_version
    return oldest is not None and oldest < version


def effect_of(name: str) -> Effect:
    """What calling the external name does; UNKNOWN where nothing is said of it."""
    direct = _TOLD.get()[1].get(name) or EFFECTS.get(name)
    if direct is not None:
        return direct
    if name.endswith(_PRETRAINED_METHODS) and name.startswith(_PRETRAINED_LIBRARIES):
        return Effect.PRETRAINED if is_module_base(name.rpartition(".")[0]) else Effect.NEUTRAL
    cut = len(name)
    while (cut := name.rfind(".", 0, cut)) >= 0:
        effect = _PREFIXES.get(name[: cut + 1])
        if effect is Effect.OPERATION and _is_class(name):
            return Effect.UNKNOWN  # what a class of torch makes is no tensor: observers, storages
        if effect is not None:
            return effect
    return Effect.UNKNOWN


_MAKING = frozenset(
    {
        *(Effect.LAYER, Effect.STATELESS, Effect.DEPENDENT, Effect.DROPPING, Effect.DROPPED, Effect.RUNNING),
        *(Effect.CONTAINER, Effect.FACTORY, Effect.PRETRAINED, Effect.LOADED, Effect.TRACE, Effect.TO_TRAIN),
        *(Effect.TO_EVAL, Effect.LIBRARY, Effect.OPTIMIZER),
    }
)


_PRIVATE_NAME = re.compile(r"\._(?!_)\w*$")


def may_make_modules(name: str) -> bool:
    """Whether an external name is of a module, of what makes or owns some, or of a namespace with such names.

    Private names of libraries are not: they are bases to inherit from, and constants.
    """
    if _PRIVATE_NAME.search(name):
        return False
    return (_PREFIXES.get(f"{name}.") or effect_of(name)) in _MAKING


def _is_class(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last[:1].isupper() and not last.endswith("Tensor")


def described(name: str, *, whole_libraries: bool) -> bool:
    """Whether a name is described here by itself: then that is taken, even in the library's own repository.

    `whole_libraries`: or as one of a library that takes over part of the protocol.
    """
    return name in EFFECTS or is_told(name) or (whole_libraries and effect_of(name) is Effect.LIBRARY)


def is_inferer(kind: str) -> bool:
    """Whether an object of this external class applies a module that it is called with."""
    return kind.startswith("monai.inferers.")


# Bases whose subclasses are modules, or trainers that a framework drives.
MODULE_BASES = (
    "torch.nn.",
    "timm.models.",
    "timm.layers.",
    "torchvision.models.",
    "torchvision.ops.",
    "torch_geometric.nn.",
)
_NO_MODULE_BASES = ("torch.nn.Parameter", "torch.nn.functional.", "torch.nn.attention.")
_LARGE_LIBRARIES = ("transformers.", "diffusers.", "pytorch_transformers.", "pytorch_pretrained_bert.")
_NOT_MODULES = ("Config", "Tokenizer", "Processor", "Extractor", "Output", "Trainer", "Callback", "Pipeline", "Dataset")
_MODEL_NAME = re.compile(r"Model|For[A-Z]|UNet|VAE|Autoencoder")
_OTHER_BACKENDS = re.compile(r"Flax|TF[A-Z]")  # models of JAX and TensorFlow


def is_module_base(name: str) -> bool:
    """Whether a class of this external name is an nn.Module."""
    if name.startswith(_LARGE_LIBRARIES):
        last = name.rpartition(".")[2]
        foreign = _OTHER_BACKENDS.match(last) or any(word in last for word in _NOT_MODULES)
        return bool(_MODEL_NAME.search(last)) and not foreign
    return name.startswith(MODULE_BASES) and not name.startswith(_NO_MODULE_BASES)


# Methods that apply a module, whatever its class: those of well-known libraries.
FORWARDS = frozenset(
    "generate sample predict forward_features extract_features encode_image encode_text get_image_features "
    "get_text_features forward_once".split()
)

# of these, what switches gradients off by itself: `generate` of transformers
WITHOUT_GRADIENTS = frozenset({"generate"})


# Dropout by function: where it is told how much to drop and whether to.
@dataclass(frozen=True, slots=True)
class Dropping:
    """Positions and names of the arguments, with their defaults (None: there is none).

    `flag` is None for a function that has only a rate.
    """

    rate: int
    rate_name: str
    default_rate: float | None
    flag: int | None
    flag_name: str
    default: bool | None


def _dropping(names: str, told: Dropping) -> dict[str, Dropping]:
    return dict.fromkeys(names.split(), told)


_F = "torch.nn.functional."
DROPPING: dict[str, Dropping] = {
    **_dropping(f"{_F}dropout {_F}dropout1d {_F}dropout2d {_F}dropout3d", Dropping(1, "p", 0.5, 2, "training", True)),
    **_dropping(f"{_F}alpha_dropout {_F}feature_alpha_dropout", Dropping(1, "p", 0.5, 2, "training", False)),
    **_dropping(
        "torch.dropout torch.alpha_dropout torch.feature_dropout torch.feature_alpha_dropout",
        Dropping(1, "p", None, 2, "train", None),
    ),
    f"{_F}multi_head_attention_forward": Dropping(10, "dropout_p", None, 13, "training", True),
    f"{_F}scaled_dot_product_attention": Dropping(4, "dropout_p", 0.0, None, "", None),
}


def is_dropout_layer(name: str) -> bool:
    """Whether an external class is a dropout layer of torch."""
    return name.startswith("torch.nn.") and "Dropout" in name and effect_of(name) in (Effect.DROPPED, Effect.LAYER)


# methods that run in a forward: those of graph networks are called by their base class
FORWARD_METHODS = ("forward", "message", "aggregate", "update", "edge_update", "message_and_aggregate")

# bases of modules that a framework drives
FRAMEWORK_MODULES = (".LightningModule",)

FRAMEWORK_BASES = (
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "ignite.",
    "fastai.",
    "skorch.",
    "composer.",
    "mmengine.",
    "mmcv.",
    "mmdet.",
    "catalyst.",
    "transformers.Trainer",
    "transformers.Seq2SeqTrainer",
    "trl.",
    "monai.engines.",
    "speechbrain.",
    "detectron2.engine.",
)
