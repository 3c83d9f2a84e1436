"""`slbroker check --config`: everything that is wrong with a file, for whichever command, and what is right."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from slbroker.bus import curve
from slbroker.errors import Exit
from tests.support.certificates import Authority
from tests.support.peers import free_udp_port
from tests.support.processes import call_slbroker, run_slbroker

if TYPE_CHECKING:
    from pathlib import Path

FILE = "slbroker.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a key ring, two pairs of bus keys and a plugin."""
    keys.create(tmp_path / "ring")
    for name in ("edge", "worker"):
        curve.create(str(tmp_path / name))
    (tmp_path / "answers.py").write_text("from slbroker import Handlers\n\napp = Handlers()\napp.otherwise(print)\n")
    (tmp_path / "broken.py").write_text("import nowhere_at_all\n")
    (tmp_path / "script.py").write_text(
        "import KSR\n\n\ndef ksr_request_route():\n    KSR.sl.sl_send_reply(404, 'No')\n    return 1\n"
    )
    (tmp_path / "secret").write_text("?")
    return tmp_path


def check(folder: Path, content: str, *words: str) -> tuple[int, list[str], list[str]]:
    """The exit code, what is BAD, and what is ok, of the file, without lines' numbers; nothing is said elsewhere."""
    (folder / FILE).write_text(content)
    ended = call_slbroker("check", "--config", FILE, *words, cwd=folder)
    code = ended.wait()
    assert ended.log == ""
    lines = re.sub(rf"\b{FILE}:[0-9]+ ", f"{FILE} ", ended.output).splitlines()
    bad = [line.removeprefix("BAD  config   ") for line in lines if line.startswith("BAD  config ")]
    good = [line.removeprefix("ok   config   ") for line in lines if line.startswith("ok   config ")]
    assert len(bad) == sum(line.startswith("BAD") for line in lines)
    return code, bad, good


# What one line says of one table: where, and how it begins.
WRONG = {
    # keys
    'colour = "red"': ("colour", "there is no such option; see --help"),
    'Keys = "ring"': ("Keys", "there is no such option; keys?"),
    "edge = 5": ("edge", "there is no such option; write it as a table, [edge]"),
    "[edge]\nack_windoww = 5": ("[edge] ack_windoww", "there is no such option; ack-window?"),
    "[edge]\nworkers = 2": ("[edge] workers", "there is no such option"),
    "[edge.extra]\nx = 1": ("[edge] extra", "there is no such option"),
    "[ruin]\nlisten = 5": ("[ruin]", "is no command; the commands are run, edge,"),
    "[keys]\nfile = 5": ("[keys]", "has a value of the wrong kind"),
    'config = "other.toml"': ("config", "there is no such option; see --help"),
    "[edge]\nack-window = 5\n[listen]\nx = 1": ("[listen]", "has a value of the wrong kind"),
    # kinds
    "[edge]\ncredit = [1]": ("[edge] credit", "there is no such option"),
    "[handler]\ncredit = [1]": ("[handler] credit:", "it has a value of the wrong kind"),
    "[handler]\ncredit = 2020-01-01": ("[handler] credit:", "it has a value of the wrong kind"),
    "[handler.credit]\nx = 1": ("[handler] credit:", "it has a value of the wrong kind"),
    "[handler]\ncredit = true": ("[handler] credit:", "--credit wants a whole number from 1 to 65536, not true"),
    '[edge]\nack-window = "long"': ("[edge] ack-window:", "--ack-window wants a number from 0 to 3600, not long"),
    "[edge]\nack-window = nan": ("[edge] ack-window:", "--ack-window wants a number from 0 to 3600, not nan"),
    "[edge]\nmax-wait = inf": ("[edge] max-wait:", "--max-wait wants a number from 0.01 to 60, not inf"),
    '[edge]\nfreebind = "perhaps"': ("[edge] freebind:", "--freebind wants true or false, not perhaps"),
    '[handler]\nlog-level = "loud"': (
        "[handler] log-level:",
        "--log-level wants one of debug, info, warning, error, not loud",
    ),
    "[run]\nworkers = 0": ("[run] workers:", "--workers wants a whole number from 1 to 256, not 0"),
    "workers = 0": ("workers:", "--workers wants a whole number from 1 to 256, not 0"),
    "[stats]\ntimeout = 0": ("[stats] timeout:", "--timeout wants a number from 0.01 to 3600, not 0"),
    # values
    '[edge]\nlisten = "udp:127.0.0.1:99999"': ("[edge] listen:", "listen address 'udp:127.0.0.1:99999': write"),
    'listen = ["udp:127.0.0.1:0", "sctp:127.0.0.1"]': ("listen:", "listen address 'sctp:127.0.0.1': transport sctp"),
    '[edge]\nlisten = "udp:a..b:0"': ("[edge] listen:", "cannot listen on udp:a..b:0: no host can have that name"),
    '[edge]\nlisten = "udp:192.0.2.1:0"': ("[edge] listen:", "cannot listen on udp:192.0.2.1:0: Cannot assign"),
    '[edge]\nadvertise = "a b"': ("[edge] advertise:", "advertise 'a b': write where peers reach this host"),
    '[edge]\nbus = "nowhere"': ("[edge] bus:", "bus address 'nowhere'"),
    '[edge]\nbroker = "tcp://h"': ("[edge] broker:", "bus address 'tcp://h'"),
    '[broker]\nedges = "udp:h"': ("[broker] edges:", "bus address 'udp:h'"),
    '[edge]\nroute = "pool=a colour=red"': ("[edge] route:", "route 'pool=a colour=red'"),
    '[edge]\nshadow = "a:101"': ("[edge] shadow:", "--shadow 'a:101': write POOL"),
    '[edge]\nretry-after = "soon"': ("[edge] retry-after:", "--retry-after 'soon': write seconds"),
    '[edge]\nserver = "a\\nb"': ("[edge] server:", "server 'a\\nb': write one line"),
    '[edge]\nsupported = "a, b"': ("[edge] supported:", "--supported 'a, b' is no option tag"),
    '[edge]\nws-origin = "phone"': ("[edge] ws-origin:", "origin 'phone': write scheme://host"),
    '[handler]\npool = "a b"': ("[handler] pool:", "pool 'a b'"),
    # files
    '[edge]\nkeys = "nowhere"': ("[edge] keys:", "no key file nowhere; run: slbroker keys new"),
    'keys = "secret"': ("keys:", "key file secret"),
    '[edge]\ntls-cert = "nowhere"': ("[edge] tls-cert:", "TLS file nowhere: No such file or directory"),
    '[ping]\ntls-ca = "."': ("[ping] tls-ca:", "TLS file .: Is a directory"),
    '[handler]\nrecord = "nowhere/file"': ("[handler] record:", "nowhere/file cannot be written"),
    '[edge]\nbus-clients = "nowhere"': ("[edge] bus-clients:", "nowhere"),
    '[handler]\nbus-key = "edge.key"': ("[handler] bus-key:", "edge.key holds no secret key"),
    '[handler]\nbus-server-key = "edge.key_secret"': ("[handler] bus-server-key:", ""),
    '[edge]\nbroker-key = "nowhere"': ("[edge] broker-key:", "nowhere"),
    # for commands that have no table here, among others that have
    "workers = 300\n[edge]\nack-window = 5": ("workers:", "--workers wants a whole number from 1 to 256, not 300"),
    'plugin = "nowhere.py"\n[edge]\nack-window = 5': ("plugin:", "plugin nowhere.py: there is no such file"),
    'edges = "udp:h"\n[handler]\ncredit = 5': ("edges:", "bus address 'udp:h'"),
    # together
    '[edge]\nlisten = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5060"]': ("[edge]:", "udp:127.0.0.1:5060 is said twice"),
    '[edge]\ntls-key = "secret"': ("[edge]:", "TLS needs a certificate"),
    '[edge]\nlisten = "tls:127.0.0.1:0"': ("[edge]:", "tls:127.0.0.1:0 needs a certificate"),
    '[edge]\nlisten = "udp:127.0.0.1:0"\nadvertise = "tcp:h"': ("[edge]:", "advertise 'tcp:h': nothing listens on tcp"),
    '[edge]\nlisten = "udp:127.0.0.1:0"\nroute = "pool=a listen=udp:127.0.0.2:5060"': ("[edge]:", "route listen="),
    '[edge]\nlisten = "udp:127.0.0.1:0"\nprocesses = 2': ("[edge]:", "--processes share a port"),
    '[edge]\nbus = "tcp://192.0.2.1:5590"': ("[edge]:", "bus tcp://192.0.2.1:5590 is open to other machines"),
    'bus = "tcp://192.0.2.1:5590"\n[handler]\ncredit = 5': ("[handler]:", "bus tcp://192.0.2.1:5590 is open"),
    '[broker]\nedges = "tcp://192.0.2.1:5590"': ("[broker]:", "bus tcp://192.0.2.1:5590 is open to other machines"),
    '[edge]\nbus-key = "edge.key_secret"': ("[edge]:", "--bus-key needs --bus-clients DIRECTORY"),
    '[edge]\nbroker-key = "edge.key"': ("[edge]:", "--broker-key needs --broker ADDRESS"),
    '[run]\nplugin = "answers.py"\nkemi = "script.py"': ("[run]:", "--plugin and --kemi: which one?"),
}


@pytest.mark.parametrize("content", WRONG)
def test_a_file_that_is_wrong(content: str, folder: Path) -> None:
    where, said = WRONG[content]
    code, bad, _ = check(folder, content)
    assert len(bad) == 1, bad
    assert bad[0].startswith(f"{FILE} {where}")
    assert said in bad[0]
    assert code == (Exit.BIND if "cannot listen" in said else Exit.PLUGIN if "plugin" in where else Exit.CONFIG)


def test_what_a_value_holds_moves_no_cursor(folder: Path) -> None:
    code, bad, _ = check(folder, 'plugin = "a\\u001b[2J.py"')
    assert (code, len(bad)) == (Exit.PLUGIN, 1)
    assert r"plugin a\x1b[2J.py: there is no such file" in bad[0]


def test_a_file_that_is_nested_without_end(folder: Path) -> None:
    code, bad, _ = check(folder, f"x = {'[' * 3_000}{']' * 3_000}")
    assert (code, [line.partition(": ")[2] for line in bad]) == (Exit.CONFIG, ["lists or tables are nested too deeply"])


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    code, bad, good = check(
        folder,
        'log-level = "loud"\ncolour = 1\nkeys = "ring"\n'
        '[edge]\nlisten = ["udp:nowhere:99999", "x", "udp:127.0.0.1:0"]\nack-window = -1\ntls-cert = "none.pem"\n'
        '[handler]\nplugin = "broken.py"\ncredits = 4\n'
        '[run]\nworkers = "two"\n[stats]\nbus = "nowhere"\n',
    )
    assert code == Exit.CONFIG
    assert [line.partition(":")[0].removeprefix(FILE).strip() for line in bad] == [
        "colour", "[handler] credits", "log-level", "[edge] listen", "[edge] listen", "[edge] ack-window",
        "[edge] tls-cert", "[handler] plugin", "[run] workers", "[stats] bus",
    ]  # fmt: skip
    assert good == [f"{FILE} keys: ring: " + good[0].partition("keys: ring: ")[2]]


def test_what_is_wrong_is_told_by_file_and_line(folder: Path) -> None:
    (folder / FILE).write_text(
        '# ours\n\ncolour = 1\nkeys = "ring"\n[edge] # the first\n'
        "route = [\n  'pool=a',\n]\nack_window = -1\n\n[run]\nrun = 1\n"
    )
    ended = call_slbroker("check", "--config", FILE, cwd=folder)
    bad = [line.removeprefix("BAD  config   ") for line in ended.output.splitlines() if line.startswith("BAD")]
    assert [line.partition(": ")[0] for line in bad] == [
        f"{FILE}:3 colour",
        f"{FILE}:12 [run] run",
        f"{FILE}:9 [edge] ack_window",
    ]
    assert ended.code == Exit.CONFIG
    assert "in force" not in ended.output.lower()


def test_a_plugin_that_cannot_be_loaded_is_what_its_command_calls_it(folder: Path) -> None:
    code, (bad,), _ = check(folder, '[handler]\nplugin = "broken.py"\n')
    assert bad.startswith(f"{FILE} [handler] plugin: plugin broken.py: ")
    assert code == Exit.PLUGIN


@pytest.mark.parametrize("content", ["listen = ", "a = 1\na = 2", "[edge]\n[edge]\n"])
def test_no_toml(content: str, folder: Path) -> None:
    code, (bad,), good = check(folder, content)
    assert bad.startswith(f"config {FILE}: ")
    assert (code, good) == (Exit.CONFIG, [])


def test_an_option_that_is_said_twice_is_refused(folder: Path) -> None:
    code, (bad,), good = check(folder, "[edge]\nmax-wait = 1\nmax_wait = 2\n")
    assert bad == f"config {FILE}: [edge] max-wait and max_wait are the same option"
    assert (code, good) == (Exit.CONFIG, [])


def test_a_file_of_a_windows_editor_begins_with_a_bom(folder: Path) -> None:
    code, bad, good = check(folder, "\ufeff[edge]\r\nack-window = 5\r\n")
    assert (code, bad, good) == (Exit.OK, [], [f"{FILE} [edge]: ack-window"])


def test_no_file(folder: Path) -> None:
    ended = run_slbroker("check", "--config", "nowhere.toml", cwd=folder)
    assert ended.wait() == Exit.CONFIG
    assert "BAD  config   config nowhere.toml: No such file or directory\n" in ended.output


def test_a_file_that_is_right(folder: Path) -> None:
    pair = Authority(folder).issue("server")
    port = free_udp_port()
    code, bad, good = check(
        folder,
        f'keys = "ring"\nlog-level = "warning"\n'
        f'[edge]\nlisten = ["udp:127.0.0.1:{port}", "tls:127.0.0.1:0"]\nbus = "tcp://0.0.0.0:5590"\n'
        'bus-key = "edge.key_secret"\nbus_clients = "worker.key"\nroute = ["pool=a user=900*"]\nshadow = "next:10"\n'
        f'tls-cert = "{pair.certificate}"\ntls-key = "{pair.key}"\n'
        '[handler]\nbus = ["tcp://edge1:5590", "tcp://edge2:5590"]\nbus-key = "worker.key_secret"\n'
        'bus-server-key = "edge.key"\nplugin = "answers.py"\nrecord = "requests.jsonl"\n'
        '[run]\nkemi = "script.py"\nkemi-param = "core.alias=example.com"\n[stats]\njson = true\n[ping]\ncount = 3\n',
    )
    assert (code, bad) == (Exit.OK, [])
    assert f"{FILE} [edge] listen: udp:127.0.0.1:{port} is free" in good
    assert f"{FILE} [handler] record: requests.jsonl can be written" in good
    assert f"{FILE} [handler]: bus, bus-key, bus-server-key, plugin, record" in good
    assert f"{FILE} [stats]: json" in good
    for begin in (
        "keys: ring: ",
        "[edge] bus-key: edge.key_secret: our public key",
        "[edge] bus_clients: worker.key: ",
    ):
        assert any(line.startswith(f"{FILE} {begin}") for line in good), (begin, good)
    assert not (folder / "requests.jsonl").exists()


def test_what_may_be_said_elsewhere_is_not_missed(folder: Path) -> None:
    code, bad, good = check(folder, "[edge]\nack-window = 2\n[handler]\ncredit = 5\n[broker]\nlog-level = 'info'\n")
    assert (code, bad) == (Exit.OK, [])
    assert good == [f"{FILE} [edge]: ack-window", f"{FILE} [handler]: credit", f"{FILE} [broker]: log-level"]


def test_the_file_of_an_edge_that_runs_is_right(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"udp:127.0.0.1:{taken.getsockname()[1]}"
        code, bad, good = check(folder, f'[edge]\nlisten = "{address}"\n')
    assert (code, bad) == (Exit.OK, [])
    assert f"{FILE} [edge] listen: {address} is in use now" in good


def test_a_list_at_the_top_is_for_those_who_take_one(folder: Path) -> None:
    assert check(folder, 'bus = ["ipc:///run/a", "ipc:///run/b"]\n')[:2] == (Exit.OK, [])
    assert check(folder, 'bus = ["ipc:///run/a", "ipc:///run/b"]\n[handler]\n')[:2] == (Exit.OK, [])
    code, (bad,), _ = check(folder, 'bus = ["ipc:///run/a", "ipc:///run/b"]\n[edge]\n')
    assert (code, bad) == (Exit.CONFIG, f"{FILE} bus: it has a value of the wrong kind")


def test_words_beside_the_file_are_checked_too(folder: Path) -> None:
    (folder / FILE).write_text("[edge]\nack-window = 2\n")
    ended = run_slbroker("check", "--config", FILE, "--keys", "nowhere", "--plugin", "answers.py", cwd=folder)
    assert ended.wait() == Exit.CONFIG
    assert "BAD  keys     no key file nowhere" in ended.output
    assert "ok   plugin   answers.py: " in ended.output
    assert f"ok   config   {FILE}:1 [edge]: ack-window" in ended.output
