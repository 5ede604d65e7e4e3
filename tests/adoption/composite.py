"""Runs the steps of a composite action as a runner of GitHub does: shell steps in bash, with its files and variables.

Steps that use other actions are only noted, with the inputs that they would get. Expressions are read as far as this
project uses them.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|!|\(|\)|[\w.-]+)")
_FILES = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")


@dataclass
class Job:
    """A job with one step, which uses an action; `contexts` are what its expressions may ask for."""

    workspace: Path
    temporary: Path
    contexts: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    failed: bool = False
    used: dict[str, dict[str, str]] = field(default_factory=dict)  # the inputs of other actions, by their names

    def run(self, action: Path, given: dict[str, str]) -> dict[str, str]:
        """All steps of the action; its outputs."""
        document = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
        assert set(given) <= set(document["inputs"])
        self.contexts["inputs"] = {
            name: str(one.get("default", "")) for name, one in document["inputs"].items()
        } | given
        self.contexts["github"]["action_path"] = str(action)
        self.contexts["steps"] = {}
        for step in document["runs"]["steps"]:
            condition = str(step.get("if", "true"))
            if self.failed and "cancelled()" not in condition and "always()" not in condition:
                continue
            if self.value(condition):
                self._step(step)
        return {name: self.text(one["value"]) for name, one in document["outputs"].items()}

    def _step(self, step: dict[str, Any]) -> None:
        outputs = self.contexts["steps"].setdefault(step.get("id", step["name"]), {"outputs": {}})["outputs"]
        if "uses" in step:
            self.used[step["uses"]] = {name: self.text(str(value)) for name, value in step.get("with", {}).items()}
            return
        assert step["shell"] == "bash" and "${{" not in step["run"], "what users write must not become code"
        files = {name: self.temporary / name.lower() for name in _FILES}
        for path in files.values():
            path.write_text("")
        script = self.temporary / "step.sh"
        script.write_text(step["run"])
        own = {name: self.text(str(value)) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace,
            env={
                **os.environ,
                "RUNNER_TEMP": str(self.temporary),
                **self.environment,
                **own,
                **{k: str(v) for k, v in files.items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
        self.log += done.stdout
        self.failed |= done.returncode != 0
        outputs |= _pairs(files["GITHUB_OUTPUT"])
        self.environment |= _pairs(files["GITHUB_ENV"])
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()

    def text(self, template: str) -> str:
        """A text with the values of its expressions."""
        return _EXPRESSION.sub(lambda found: str(self.value(found[1]) or ""), template)

    def value(self, expression: str) -> Any:  # noqa: ANN401
        """The value of an expression, which Python's operators have, too."""
        words = []
        whole = _EXPRESSION.fullmatch(expression)
        text = (whole[1] if whole else expression).strip()
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            assert token is not None, text[at:]
            words.append(self._word(token[1]))
            at = token.end()
        return eval(" ".join(words).replace("cancelled ( )", "False").replace("always ( )", "True"))

    def _word(self, word: str) -> str:
        known = {"&&": "and", "||": "or", "!": "not", "true": "True", "false": "False"}
        if word in known:
            return known[word]
        if word[0] == "'" or not word[0].isalpha() or word in ("cancelled", "always"):
            return word
        value: Any = self.contexts
        for part in word.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return repr(value)


def _pairs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())
