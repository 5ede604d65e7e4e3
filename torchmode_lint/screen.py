"""The screen before any parsing: by its bytes, which files can hold a diagnostic at all.

A file is looked into if it names torch or a library built on it, and a move of the protocol, dropout that does not ask
for the mode, or this program, whose suppression comments may be unused. Neither libcst nor the analysis is imported
here, so that what is left out costs next to nothing.
"""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path

from torchmode_lint.knowledge import NOTHING, Knowledge
from torchmode_lint.outcome import Examination, State
from torchmode_lint.torch_api import told, told_moves, told_words

# A file that holds none of these words uses neither torch nor a library built on it.
_LIBRARIES = (
    *(b"torch", b"lightning", b"accelerate", b"transformers", b"timm", b"diffusers", b"fastai", b"ignite"),
    *(b"deepspeed", b"apex", b"monai", b"kornia", b"composer", b"skorch", b"peft", b"trl", b"functorch"),
)

# What a file must say for a move of the protocol to be made, or dropped, in it: most files of models say none.
PROTOCOL = re.compile(
    r"\b(?:backward|eval|train|no_grad|inference_mode|enable_grad|set_grad_enabled|zero_grad|load_state_dict|optim"
    r"|requires_grad_?|detach|from_pretrained|jit\.trace|export\.export)\b"
    r"|\.(?:step|grad|cuda|load)\b|^[ \t]+[\w.]+\.(?:to|cpu|clone)\(",
    re.MULTILINE,
)
# What it must say for dropout that does not ask for the mode: functions, and layers made on the spot.
DROPPING = re.compile(
    r"(?<!\bself)\.\w*dropout[123]?d?\(|(?<![\w.])\w*dropout[123]?d?\(|Dropout\w*\(.*\)\("
    r"|^[ \t]+\w+ *= *[\w.]*Dropout\w*\(|\bscaled_dot_product_attention\b|\bmulti_head_attention_forward\b",
    re.MULTILINE,
)
_OURS = re.compile(r"TML|torchmode")
_IN_BYTES = tuple(re.compile(pattern.pattern.encode(), re.MULTILINE) for pattern in (PROTOCOL, DROPPING, _OURS))


def screened(data: bytes, path: Path, knowledge: Knowledge = NOTHING) -> Examination | None:
    """That a file is left out, if it is.

    It is still given to Python's own parser, a fraction of libcst's cost, so that a broken file is an error wherever it
    is. Its refusal is not the last word, since it speaks only the grammar of the Python that runs.
    """
    at = path.absolute()
    notebook = at.suffix == ".ipynb"  # whose lines are strings of JSON
    with told(knowledge):
        if names_torch(data) and (notebook or names_a_move(data)):
            return None
    return Examination(at.as_posix(), State.SKIPPED) if notebook or _is_well_formed(data) else None


def names_torch(data: bytes) -> bool:
    """Whether a file with these bytes may use torch, a library built on it, or one that the user has spoken of."""
    return any(word in data for word in _LIBRARIES) or any(word.encode() in data for word in told_words())


def names_a_move(data: bytes) -> bool:
    """Whether a file with these bytes says a word of what the rules are about."""
    return any(words.search(data) for words in _IN_BYTES) or any(word.encode() in data for word in told_moves())


def _is_well_formed(data: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(data)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
