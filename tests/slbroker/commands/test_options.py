"""Options by command line, environment and TOML file: the same three times, in this process."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from slbroker import keys
from slbroker.bus import curve
from slbroker.cli import cli, main
from slbroker.commands.variables import unknown_variables
from slbroker.errors import Exit
from slbroker.listen import parse_listen_address
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = {name: command for name, command in cli.commands.items() if not isinstance(command, click.Group)}
OPTIONS = [
    pytest.param(name, param, id=f"{name} {param.opts[0]}")
    for name, command in COMMANDS.items()
    for param in command.params
    if isinstance(param, click.Option) and param.name not in ("config", "keys")  # "keys" has a test of its own
]


SAMPLES = {
    "--gather": "0.01", "--retry-after": "7-9", "--ws-origin": "https://phone.example.com", "--route": "pool=premium",
    "--listen": "udp:[::1]:5099", "--pass": "sip:10.0.0.5", "--group-by": "ruri", "--ping-from": "sip:ping@example.com",
    "--ping-reply-codes": "class=2", "--resolver": "127.0.0.1:5353",
    "--hep": "udp:homer.example.com:9060", "--capture-source": "192.0.2.0/24",
    "--http": "127.0.0.1:8099", "--url": "https://127.0.0.1/RPC",
}  # fmt: skip


def sample(param: click.Parameter) -> str:
    """A value for an option that is not its default."""
    if param.opts[0] in SAMPLES:
        return SAMPLES[param.opts[0]]
    if param.type.name.startswith("ipc://"):
        return "ipc:///tmp/sample/bus"
    match param.type:
        case click.Choice():
            return str(param.type.choices[-1])
        case click.IntRange():
            return "3"
        case click.FloatRange():
            return "7.5"
    return "true" if getattr(param, "is_flag", False) else "sample.file"


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of the caller's settings."""
    for name in [name for name in os.environ if name.startswith("SLBROKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What a command would be called with."""

    def invoke(name: str, *words: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        monkeypatch.setattr(COMMANDS[name], "callback", lambda **values: seen.update(values))
        needed = ["--keys", "ring"] if name in ("edge", "handler", "record") else []
        arguments = {
            "ping": ["sip:h"],
            "rpc": ["sl.stats"],
            "replay": ["requests"],
            "record": ["requests"],
            "trace": ["c1"],
        }.get(name, [])
        cli.main([name, *needed, *words, *arguments], standalone_mode=False)
        return seen

    return invoke


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The exit code of a command line that is wrong, and the one line that is said of it."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["slbroker", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.startswith("slbroker: ")
        assert output.err.count("\n") == 1
        assert isinstance(caught.value.code, int)
        return caught.value.code, output.err

    return run


# The same three times -------------------------------------------------------------------------------------------


def toml(key: str, value: str, param: click.Parameter) -> str:
    word = value if value == "true" or value.replace(".", "").isdigit() else f'"{value}"'
    return f"{key} = [{word}]\n" if param.multiple else f"{key} = {word}\n"


@pytest.mark.parametrize(("name", "param"), OPTIONS)
def test_every_option_by_word_environment_and_file(
    name: str, param: click.Option, given: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    option, value = param.opts[0], sample(param)
    by_word = given(name, option, *([] if param.is_flag else [value]))
    assert by_word[str(param.name)] != given(name)[str(param.name)]

    file = tmp_path / "conf.toml"
    for key in (option.removeprefix("--"), option.removeprefix("--").replace("-", "_")):
        for table in ("", f"[{name}]\n"):
            file.write_text(table + toml(key, value, param))
            if name != "check":  # which looks at all of a file
                assert given(name, "--config", str(file)) == by_word

    monkeypatch.setenv("SLBROKER_" + option.removeprefix("--").replace("-", "_").upper(), value)
    assert given(name) == by_word


@pytest.mark.parametrize("name", ["edge", "handler", "run", "explain"])
def test_the_key_ring_by_environment_and_file(
    name: str, given: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "conf.toml").write_text('keys = "from file"')
    seen: dict[str, Any] = {}
    monkeypatch.setattr(COMMANDS[name], "callback", lambda **values: seen.update(values))
    cli.main([name, "--config", "conf.toml"], standalone_mode=False)
    assert str(seen["keys"]) == "from file"
    monkeypatch.setenv("SLBROKER_KEYS", "from environment")
    cli.main([name], standalone_mode=False)
    assert str(seen["keys"]) == "from environment"


def test_a_word_beats_the_environment_which_beats_the_file(
    given: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "conf.toml").write_text("workers = 2\n[handler]\nworkers = 3\n")
    monkeypatch.setenv("SLBROKER_CONFIG", "conf.toml")
    assert given("run")["workers"] == 2
    assert given("handler")["workers"] == 3
    monkeypatch.setenv("SLBROKER_WORKERS", "4")
    assert given("handler")["workers"] == 4
    assert given("handler", "--workers", "5")["workers"] == 5


def test_several_addresses(given: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    addresses = ["udp:127.0.0.1:5060", "udp:[::1]:5060"]
    wanted = tuple(map(parse_listen_address, addresses))
    assert given("run", "--listen", addresses[0], "--listen", addresses[1])["listen"] == wanted
    monkeypatch.setenv("SLBROKER_LISTEN", " ".join(addresses))
    assert given("run")["listen"] == wanted
    monkeypatch.delenv("SLBROKER_LISTEN")
    (tmp_path / "conf.toml").write_text(f"listen = {addresses!r}")
    assert given("run", "--config", "conf.toml")["listen"] == wanted
    (tmp_path / "conf.toml").write_text(f'listen = "{addresses[0]}"')
    assert given("run", "--config", "conf.toml")["listen"] == wanted[:1]


def test_an_address_and_where_peers_reach_it(given: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLBROKER_LISTEN", "udp:10.0.0.1:5060 advertise  203.0.113.5  tcp:10.0.0.1:5060")
    asked = given("run", "--advertise", "b.example.com:5070")
    told = [(str(each), each.advertised) for each in asked["listen"]]
    assert told == [("udp:10.0.0.1:5060", "203.0.113.5"), ("tcp:10.0.0.1:5060", "")]
    assert asked["advertised"] == ("b.example.com:5070",)


def test_one_file_serves_all_commands(given: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "conf.toml").write_text(
        'keys = "ring"\nbus = "ipc:///tmp/b"\nplugin = "p.py"\n[edge]\nprocesses = 2\n[stats]\njson = true\n'
    )
    assert given("edge", "--config", "conf.toml")["processes"] == 2
    assert given("handler", "--config", "conf.toml")["plugin"] == "p.py"
    assert str(given("run", "--config", "conf.toml")["keys"]) == "ring"
    assert given("stats", "--config", "conf.toml")["as_json"] is True


# Wrong ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("listen = ", "config conf.toml: "),
        ("a = 1\na = 2", "config conf.toml: "),
        (b"\xff\xfe", "config conf.toml: "),
        ("colour = 1", "there is no option colour"),
        ("[run]\ncolour = 1", "there is no option colour in [run]"),
        ("[run]\nprocesses = 2", "there is no option processes in [run]"),
        ("[edge]\nworkers = 2", "there is no option workers in [edge]"),
        ("run = 5", "there is no option run"),
        ('config = "x"', "there is no option config"),
        ("[ruin]\nlisten = 5", "[ruin] is no command; the commands are run, edge,"),
        ("[run.listen]\nx = 5", "listen has a value of the wrong kind"),
        ("listen = [[]]", "listen has a value of the wrong kind"),
        ("workers = [2]", "workers has a value of the wrong kind"),
        ("credit = 2020-01-01", "credit has a value of the wrong kind"),
        ('listen = "nowhere"', "listen address 'nowhere'"),
        ("listen = 5", "config conf.toml: listen address '5'"),
        ('listen = "udp:5060:5060"', "config conf.toml: listen address 'udp:5060:5060': 5060 is no host"),
    ],
)
def test_a_file_that_is_wrong(content: str | bytes, said: str, complaint: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "conf.toml").write_bytes(content.encode() if isinstance(content, str) else content)
    code, line = complaint("run", "--config", "conf.toml")
    assert code == Exit.CONFIG
    assert said in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("workers = 0", "config conf.toml: --workers wants a whole number from 1 to 256, not 0"),
        ("workers = 2.5", "config conf.toml: --workers wants a whole number from 1 to 256, not 2.5"),
        ("workers = true", "config conf.toml: --workers wants"),
        ('log-level = "loud"', "config conf.toml: --log-level wants one of debug, info, warning, error, not loud"),
    ],
)
def test_a_value_that_its_option_refuses(
    content: str, said: str, complaint: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "conf.toml").write_text(content)
    code, line = complaint("run", "--config", "conf.toml")
    assert code == Exit.USAGE
    assert said in line


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("frobnicate", Exit.USAGE, "No such command 'frobnicate'"),
        ("run --frobnicate", Exit.USAGE, "No such option"),
        ("run extra", Exit.USAGE, "unexpected extra argument"),
        ("run --workers many", Exit.USAGE, "--workers wants a whole number from 1 to 256, not many"),
        ("run --workers 0", Exit.USAGE, "--workers wants a whole number from 1 to 256, not 0"),
        ("run --workers 2.5", Exit.USAGE, "--workers wants a whole number from 1 to 256, not 2.5"),
        ("run --gather much", Exit.USAGE, "--gather wants a number from 0 to 0.1, not much"),
        ("run --listen udp:5060:5060", Exit.CONFIG, "5060 is no host; write udp:127.0.0.1:5060"),
        ("run --listen udp:5070", Exit.CONFIG, "5070 is no host; write udp:127.0.0.1:5070"),
        ("run --credit 0", Exit.USAGE, "--credit"),
        ("run --ack-window -1", Exit.USAGE, "--ack-window"),
        ("run --log-level loud", Exit.USAGE, "--log-level"),
        ("run --listen", Exit.USAGE, "--listen"),
        ("run --config /", Exit.USAGE, "--config"),
        ("run --config nowhere.toml", Exit.CONFIG, "config nowhere.toml: No such file or directory"),
        ("run --listen nowhere", Exit.CONFIG, "listen address 'nowhere'"),
        ("run --listen sctp:127.0.0.1:5060", Exit.CONFIG, "transport sctp is none of"),
        ("run --listen udp:127.0.0.1:99999", Exit.CONFIG, "listen address"),
        ("edge --listen udp:127.0.0.1:0", Exit.USAGE, "Missing option '--keys'"),
        ("edge --keys nowhere --listen udp:127.0.0.1:0", Exit.CONFIG, "no key file nowhere; run: slbroker keys new"),
        ("edge --keys ring", Exit.USAGE, "where to listen?"),
        ("edge --keys ring --listen udp:127.0.0.1:0 --processes 2", Exit.USAGE, "it cannot be 0"),
        ("edge --keys ring --listen udp:127.0.0.1:0 --bus nowhere", Exit.CONFIG, "bus address 'nowhere'"),
        ("edge --keys ring --listen udp:127.0.0.1:0 --bus tcp://h", Exit.CONFIG, "bus address 'tcp://h'"),
        ("edge --keys ring --listen udp:127.0.0.1:0 --bus tcp://192.0.2.1:5590", Exit.CONFIG, "--insecure-bus"),
        (
            "edge --keys ring --listen udp:127.0.0.1:{port} --bus tcp://127.0.0.1:65535 --processes 2",
            Exit.CONFIG,
            "65535",
        ),
        ("edge --keys open --listen udp:127.0.0.1:0", Exit.CONFIG, "is open to other users"),
        ("edge --keys garbled --listen udp:127.0.0.1:0", Exit.CONFIG, "is no usable key file"),
        ("edge --keys . --listen udp:127.0.0.1:0", Exit.CONFIG, "is not a regular file"),
        ("edge --keys ring --listen udp:a..b:0 --bus ipc://{here}/bus", Exit.BIND, "no host can have that name"),
        ("edge --keys ring --listen udp:192.0.2.1:0 --bus ipc://{here}/bus", Exit.BIND, "an address of this machine"),
        ("edge --keys ring --listen udp:127.0.0.1:0 --bus ipc://{here}/ring", Exit.BIND, "bus ipc://"),
        ("handler --plugin p.py", Exit.USAGE, "Missing option '--keys'"),
        ("handler --keys ring --plugin nowhere.py", Exit.PLUGIN, "plugin nowhere.py: there is no such file"),
        ("handler --keys ring --plugin slbroker_nowhere", Exit.PLUGIN, "there is no module slbroker_nowhere"),
        ("handler --keys ring --bus ipc://relative", Exit.CONFIG, "bus address"),
        ("keys new", Exit.USAGE, "Missing argument 'FILE'"),
        ("keys new ring", Exit.CONFIG, "exists and stays as it is"),
        ("keys new nowhere/ring", Exit.CONFIG, "cannot write key file"),
        ("keys rotate nowhere", Exit.CONFIG, "no key file"),
        ("keys show garbled", Exit.CONFIG, "is no usable key file"),
        ("keys burn ring", Exit.USAGE, "No such command 'burn'"),
        ("ping", Exit.USAGE, "Missing argument 'URI'"),
        ("ping sip:h:0", Exit.CONFIG, "is no SIP address to ping"),
        ("ping sip:a..b", Exit.CONFIG, "no host can have that name"),
        ("ping sip:127.0.0.1:{port} --timeout 60", Exit.NO_ANSWER, "nobody listens at sip:127.0.0.1:"),
        ("ping sip:127.0.0.1:{port};transport=tcp --timeout 60", Exit.NO_ANSWER, "connection refused"),
        ("handler --keys ring --bus-key b.key --bus-server-key b.key", Exit.CONFIG, "holds no secret key; name the"),
        ("ping sip:h --count 0", Exit.USAGE, "--count"),
        ("stats --bus ipc://{here}/nobody --timeout 0.05", Exit.NO_ANSWER, "no edge answers at ipc://"),
        ("stats --bus nobody", Exit.CONFIG, "bus address 'nobody'"),
    ],
)
def test_what_people_get_wrong_is_one_line_and_a_named_code(
    words: str, code: Exit, said: str, complaint: Callable[..., Any], tmp_path: Path
) -> None:
    keys.create("ring")
    keys.create("open")
    curve.create("b")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "garbled").write_text("garbled")
    (tmp_path / "garbled").chmod(0o600)
    exit_code, line = complaint(*words.format(here=tmp_path, port=free_udp_port()).split())
    assert (exit_code, said in line) == (code, True), line


@pytest.mark.parametrize("words", [[], ["keys"]])
def test_no_command_at_all_shows_the_commands(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["slbroker", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == Exit.USAGE
    output = capsys.readouterr()
    assert "Commands:" in output.out
    assert output.err == ""


# Variables ------------------------------------------------------------------------------------------------------


def test_a_variable_that_is_no_option_is_named_with_what_was_meant() -> None:
    process = run_slbroker("keys", "new", "/nowhere/ring", env={"SLBROKER_LISTN": "udp:127.0.0.1:0"})
    assert process.log.startswith("slbroker: SLBROKER_LISTN is set and is no option of slbroker; SLBROKER_LISTEN?\n")
    names = ["SLBROKER_PORT_5060_UDP_ADDR", "SLBROKER_EDGE_SERVICE_HOST", "SLBROKER_PORT", "SLBROKER_BUS", "PATH"]
    assert list(unknown_variables(cli, [*names, "SLBROKER_TEST_TIME", "SLBROKER_PURE"])) == []
    assert list(unknown_variables(cli, ["SLBROKER_XYZZY"])) == ["SLBROKER_XYZZY is set and is no option of slbroker"]


def test_a_wrong_number_in_a_variable_names_the_variable(
    complaint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLBROKER_WORKERS", "many")
    code, line = complaint("run")
    assert code == Exit.USAGE
    assert "--workers wants a whole number from 1 to 256, not many (in SLBROKER_WORKERS)" in line


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("SLBROKER_LISTEN", "bogus", "run"),
        ("SLBROKER_LISTEN", "udp:127.0.0.1:5099 udp:127.0.0.1:5099", "run"),
        ("SLBROKER_BUS", "ipc:///a ipc:///b", "edge"),
        ("SLBROKER_ADVERTISE", "a:b:c", "run"),
        ("SLBROKER_RETRY_AFTER", "soon", "run"),
        ("SLBROKER_SUPPORTED", "a,b", "run"),
        ("SLBROKER_LOG_LEVEL", "loud", "run"),
    ],
)
def test_a_wrong_word_in_a_variable_names_the_variable(
    variable: str, value: str, command: str, complaint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    _code, line = complaint(command)
    assert variable in line


def test_a_listen_address_that_is_said_twice_is_refused(complaint: Callable[..., Any]) -> None:
    address = f"udp:127.0.0.1:{free_udp_port()}"
    code, line = complaint("run", "--listen", address, "--listen", address)
    assert (code, line) == (Exit.CONFIG, f"slbroker: listen address {address} is said twice\n")
