"""`slbroker new`, `explain` and `replay`, as they are typed."""

from __future__ import annotations

import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from slbroker.recording import Record, read_request, write_record
from slbroker.testing import SOURCE, RequestFactory
from tests.support.processes import Process, run_slbroker
from tests.support.sip import request

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_project_has_a_test_that_passes(tmp_path: Path) -> None:
    made = run_slbroker("new", "my-answers", cwd=tmp_path)
    assert made.wait() == 0, made
    folder = tmp_path / "my-answers"
    names = {"my_answers.py", "test_my_answers.py", "pyproject.toml", "rules.toml", "README.md", "request.sip"}
    assert {path.name for path in folder.iterdir()} == names
    with Process(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder) as tests:
        assert tests.wait(30) == 0, tests
    assert "3 passed" in tests.output
    explained = run_slbroker("explain", "request.sip", "--plugin", "my_answers.py", cwd=folder)
    assert explained.wait() == 0, explained
    assert "SIP/2.0 403 No Premium Numbers" in explained.output
    assert "on('INVITE') user=900*" in explained.output
    by_rule = run_slbroker("explain", "request.sip", "--plugin", "rules.toml", cwd=folder)
    assert "SIP/2.0 403 No Premium Numbers" in by_rule.output, by_rule
    checked = run_slbroker("check", "--plugin", "my_answers.py", cwd=folder)
    assert checked.wait() == 0, checked
    assert "-m pytest && " in made.output
    assert "slbroker" not in tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]


@pytest.mark.parametrize("name", ["1st", "class", "slbroker", "json", "a b", "."])
def test_a_name_that_no_module_can_have(tmp_path: Path, name: str) -> None:
    made = run_slbroker("new", name, cwd=tmp_path)
    assert made.wait() == 3
    assert len(made.log.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    made = run_slbroker("new", "answers", cwd=tmp_path)
    assert made.wait() == 3
    assert made.log == "slbroker: answers exists and stays as it is; choose another name\n"


def test_what_goes_on_is_shown_as_it_is_typed(tmp_path: Path) -> None:
    (tmp_path / "onward.py").write_text(
        "from slbroker import Handlers\n\napp = Handlers()\n\n\n@app.otherwise\ndef onward(request):\n"
        "    return request.forward('sip:10.0.0.5', add={'X-Seen': 'yes'})\n"
    )
    (tmp_path / "request.sip").write_bytes(RequestFactory().invite())
    explained = run_slbroker("explain", "request.sip", "--plugin", "onward.py", cwd=tmp_path)
    assert explained.wait() == 0, explained
    assert "\nonward   forward to sip:10.0.0.5, + X-Seen: yes\n" in explained.output
    (tmp_path / "r.jsonl").write_text(write_record(Record(1.0, SOURCE, read_request(RequestFactory().invite()))))
    played = run_slbroker("replay", "r.jsonl", "--plugin", "onward.py", cwd=tmp_path)
    assert played.wait() == 0, played
    assert "1 INVITE sip:alice@example.com from 192.0.2.1: forward to sip:10.0.0.5, + X-Seen: yes\n" in played.output


def test_explain_takes_what_an_editor_writes(tmp_path: Path) -> None:
    file = tmp_path / "request.sip"
    file.write_bytes(RequestFactory().request("OPTIONS").replace(b"\r\n", b"\n"))
    explained = run_slbroker("explain", str(file), "--source", "[2001:db8::1]:5070", "--to", "tcp:[::1]:5060")
    assert explained.wait() == 0, explained
    assert "OPTIONS sip:alice@example.com from 2001:db8::1:5070 to tcp:[::1]:5060" in explained.output
    assert "SIP/2.0 200 OK" in explained.output


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (
            b"BYE sip:h SIP/2.0\nVia: SIP/2.0/UDP h\n",
            (),
            "this itself: 400",
        ),
        (b"{}\n", (), "the request cannot be explained: it is no record"),
        (b"", (), "the request cannot be explained: the edge does not hand this to a handler"),
        (b"x", ("--source", "nowhere"), "--source 'nowhere': write HOST:PORT"),
    ],
)
def test_what_cannot_be_explained(tmp_path: Path, content: bytes, options: tuple[str, ...], said: str) -> None:
    file = tmp_path / "request.sip"
    file.write_bytes(content)
    explained = run_slbroker("explain", str(file), *options)
    assert explained.wait() == 3, explained
    assert said in explained.log
    assert len(explained.log.splitlines()) == 1


def test_replay_of_what_is_no_recording(tmp_path: Path) -> None:
    file = tmp_path / "requests"
    file.write_text("hello\n")
    played = run_slbroker("replay", str(file))
    assert played.wait() == 3
    assert played.log.startswith(f"slbroker: {file}:1: it is no record")


def test_explain_shows_the_via_as_an_edge_stamps_it(tmp_path: Path) -> None:
    file = tmp_path / "request.sip"
    file.write_bytes(RequestFactory().request("OPTIONS"))
    explained = run_slbroker("explain", str(file), "--source", "198.51.100.7:40000")
    assert explained.wait() == 0, explained
    (via,) = [line for line in explained.output.splitlines() if line.startswith("Via: ")]
    assert ";received=198.51.100.7" in via
    assert ";rport=40000" in via


def test_explain_and_replay_take_a_kemi_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import KSR\n\ndef ksr_request_route():\n    KSR.sl.sl_send_reply(480, 'Not Now')\n    return 1\n"
    )
    file = tmp_path / "request.sip"
    file.write_bytes(RequestFactory().request("INVITE"))
    explained = run_slbroker("explain", str(file), "--kemi", str(script))
    assert "SIP/2.0 480 Not Now" in explained.output, explained
    recording = tmp_path / "requests.jsonl"
    record = Record(0.0, SOURCE, read_request(file.read_bytes()))
    recording.write_text(write_record(record))
    replayed = run_slbroker("replay", str(recording), "--kemi", str(script))
    assert "480 Not Now" in replayed.output, replayed


REMEMBERING = """
from slbroker import Handlers
app = Handlers()

@app.on("INVITE", user="900*", remember=60)
def premium(request):
    with open({told!r}, "a") as file:
        file.write("x")
    return request.reply(403 if request.from_uri.host == "example.com" else 404)

@app.on("MESSAGE", remember=5)
def once(request):
    return request.reply(404, request.call_id)

@app.on("BYE", remember=5)
def not_this_one(request):
    return request.reply(481, remember=0)

@app.otherwise
def unknown(request):
    return request.reply(404)
"""


@pytest.mark.parametrize(
    ("method", "read", "memory"),
    [
        (
            "INVITE",
            "method, from.host, uri.user",
            "edges may say this again for 60 s, to requests that are alike in these",
        ),
        ("MESSAGE", "method", "not remembered, for it reads the Call-ID"),
        ("BYE", "method", "not remembered, for remember=0 says so"),
        ("OPTIONS", "method", "not remembered, for no remember=SECONDS says for how long it is good"),
    ],
)
def test_explain_shows_what_was_read_and_whether_it_is_remembered(
    tmp_path: Path, method: str, read: str, memory: str
) -> None:
    told = tmp_path / "told"
    (tmp_path / "plugin.py").write_text(REMEMBERING.format(told=str(told)))
    (tmp_path / "request.sip").write_bytes(request(method, "sip:9001@example.com", from_="<sip:a@example.com>;tag=1"))
    explained = run_slbroker("explain", "request.sip", "--plugin", "plugin.py", cwd=tmp_path)
    assert explained.wait() == 0, explained
    assert f"read     {read}\n" in explained.output
    assert f"memory   {memory}\n" in explained.output
    if method == "INVITE":
        assert told.read_text() == "x"  # it ran once
