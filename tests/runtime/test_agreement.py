"""Generated training programs: what the checker reports is what the monitor sees, and never surely so in vain."""

from __future__ import annotations

import random
import warnings

from agreement import compare
from hypothesis import HealthCheck, given, settings
from training_programs import Choices, choices, program

PROGRAMS = 150


@settings(
    max_examples=PROGRAMS, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(choices())
def test_what_is_reported_is_seen(of: Choices) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compare(program(of))
    only_reported, _ = found.only()
    assert not only_reported, only_reported


def test_nearly_all_that_is_seen_is_reported() -> None:
    agreeing = 0
    for seed in range(PROGRAMS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compare(program(Choices.drawn(random.Random(seed))))
        agreeing += found.only() == (set(), set())
    assert agreeing >= 0.96 * PROGRAMS
