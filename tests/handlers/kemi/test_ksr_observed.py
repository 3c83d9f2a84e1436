"""KSR against what Kamailio 5.6.3 was seen to answer; tests/peers/test_kemi_probe.py asks Kamailio itself again."""

from __future__ import annotations

import ast

import pytest

from slbroker.sip.message import Source
from slbroker.testing import Client
from slbroker_handlers.kemi.catalogue import find_known
from slbroker_handlers.kemi.exports import MODULES
from slbroker_handlers.kemi.script import load_script
from tests.handlers.kemi.observations import NAMES, OBSERVATIONS, PROBE, SETTINGS, Observation, answer, question

SOURCE = Source("127.0.0.1", 40_000, "udp:127.0.0.1:5060")


@pytest.fixture(scope="module")
def probe() -> Client:
    """The script that evaluates what it is asked, in slbroker."""
    return Client(load_script(f"kemi:{PROBE}?param={'&param='.join(SETTINGS)}&version=5.6"))


@pytest.mark.parametrize("observation", OBSERVATIONS, ids=NAMES)
def test_answers_as_kamailio_did(observation: Observation, probe: Client) -> None:
    (reply,) = probe.exchange(question(observation.expression, SOURCE.port), SOURCE)
    assert answer(reply) == observation.result


def test_every_module_was_asked() -> None:
    """But for those whose answers are random, or need a statistic that Kamailio declares, or SDP, or are younger."""
    asked = {
        node.value.attr
        for observation in OBSERVATIONS
        for node in ast.walk(ast.parse(observation.expression))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
    }
    assert set(MODULES) - asked == {"", "sl", "uuid", "regex", "statistics", "counters", "x", "sdpops", "pvtpl", "path"}


def test_what_works_here_is_declared_as_in_kamailio() -> None:
    """By the tables in Kamailio's own modules: a name of theirs, their arguments, their kind of result."""
    for module, found in MODULES.items():
        for name, export in found.exports.items():
            known = find_known(module, name)
            assert known is not None, export.title
            assert known.result == export.result, export.title
            assert known.params is None or known.params == tuple(kind for _, kind in export.params), export.title
