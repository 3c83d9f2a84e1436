"""The handler author's guide says what is so: its rules load, its Python runs, what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import slbroker.plugin
from slbroker import Handlers, Request
from slbroker.plugin.rulefile import load_rules
from slbroker.sip.parser import parse
from slbroker.testing import SOURCE, Client, RequestFactory

GUIDE = (Path(__file__).parents[1] / "docs" / "handlers.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_the_first_plugin() -> None:
    names: dict[str, object] = {}
    exec(compile(PYTHON[0], "docs/handlers.md", "exec"), names)
    app = names["app"]
    assert isinstance(app, Handlers)
    client = Client(app)
    for uri, headers, status in (
        ("sip:900123@example.com", {}, 403),
        ("sip:1@example.com", {"User-Agent": "A Test", "X-Trace": "1"}, 480),
        ("sip:1@example.com", {"User-Agent": "A Test"}, 404),
    ):
        response = client.request("INVITE", uri, headers)
        assert response is not None
        assert response.status == status
    moved = client.request("INVITE", source=SOURCE._replace(host="192.0.2.9", listen="tls:h:1"))
    assert moved is not None
    assert moved.all("Contact") == ["<sip:gw1.example.com>;q=1", "<sip:gw2.example.com>;q=0.5"]


def test_what_lets_requests_go_on_and_its_test() -> None:
    names: dict[str, object] = {"app": Handlers(), "Client": Client}
    for name in ("def outbound", "def test_calls_go_out_by_the_trunk"):
        (block,) = [block for block in PYTHON if name in block]
        exec(compile(block, "docs/handlers.md", "exec"), names)
    test = names["test_calls_go_out_by_the_trunk"]
    assert callable(test)
    test()


@pytest.mark.parametrize("block", PYTHON)
def test_all_python_is_python(block: str) -> None:
    compile(block, "docs/handlers.md", "exec")


def test_the_rules(tmp_path: Path) -> None:
    (rules,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "answers.toml").write_text(rules)
    (tmp_path / "users.txt").write_text("alice:wonderland\n")
    client = Client(load_rules(tmp_path / "answers.toml"))
    response = client.authenticated("alice", "wonderland", "INVITE", "sip:900123@example.com")
    assert response is not None
    assert response.reason == "No Premium Numbers"


def test_what_is_exported_is_in_it_and_what_is_in_it_is_there() -> None:
    wanted = set(slbroker.plugin.__all__) - {"Decision", "Outcome", "Request", "Verdict"}
    assert [name for name in sorted(wanted) if name not in GUIDE] == []
    request = Request(parse(RequestFactory().invite()), SOURCE)
    for name in set(re.findall(r"request\.([a-z_]+)", GUIDE)) - {"sip"}:  # a file of that name
        assert hasattr(request, name), name


def test_a_hooks_name_is_one() -> None:
    app = Handlers()
    for name in set(re.findall(r"@app\.([a-z_]+)", GUIDE)):
        assert callable(getattr(app, name)), name
