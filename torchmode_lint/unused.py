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

The fix is safe: it takes away the words that silence nothing, and with the last of them the comment, with the reason
that ours give. Prose after a `# noqa`, and other comments on the line, stay. There is none for a word that is the name
of no rule, which may be a slip of the pen.

## What it does not see

- A `# noqa` without codes, which may be another program's.
- Files in which following a function was given up for its cost.
- Files without the name of torch or of a library built on it, which are not analysed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torchmode_lint.comments import without
from torchmode_lint.diagnostic import Applicability, Confidence, Diagnostic, Fix, Severity, Span
from torchmode_lint.ignores import UNUSED, Ignore, means
from torchmode_lint.outcome import Finding
from torchmode_lint.source import SourceFile
from torchmode_lint.suppression import Noqa

CODE, NAME = UNUSED, "unused-suppression"
PAGE = __doc__ or ""
SUMMARY = PAGE.splitlines()[0]
_OURS, _OWN = "TML", "TML9"  # of rules; of these comments themselves


def unused(source: SourceFile, found: Iterable[Finding], names: Mapping[str, str]) -> Iterator[Diagnostic]:
    """What no finding of any rule needs of each suppression comment, and words in them that mean no rule."""
    at = [(one.diagnostic.span, one.diagnostic.code) for one in found]
    places = [(source.program_line(span), code) for span, code in at]
    for comment in source.noqa.comments:
        around = [code for line, code in places if comment.first <= line <= comment.last]
        idle = [
            prefix
            for prefix in comment.prefixes
            if prefix.startswith(_OURS)
            and not prefix.startswith(_OWN)
            and not any(code.startswith(prefix) for code in around)
        ]
        if idle:
            yield _idle(source, comment, idle)
    for ignore in source.ignores:
        around = [code for line, code in places if ignore.first <= line <= ignore.last]
        idle = [
            word
            for word in ignore.words
            if word.lower() != NAME
            and not word.startswith(_OWN)
            and not any(means(word, code, names) for code in around)
        ]
        slips = [word for word in idle if not any(means(word, code, names) for code in names)]
        idle = [word for word in idle if word not in slips]
        if slips:
            verb = "is the name" if len(slips) == 1 else "are the names"
            yield _diagnostic(source, ignore, f"{_quoted(slips)} {verb} of no rule", len(slips))
        elif idle or not (ignore.words or around):
            yield _idle(source, ignore, idle)


def _idle(source: SourceFile, comment: Noqa | Ignore, words: Sequence[str]) -> Diagnostic:
    """Of these words of a comment, or of one without words."""
    what = _quoted(words) or "this comment"
    fix = Fix(f"take {_quoted(words) or 'it'} away", Applicability.SAFE, (without(source, comment, words),))
    verb = "silence" if len(words) > 1 else "silences"
    return _diagnostic(source, comment, f"{what} {verb} nothing here", len(words), fix)


def _diagnostic(source: SourceFile, comment: Noqa | Ignore, why: str, count: int, fix: Fix | None = None) -> Diagnostic:
    at = Span(source.path, comment.line, comment.column, comment.line, comment.column + len(comment.text))
    message = f"{why}: take {'them' if count > 1 else 'it'} away"
    return Diagnostic(CODE, NAME, message, at, Severity.WARNING, Confidence.CERTAIN, fix=fix)


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
