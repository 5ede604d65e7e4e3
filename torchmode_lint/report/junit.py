"""A report as tests that failed, in the XML of JUnit: a file without a diagnostic is a test that passed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from torchmode_lint.diagnostic import Diagnostic
from torchmode_lint.engine import Run
from torchmode_lint.report.concise import place

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: Run, colour: bool) -> str:
    """One suite; never coloured."""
    suite = ET.Element("testsuite", name="torchmode-lint", time=f"{run.seconds:.3f}")
    for report in run.reports:
        for each in report.diagnostics:
            _add(suite, each, "failure")
        for each in report.errors:
            _add(suite, each, "error")
        if not report.diagnostics and not report.errors:
            ET.SubElement(suite, "testcase", classname=_text(report.path), name="torchmode-lint")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(run.diagnostics)))
    suite.set("errors", str(len(run.errors)))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add(suite: ET.Element, each: Diagnostic, kind: str) -> None:
    at = each.span
    name = (
        f"{each.code} {at.line}:{at.column}" if at.cell is None else f"{each.code} cell {at.cell} {at.line}:{at.column}"
    )
    case = ET.SubElement(suite, "testcase", classname=_text(at.path), name=name)
    found = ET.SubElement(case, kind, type=each.rule, message=_text(each.message))
    steps = (f"  line {note.span.line} of {note.span.where}: {note.message}" for note in each.trail)
    found.text = _text("\n".join([f"{place(each)}: {each.code} {each.message}", *steps]))


def _text(text: str) -> str:
    """Without what XML cannot say at all."""
    return _NOT_XML.sub("\ufffd", text)
