"""What holds of every CFG, checked on every function of files people wrote."""

from __future__ import annotations

import pytest
from graphs import all_codes, corpus, events_of, reached

from torchmode_lint.flow import cfg
from torchmode_lint.flow import events as ev
from torchmode_lint.flow.shared import end_read, reads, spent_registers, writes


@pytest.fixture(scope="module")
def codes() -> list[cfg.Code]:
    return [code for source in corpus() for code in all_codes(source.code)]


def test_blocks_are_numbered_reached_and_end(codes: list[cfg.Code]) -> None:
    for code in codes:
        assert [block.number for block in code.blocks] == list(range(len(code.blocks)))
        assert reached(code) == set(code.blocks)
        assert all(block.end is not None for block in code.blocks)
        assert {other for block in code.blocks for other in block.loops} <= set(code.blocks)


def test_loops_are_nested_and_entered_by_their_heads(codes: list[cfg.Code]) -> None:
    for code in codes:
        for block in code.blocks:
            for depth, head in enumerate(block.loops):
                assert head.loops == block.loops[: depth + 1], "a head contains itself, last"
            for target in (*block.successors(), *block.handlers):
                entered = [head for head in target.loops if head not in block.loops]
                assert entered in ([], [target]), "a loop is entered by its head, one at a time"
                if target.number <= block.number:
                    assert target in block.loops, "only back edges lead back"


def test_next_ends_a_head(codes: list[cfg.Code]) -> None:
    for code in codes:
        for block in code.blocks:
            if isinstance(block.end, cfg.Next):
                assert block.loops[-1] is block and not block.events
                assert block in block.end.body.loops
                assert block not in block.end.done.loops


def test_special_events_are_in_their_places(codes: list[cfg.Code]) -> None:
    for code in codes:
        entered = {event for event in events_of(code) if isinstance(event, ev.Enter)}
        for block in code.blocks:
            for event in block.events[:-1]:
                assert not isinstance(event, ev.Yield), "a yield ends its block"
            for event in block.events:
                if isinstance(event, ev.Leave):
                    assert event.enter in entered and event.manager == event.enter.manager
                if isinstance(event, ev.MakeFunction | ev.MakeClass):
                    assert event.code in code.codes
                if isinstance(event, ev.MakeFunction):
                    assert len(event.defaults) == len(event.code.parameters)
                    given = [default is not None for default in event.defaults]
                    assert given == [parameter.has_default for parameter in event.code.parameters]
                    assert len(event.decorators) == len(event.code.decorators)
            if isinstance(block.end, cfg.Suppress):
                last = block.events[-1]
                assert isinstance(last, ev.Leave) and last.enter is block.end.enter


def test_codes_hang_together(codes: list[cfg.Code]) -> None:
    for code in codes:
        for inner in code.codes:
            assert inner.parent is code
            assert inner.qualname == ".".join(filter(None, (code.qualname, inner.name)))
            assert {parameter.name for parameter in inner.parameters} <= inner.locals
        made = any(isinstance(event, ev.Yield) for event in events_of(code))
        assert code.is_generator or not made


def test_numbers_are_unique_in_a_file() -> None:
    for source in corpus():
        codes = list(all_codes(source.code))
        scopes = [code.scope for code in codes]
        assert len(scopes) == len(set(scopes)) and source.code.scope == min(scopes)
        indexes = [event.index for code in codes for event in events_of(code)]
        assert len(indexes) == len(set(indexes))


def test_events_of_a_block_count_up(codes: list[cfg.Code]) -> None:
    for code in codes:
        for block in code.blocks:
            indexes = [event.index for event in block.events]
            assert indexes == sorted(indexes)


def test_registers_are_written_before_they_are_read(codes: list[cfg.Code]) -> None:
    """On every path, exceptions included, which may leave a block before its first event."""
    for code in codes:
        before: dict[cfg.Block, frozenset[int]] = {code.entry: frozenset()}
        waiting = [code.entry]
        while waiting:
            block = waiting.pop()
            after = before[block].union(*map(writes, block.events))
            if isinstance(block.end, cfg.Next):
                after |= {block.end.dst}
            edges = [(target, after) for target in block.successors() if target not in block.handlers]
            edges += [(target, before[block]) for target in block.handlers]
            for target, state in edges:
                joined = before[target] & state if target in before else state
                if before.get(target) != joined:
                    before[target] = joined
                    waiting.append(target)
        for block in code.blocks:
            written = set(before[block])
            for event in block.events:
                assert written.issuperset(reads(event))
                written.update(writes(event))
            assert end_read(block) in (None, *written)


def test_shared_registers_are_those_read_elsewhere(codes: list[cfg.Code]) -> None:
    for code in codes:
        writers: dict[int, set[cfg.Block]] = {}
        readers: dict[int, set[cfg.Block]] = {}
        for block in code.blocks:
            for event in block.events:
                for register in writes(event):
                    writers.setdefault(register, set()).add(block)
                for register in reads(event):
                    readers.setdefault(register, set()).add(block)
            if isinstance(block.end, cfg.Next):
                writers.setdefault(block.end.dst, set()).add(block)
            if (last := end_read(block)) is not None:
                readers.setdefault(last, set()).add(block)
        elsewhere = {register for register, blocks in readers.items() if blocks - writers[register]}
        assert elsewhere <= code.shared
        assert code.shared <= {register for register in readers if len(writers[register] | readers[register]) > 1}


def test_nobody_reads_a_register_that_is_spent(codes: list[cfg.Code]) -> None:
    given_up = 0
    for code in codes:
        for block in code.blocks:
            gone: set[ev.Register] = set()
            spent = spent_registers(block, code.shared)
            for at, event in enumerate(block.events):
                assert gone.isdisjoint(reads(event)), (code, event)
                gone -= set(writes(event))
                gone.update(spent.get(at, ()))
            assert end_read(block) not in gone and gone.isdisjoint(code.shared)
            given_up += len(gone)
    assert given_up > 1000
