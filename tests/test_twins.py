"""Which twins are chosen, that both follow one rule, and that what says it is compiled lies where it belongs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import twins
from slbroker.twins import KIND, TWINS, compiled_or_pure, definition
from tests.support.processes import ROOT, child_environment
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("slbroker", "edge/slbroker_edge")

# Rules, as they stand in their one place, and what is put there instead.
CHANGES = {
    "slbroker/sip/grammar.py": [
        ('TOKEN: Final = rb"0-9', 'TOKEN: Final = rb"$0-9'),
        ("MAX_HEADERS: Final = 256", "MAX_HEADERS: Final = 9"),
        ('    b"y": b"identity",', '    b"y": b"identity",\n    b"z": b"from",'),
        ('COOKIE: Final = b"z9hG4bK"', 'COOKIE: Final = b"cookie"'),
    ],
    "slbroker/sip/reply.py": [('b"Call-ID", b"CSeq")', 'b"Call-ID", b"CSeq", b"X-Echo")')],
    "slbroker/sip/reading.py": [("    method: bytes\n    uri: bytes\n", "    uri: bytes\n    method: bytes\n")],
    "edge/slbroker_edge/outbox.py": [("MAX_REPLY: Final = 65_507", "MAX_REPLY: Final = 300")],
}

# Takes requests through an edge and a worker, and says what came of each.
SCRIPT = """
import json, sys
from slbroker import twins
from slbroker.bus import envelope
from slbroker.bus.choice import ANY
from slbroker.bus.jobs import Job
from slbroker.sip.validate import USUAL
from slbroker.totag import Mac
from slbroker_edge.outbox import post_replies
from slbroker_edge.reader import read_turn
class Listener:
    name = "udp:h:1"
PEER = ("192.0.2.1", 5060)
def request(method="OPTIONS", more="", from_="From", branch="z9hG4bK1", via="192.0.2.9"):
    return (f"{method} sip:a@b SIP/2.0\\r\\nVia: SIP/2.0/UDP {via};branch={branch}\\r\\n{from_}: <sip:a@b>;tag=x\\r\\n"
            f"To: <sip:a@b>\\r\\nCall-ID: c\\r\\nCSeq: 1 {method}\\r\\n{more}\\r\\n").encode()
def read(data):
    jobs, _acks, _alone = read_turn([(data, PEER)] if data else [], Listener, USUAL)
    return (jobs[0].reading, jobs[0].key) if jobs else None
said = {"kind": twins.KIND}
dollar = read(request("A$B"))
said["token"] = dollar and [dollar[0].method.decode(), dollar[0].uri.decode(), dollar[0].call_id.decode()]
said["few headers"] = read(request(more="X: 1\\r\\n" * 4)) is not None
said["many headers"] = read(request(more="X: 1\\r\\n" * 5)) is not None
short = read(request(from_="z"))
said["compact form"] = short and short[0].from_tag.decode()
# With a cookie the key leaves the rest of the Via out.
keys = [[read(request(branch=branch, via=via))[1] for via in ("h", "i")] for branch in ("cookie1", "z9hG4bK1")]
said["cookie"] = [one == two for one, two in keys]
job = Job(read(request(more="X-Echo: e\\r\\nX-Other: o\\r\\n"))[0], b"", ANY, 1)
(item,) = envelope.decode_requests(envelope.encode_jobs([job])[1])
reply = item.reply(b"SIP/2.0 404 No", b"\\r\\n\\r\\n", Mac(bytes(32), b"p", b"s1"))
said["echoed"] = reply.decode().count("X-Echo: e\\r\\n") + reply.decode().count("X-Other")
reply = b"SIP/2.0 200 OK\\r\\n\\r\\n"
jobs = [Job(dollar[0], b"", ANY, 1) for _ in range(2)]
said["replies"] = post_replies([(jobs[0], reply), (jobs[1], reply + b"x" * 300)], 0, {}, {})
print(json.dumps(said))
"""

BEFORE = {
    "token": None, "few headers": True, "many headers": True, "compact form": None, "cookie": [False, True],
    "echoed": 0,
}  # fmt: skip
AFTER = {
    "token": ["A$B", "sip:a@b", "c"], "few headers": True, "many headers": False, "compact form": "x",
    "cookie": [True, False], "echoed": 1, "replies": 1,
}  # fmt: skip


def ask(tree: Path, kind: str, script: str) -> dict[str, Any]:
    paths = ":".join(str(tree / folder) for folder in (".", "edge"))
    environment = child_environment({"PYTHONPATH": paths, "SLBROKER_PURE": "1" if kind == "pure" else ""})
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tree, env=environment, capture_output=True, text=True, timeout=within(60), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said.pop("kind") == kind
    return said


@pytest.mark.parametrize("kind", ["pure", "compiled"])
def test_a_rule_that_is_changed_in_its_one_place_is_followed_by_both_kinds(kind: str, tmp_path: Path) -> None:
    if kind == "compiled" and KIND != "compiled":
        pytest.skip("the compiled twins are not in use")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.c", "__pycache__"))
    as_it_is = (
        SCRIPT.replace('request("A$B")', "None")
        .replace("dollar and [", "None and [")
        .replace("jobs = [Job(dollar[0]", "jobs = [Job(short or read(request())[0]")
    )
    assert BEFORE.items() <= ask(tmp_path, kind, as_it_is).items()
    for file, changes in CHANGES.items():
        path = tmp_path / file
        text = path.read_text()
        for old, new in changes:
            assert text.count(old) == 1, (file, old)
            text = text.replace(old, new)
        path.write_text(text)
    assert ask(tmp_path, kind, SCRIPT) == AFTER


def test_each_twin_lies_beside_what_it_does_and_all_are_listed() -> None:
    found = [
        ".".join(path.relative_to((ROOT / package).parent).with_suffix("").parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.pyx")
    ]
    assert sorted(found) == sorted(TWINS)


@pytest.mark.parametrize(("setting", "wanted"), [("", KIND), ("0", KIND), ("1", "pure")])
def test_the_choice(monkeypatch: pytest.MonkeyPatch, setting: str, wanted: str) -> None:
    if KIND == "pure" and wanted == KIND and not all(map(twins._is_built, TWINS)):
        wanted = "pure"
    elif not setting or setting == "0":
        wanted = "compiled"
    monkeypatch.setenv("SLBROKER_PURE", setting)
    assert twins._choose() == wanted


def test_all_of_them_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "TWINS", (*TWINS, "slbroker.bus._absent"))
    monkeypatch.delenv("SLBROKER_PURE", raising=False)
    assert twins._choose() == "pure"


def test_what_older_twins_lack_python_does() -> None:
    @compiled_or_pure("slbroker._totag")
    def newer() -> int:
        return 7

    assert newer() == definition(newer)() == 7
