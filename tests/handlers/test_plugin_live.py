"""A plugin's life in a real worker: hooks as it starts and ends, rules in place of Python, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.errors import Exit
from slbroker.keys import create as create_keys
from tests.peers.phone import Phone
from tests.support.processes import run_slbroker
from tests.support.timing import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

HOOKS = """
from pathlib import Path
from slbroker import Handlers

app, diary = Handlers(), Path(__file__).with_suffix(".diary")

def write(word):
    with diary.open("a") as lines:
        lines.write(word + "\\n")

@app.startup
async def begin():
    write("startup")

@app.shutdown
def end():
    write("shutdown")

@app.local_response
def sent(request, reply):
    write(f"{request.method} {reply.status}")

@app.on("OPTIONS")
async def later(request):
    return request.reply(200)

app.on("INVITE")(lambda request: [request.reply(180), request.reply(486)])
"""


def serve(start: Start, plugin: Path) -> tuple[Process, int]:
    """Run an edge and one worker; the process and its port."""
    process = start("run", "--plugin", str(plugin), "--listen", "udp:127.0.0.1:0", "--workers", "1")
    process.wait_for("handler ready")
    ready = process.wait_for("edge ready")
    return process, int(ready.partition("udp:127.0.0.1:")[2].partition(",")[0])


def test_hooks_and_events(start_slbroker: Start, tmp_path: Path) -> None:
    plugin = tmp_path / "answers.py"
    plugin.write_text(HOOKS)
    process, port = serve(start_slbroker, plugin)
    diary = tmp_path / "answers.diary"
    with Phone(port) as phone:
        assert phone.ask(phone.call().request("OPTIONS")).status == 200
        assert phone.ask(phone.call().request("INVITE")).status == 486
    expected = ["startup", "OPTIONS 200", "INVITE 180", "INVITE 486"]
    until(lambda: diary.read_text().split("\n")[:-1] == expected, what="the events in the diary")
    assert process.stop() == 0
    assert diary.read_text().split("\n")[:-1] == [*expected, "shutdown"]


def test_a_startup_that_fails_ends_all_with_a_line_that_says_where(tmp_path: Path) -> None:
    plugin = tmp_path / "answers.py"
    plugin.write_text(
        "from slbroker import Handlers\napp = Handlers()\n@app.startup\nasync def f():\n    raise OSError('no db')\n"
    )
    for words in (("run", "--listen", "udp:127.0.0.1:0"), ("handler", "--bus", f"ipc://{tmp_path}/bus")):
        ring = tmp_path / f"{words[0]}.ring"
        create_keys(ring)
        ended = run_slbroker(*words, "--plugin", str(plugin), "--keys", str(ring), "--workers", "1")
        assert ended.wait() == Exit.PLUGIN, ended
        assert f"slbroker: the plugin's startup failed: OSError: no db, at {plugin}:5 in f" in ended.log


def test_rules_in_place_of_python(start_slbroker: Start, tmp_path: Path) -> None:
    rules = tmp_path / "answers.toml"
    rules.write_text('[maintenance]\nfile = "down"\n[[on]]\nmethod = "OPTIONS"\nreply = "200 By The Rules"\n')
    _process, port = serve(start_slbroker, rules)
    with Phone(port) as phone:
        assert phone.ask(phone.call().request("OPTIONS")).reason == "By The Rules"
        (tmp_path / "down").touch()
        assert phone.ask(phone.call().request("OPTIONS")).status == 503
