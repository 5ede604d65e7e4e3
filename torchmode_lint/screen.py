"""The screen before any parsing: by its bytes, which files can hold a diagnostic at all.

A file is looked into if it names torch or a library built on it, and in its code a move of the protocol that may do
harm, dropout that does not ask for the mode, or in a comment this program, whose suppressions may be unused. Neither
libcst nor the analysis is imported here: what is left out costs no more than Python's own parser.
"""

from __future__ import annotations

import enum
import re
from pathlib import Path

from torchmode_lint.harmless import doubtful, is_harmless
from torchmode_lint.knowledge import NOTHING, Knowledge
from torchmode_lint.outcome import Examination, State
from torchmode_lint.python_parser import python_reads
from torchmode_lint.text import NOT_CODE, SourceError, decode, whole_word
from torchmode_lint.torch_api import told, told_moves, told_words

# A file that holds none of these words uses neither torch nor a library built on it.
_LIBRARIES = (
    *(b"torch", b"lightning", b"accelerate", b"transformers", b"timm", b"diffusers", b"fastai", b"ignite"),
    *(b"deepspeed", b"apex", b"monai", b"kornia", b"composer", b"skorch", b"peft", b"trl", b"functorch"),
)

# What a file must say for a move of the protocol to be made, or dropped, in it: most files of models say none.
_PROTOCOL = (
    *(
        re.compile(whole_word(word))
        for word in (
            r"backward eval train no_grad inference_mode enable_grad set_grad_enabled zero_grad load_state_dict optim "
            r"requires_grad requires_grad_ detach from_pretrained jit\.trace export\.export"
        ).split()
    ),
    *(re.compile(rf"\.{word}\b") for word in ("step", "grad", "cuda", "load")),
)
_MOVING = re.compile(r"\.(?:to|cpu|clone)\(")
_MOVED = re.compile(r"[ \t]*[\w.]+")  # at the beginning of a line: what that returns is dropped
# Of those, the ones that make a file worth looking into, whatever stands around them; `harmless` looks at the others.
_SURE = (
    *(
        re.compile(whole_word(word).encode())
        for word in r"backward eval zero_grad load_state_dict optim jit\.trace export\.export".split()
    ),
    re.compile(rb"train(?<!\wtrain)\b(?!\(\w+(?:\.\w+)*\.training\))"),
    re.compile(rb"\.step\b"),
    re.compile(rb"\.grad\b"),
    re.compile(rb"from_pretrained\b(?<!def from_pretrained)(?<![.\w]from_pretrained)"),
)
# And these, unless they are methods of what makes no modules.
_MAKING = re.compile(rb"\.(?:load|from_pretrained)\b")
_MAKING_NONE = re.compile(
    rb"(?<![\w)])(?:json|yaml|toml|tomllib|pickle|np|numpy|joblib|super\(\)"
    rb"|\w*(?:Config|Tokenizer|TokenizerFast|Processor|FeatureExtractor|Scheduler))\Z"
)
_LONGEST = 80  # of what such a method is looked for before it
_OURS = (re.compile(rb"TML(?<!\wTML)\d"), re.compile(rb"torchmode"))
_NOT_CODE = re.compile(NOT_CODE.pattern.encode(), re.DOTALL)


def names_moves(text: str) -> bool:
    """Whether a file says what it must for a move of the protocol to be made, or dropped, in it."""
    return names_protocol(text) or any(word in text for word in told_moves())


def names_protocol(text: str) -> bool:
    """The same, whatever the user has spoken of."""
    return any(words.search(text) for words in _PROTOCOL) or any(
        _MOVED.fullmatch(text, text.rfind("\n", 0, found.start()) + 1, found.start())
        for found in _MOVING.finditer(text)
    )


def speaks_of_us(data: bytes) -> bool:
    """Whether a file names this program, whose suppressions may be unused."""
    return any(ours.search(data) for ours in _OURS)


class Said(enum.Enum):
    """What a file says by its bytes alone: nothing of the protocol, what may do no harm, or enough for a look."""

    NOTHING = enum.auto()
    DOUBTFUL = enum.auto()
    SURE = enum.auto()


def said(data: bytes, path: Path) -> Said:
    """What the bytes of the file at `path` say."""
    if not names_torch(data):
        return Said.NOTHING
    if path.suffix == ".ipynb" or speaks_of_us(data):
        return Said.SURE
    code = _NOT_CODE.sub(b'""', data)
    moves = any(sure.search(code) for sure in _SURE) or any(word.encode() in code for word in told_moves())
    if moves or _may_make(code):
        return Said.SURE
    return Said.DOUBTFUL if any(doubtful(code.decode("utf-8", "replace"))) else Said.NOTHING


def screened(data: bytes, path: Path, knowledge: Knowledge = NOTHING) -> Examination | None:
    """That a file is left out, if it is.

    It is still given to Python's own parser, a fraction of libcst's cost, so that a broken file is an error wherever it
    is. Its refusal is not the last word, since it speaks only the grammar of the Python that runs.
    """
    at = path.absolute()
    with told(knowledge):
        says = said(data, at)
        if says is Said.SURE or not (_is_harmless(data) if says is Said.DOUBTFUL else _is_read(data, at)):
            return None
    return Examination(at.as_posix(), State.SKIPPED)


def _may_make(code: bytes) -> bool:
    starts = (found.start() for found in _MAKING.finditer(code))
    return any(_MAKING_NONE.search(code, max(0, start - _LONGEST), start) is None for start in starts)


def names_torch(data: bytes) -> bool:
    """Whether a file with these bytes may use torch, a library built on it, or one that the user has spoken of."""
    return any(word in data for word in _LIBRARIES) or any(word.encode() in data for word in told_words())


def _is_harmless(data: bytes) -> bool:
    try:
        text, _ = decode(data)
    except SourceError:
        return False
    return python_reads(data) and is_harmless(text)


def _is_read(data: bytes, path: Path) -> bool:
    """Whether a file, or each cell of a notebook, can be read."""
    if path.suffix != ".ipynb":
        return python_reads(data)
    from torchmode_lint.notebook import NotebookError, read_cells

    try:
        read_cells(data)
    except NotebookError:
        return False
    return True
