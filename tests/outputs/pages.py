"""A page of the html report, taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "area", "base", "col", "embed", "source", "track", "wbr"}


@dataclass
class Element:
    """One element, its text without that of its children among its `children`."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str, name: str | None = None) -> list[Element]:
        """The elements with this tag and, if given, this class."""
        found = (one for one in self.walk() if one.tag == tag)
        return [one for one in found if name is None or name in one.attributes.get("class", "").split()]

    def by_id(self, name: str) -> Element:
        (found,) = (one for one in self.walk() if one.attributes.get("id") == name)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        one = Element(tag, {name: value or "" for name, value in attrs})
        assert len(one.attributes) == len(attrs), f"an attribute twice: {attrs}"
        self.stack[-1].children.append(one)
        if tag not in VOID:
            self.stack.append(one)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop().tag == tag, f"</{tag}> closes what it did not open"

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def read_page(page: str) -> Element:
    """The whole page; elements must be closed in order."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    (root,) = reader.stack
    return root
