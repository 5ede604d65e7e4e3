"""A suppression comment that silences nothing.

## What it does

Reports the codes of ours in a `# noqa: TML101`, and a `# torchmode: ignore[...]` or its words, where no rule finds
anything, however sure, that they would silence.

## Why is this bad

The comment says that something is wrong here, and that it is meant. When that is no longer so, the next mistake on the
line is silenced with it.

## Example

    net.eval()
    with torch.no_grad():
        predicted = net(x)  # noqa: TML101

Use instead:

    net.eval()
    with torch.no_grad():
        predicted = net(x)

## Fix safety

There is no automatic fix. Taking the comment away changes nothing of what the program does.

## What it does not see

- A `# noqa` without codes, which may be another program's.
- Files in which following a function was given up for its cost.
- Files without the name of torch or of a library built on it, which are not analysed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity, Span
from torchmode_lint.ignores import means
from torchmode_lint.outcome import Finding
from torchmode_lint.source import SourceFile

CODE, NAME = "TML901", "unused-suppression"
PAGE = __doc__ or ""
SUMMARY = PAGE.splitlines()[0]
_OURS, _OWN = "TML", "TML9"  # of rules; of these comments themselves


def unused(source: SourceFile, found: Iterable[Finding], names: Mapping[str, str]) -> Iterator[Diagnostic]:
    """A diagnostic for each word of a suppression comment that none of the findings of all rules needs."""
    at = [(one.diagnostic.span, one.diagnostic.code) for one in found]
    places = [(source.program_line(span), code) for span, code in at]
    for comment in source.noqa.comments:
        for prefix in comment.prefixes:
            if (
                prefix.startswith(_OURS)
                and not prefix.startswith(_OWN)
                and not any(comment.first <= line <= comment.last and code.startswith(prefix) for line, code in places)
            ):
                yield _diagnostic(source, comment.line, comment.column, comment.text, f"`{prefix}`")
    for ignore in source.ignores:
        inside = [code for line, code in places if ignore.first <= line <= ignore.last]
        for word in ignore.words:
            if (
                word.lower() != NAME
                and not word.startswith(_OWN)
                and not any(means(word, code, names) for code in inside)
            ):
                known = any(means(word, code, names) for code in names)
                yield _diagnostic(source, ignore.line, ignore.column, ignore.text, f"`{word}`", known)
        if not ignore.words and not inside:
            yield _diagnostic(source, ignore.line, ignore.column, ignore.text, "this comment")


def _diagnostic(source: SourceFile, line: int, column: int, text: str, what: str, known: bool = True) -> Diagnostic:
    why = "silences nothing here" if known else "is the name of no rule"
    span = Span(source.path, line, column, line, column + len(text))
    return Diagnostic(CODE, NAME, f"{what} {why}: take it away", span, Severity.WARNING, Confidence.CERTAIN)
