"""KSR against what Kamailio 5.6.3 was seen to answer; tests/peers/test_kemi_probe.py asks Kamailio itself again."""

from __future__ import annotations

import ast

import pytest

from slbroker.sip.message import Source
from slbroker.testing import Client
from slbroker_handlers.kemi.elsewhere import result_of
from slbroker_handlers.kemi.ksr import MODULES
from slbroker_handlers.kemi.script import load_script
from tests.handlers.kemi.observations import NAMES, OBSERVATIONS, PROBE, Observation, answer, question

SOURCE = Source("127.0.0.1", 40_000, "udp:127.0.0.1:5060")


@pytest.fixture(scope="module")
def probe() -> Client:
    """The script that evaluates what it is asked, in slbroker."""
    return Client(load_script(f"kemi:{PROBE}?param=core.alias=example.com&version=5.6"))


@pytest.mark.parametrize("observation", OBSERVATIONS, ids=NAMES)
def test_answers_as_kamailio_did(observation: Observation, probe: Client) -> None:
    (reply,) = probe.exchange(question(observation.expression, SOURCE.port), SOURCE)
    assert answer(reply) == observation.result


def test_every_module_was_asked() -> None:
    """But for those whose answers are random, or need a statistic that Kamailio declares."""
    asked = {
        node.value.attr
        for observation in OBSERVATIONS
        for node in ast.walk(ast.parse(observation.expression))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
    }
    assert set(MODULES) - asked == {"", "sl", "uuid", "regex", "statistics", "counters"}


def test_what_works_here_is_not_listed_as_what_cannot() -> None:
    both = [
        (module.name, name) for module in MODULES.values() for name in module.exports if result_of(module.name, name)
    ]
    assert both == []
