"""python-lsp-server with flake8: the real server, spoken to as editors do, shows our diagnostics where they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import FIXTURES, SCRIPTS

SECONDS = 120
FLAKE8 = {"enabled": True, "executable": str(SCRIPTS / "flake8"), "select": ["TML"]}
OTHERS = ("mccabe", "pycodestyle", "pyflakes")
SETTINGS = {"pylsp": {"plugins": {"flake8": FLAKE8, **{name: {"enabled": False} for name in OTHERS}}}}


class Server:
    """A language server at the other end of two pipes (the base protocol of LSP 3.17)."""

    def __init__(self, folder: Path) -> None:
        self.pipe = subprocess.Popen(
            [sys.executable, "-m", "pylsp"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.watchdog = threading.Timer(SECONDS, self.pipe.kill)
        self.watchdog.start()
        self.number = 0
        self.ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}})
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": SETTINGS})

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.pipe.stdin is not None
        self.pipe.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.pipe.stdin.flush()

    def tell(self, method: str, parameters: object) -> None:
        self.send({"method": method, "params": parameters})

    def ask(self, method: str, parameters: object) -> Any:  # noqa: ANN401
        self.number += 1
        self.send({"id": self.number, "method": method, "params": parameters})
        return next(one for one in self.messages() if one.get("id") == self.number and "method" not in one)["result"]

    def messages(self) -> Iterator[dict[str, Any]]:
        assert self.pipe.stdout is not None
        while line := self.pipe.stdout.readline():
            length = 0
            while line.strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                line = self.pipe.stdout.readline()
            yield json.loads(self.pipe.stdout.read(length))
        pytest.fail(f"the server ended, or said nothing for {SECONDS} seconds")

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """Those that are published next for a document."""
        for one in self.messages():
            if one.get("method") == "textDocument/publishDiagnostics" and one["params"]["uri"] == uri:
                return list(one["params"]["diagnostics"])
        raise AssertionError

    def close(self) -> None:
        self.watchdog.cancel()
        self.pipe.kill()
        self.pipe.communicate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose workspace is a project of two files, one of which evaluates what the other has trained."""
    folder = tmp_path / "project"
    shutil.copytree(FIXTURES / "projects" / "scripts_and_utils", folder)
    (folder / "setup.cfg").touch()
    one = Server(folder)
    yield one
    one.close()


def test_diagnostics_come_and_go_with_the_text_of_the_editor(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "project" / "train.py"
    text = f"# a line that is not saved\n{path.read_text()}"
    document = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": text}
    server.tell("textDocument/didOpen", {"textDocument": document})
    (found,) = server.diagnostics(path.as_uri())
    line = text.split("\n")[20]
    assert (found["source"], found["code"]) == ("flake8", "TML101")
    assert found["message"].startswith("TML101 `Classifier` is evaluated in train mode")
    assert found["range"]["start"] == {"line": 20, "character": line.index("accuracy(")}, "seen in another file"

    change = {"textDocument": {"uri": path.as_uri(), "version": 2}}
    evaluated = text.replace("        print(accuracy(", "        model.eval()\n        print(accuracy(")
    server.tell("textDocument/didChange", {**change, "contentChanges": [{"text": evaluated}]})
    assert server.diagnostics(path.as_uri()) == []
    assert server.ask("shutdown", None) is None
