"""The fixtures on real torch: they run, and what is said of graphs and of `.grad` is what torch does.

A shape is called when its parameters have defaults or are loaders; the others are parts of such a shape.
Without torch these tests are skipped.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from commands import FIXTURES
from markers import parse_markers

if TYPE_CHECKING:
    from torch import Tensor

torch = pytest.importorskip("torch")
LOADERS = {"loader", "train_loader", "val_loader", "test_loader"}
NOT_LEAF = "not a leaf Tensor"
FREED = "backward through the graph a second time"
NO_GRAPH = "does not require grad|has no attribute 'backward'"
RAISING = {"repeated_backward", "nonleaf_grad", "backward_without_graph"}


@cache
def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fixture_{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def loader() -> object:
    data = torch.utils.data
    return data.DataLoader(data.TensorDataset(torch.randn(64, 8), torch.randint(0, 3, (64,))), batch_size=16)


def shapes(path: Path) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of a fixture that can be called as they are."""
    for name, function in list(vars(load(path)).items()):
        if not inspect.isfunction(function) or function.__module__ != load(path).__name__:
            continue
        parameters = inspect.signature(function).parameters.values()
        if all(p.name in LOADERS or p.default is not p.empty or p.kind is p.VAR_POSITIONAL for p in parameters):
            yield name, function


def call(function: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    wanted = inspect.signature(function).parameters
    try:
        function(**{name: loader() for name in LOADERS & wanted.keys()})
    except ModuleNotFoundError as error:
        pytest.skip(str(error))
    finally:
        torch.set_grad_enabled(True)


def cases(*rules: str, stem: str) -> list[Any]:
    paths = sorted(path for path in FIXTURES.glob(f"*/{stem}.py") if not rules or path.parent.name in rules)
    return [
        pytest.param(path, function, id=f"{path.parent.name}-{name}")
        for path in paths
        for name, function in shapes(path)
    ]


def marked(path: Path, code: str) -> set[int]:
    return {marker.line for marker in parse_markers(path.read_text()) if marker.code == code}


def lines_of(error: BaseException, path: Path) -> set[int]:
    return {frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)}


@pytest.mark.parametrize(("path", "function"), cases(stem="good"))
def test_a_good_shape_runs_without_a_warning(path: Path, function: Callable[..., Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=f".*{NOT_LEAF}")
        call(function)


@pytest.mark.parametrize(("path", "function"), cases(stem="bad.fixed"))
def test_a_fixed_shape_runs_without_a_warning(path: Path, function: Callable[..., Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=f".*{NOT_LEAF}")
        try:
            call(function)
        except (RuntimeError, ValueError) as error:  # what has no fix fails as before
            assert lines_of(error, path) & (marked(path, "TML401") | marked(path, "TML402"))


SILENT = sorted({path.parent.name for path in FIXTURES.glob("*/bad.py")} - RAISING)


@pytest.mark.parametrize(("path", "function"), cases(*SILENT, stem="bad"))
def test_a_bad_shape_that_fails_silently_runs(path: Path, function: Callable[..., Any]) -> None:
    try:
        call(function)
    except RuntimeError as error:
        assert FREED in str(error) and lines_of(error, path) & marked(path, "TML401")


def lines_that_raise(path: Path, function: Callable[..., Any]) -> set[int]:
    """The lines of the fixture through which the error of a freed graph came."""
    with pytest.raises(RuntimeError, match=FREED) as caught:
        call(function)
    return lines_of(caught.value, path)


def lines_without_gradient(path: Path, function: Callable[..., Any]) -> set[int]:
    """The lines that read `.grad` of a non-leaf, or through which an optimizer refused one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call(function)
        except ValueError as error:
            assert "non-leaf" in str(error)
            return lines_of(error, path)
        except (AttributeError, TypeError) as error:
            assert "NoneType" in str(error)
    return {each.lineno for each in caught if NOT_LEAF in str(each.message)}


@pytest.mark.parametrize(("path", "function"), cases("repeated_backward", stem="bad"))
def test_a_repeated_backward_raises_where_it_is_marked(path: Path, function: Callable[..., Any]) -> None:
    assert lines_that_raise(path, function) & marked(path, "TML401")


def lines_without_graph(path: Path, function: Callable[..., Any]) -> set[int]:
    """The lines through which the error of a backward without a graph came, or that walked a bare leaf."""
    walked: set[int] = set()
    walk = torch.Tensor.backward

    def watched(tensor: Tensor) -> None:
        if tensor.is_leaf and tensor.requires_grad:
            walked.update(frame.lineno or 0 for frame in traceback.extract_stack() if frame.filename == str(path))
        walk(tensor)

    torch.Tensor.backward = watched
    try:
        call(function)
    except (RuntimeError, AttributeError) as error:
        assert re.search(NO_GRAPH, str(error))
        return lines_of(error, path)
    finally:
        torch.Tensor.backward = walk
    return walked


@pytest.mark.parametrize(("path", "function"), cases("backward_without_graph", stem="bad"))
def test_a_backward_without_a_graph_raises_or_trains_nothing(path: Path, function: Callable[..., Any]) -> None:
    assert lines_without_graph(path, function) & marked(path, "TML202")


@pytest.mark.parametrize(("path", "function"), cases("nonleaf_grad", stem="bad"))
def test_a_gradient_of_a_non_leaf_is_missing_where_it_is_marked(path: Path, function: Callable[..., Any]) -> None:
    assert lines_without_gradient(path, function) & marked(path, "TML402")


@pytest.mark.parametrize(
    ("rule", "code", "lines"),
    [
        ("repeated_backward", "TML401", lines_that_raise),
        ("nonleaf_grad", "TML402", lines_without_gradient),
        ("backward_without_graph", "TML202", lines_without_graph),
    ],
)
def test_every_marked_line_fails_in_some_shape(rule: str, code: str, lines: Callable[..., set[int]]) -> None:
    path = FIXTURES / rule / "bad.py"
    seen = set().union(*(lines(path, function) for _, function in shapes(path)))
    assert marked(path, code) <= seen


def test_the_shapes_are_found() -> None:
    """Should the way of finding them break, nothing would be run."""
    assert len(cases(stem="good")) >= 100 and len(cases(stem="bad")) >= 70
    assert len(cases(stem="bad.fixed")) >= 100
