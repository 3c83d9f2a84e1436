"""The helpers that other tests trust."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.peers import free_tcp_port, free_udp_port, require_peer, sipp_ports
from tests.support.processes import Process, child_environment
from tests.support.timing import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

TALKER = "import sys; print('on stdout'); print('one', file=sys.stderr); print('two ones', file=sys.stderr)"
SLEEPER = "import sys, time; print('asleep', file=sys.stderr); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
PARENT = f"import subprocess, sys; print('child', subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).pid)"


def python(code: str) -> Process:
    return Process(sys.executable, "-c", code)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123
            return stat.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_program_writes_is_kept() -> None:
    with python(TALKER) as process:
        assert process.wait_for("one") == "one"
        assert process.wait_for("one", times=2) == "two ones"
        assert process.wait() == 0
    assert process.log == "one\ntwo ones\n"
    assert process.output == "on stdout\n"


def test_text_that_never_comes_fails_with_the_log() -> None:
    with python(TALKER) as process, pytest.raises(AssertionError, match=r"(?s)it ended first.*two ones"):
        process.wait_for("three")
    with python(SLEEPER) as process, pytest.raises(AssertionError, match=r"not within"):
        process.wait_for("three", seconds=0.2)


def test_stop_ends_with_sigterm_and_if_need_be_with_sigkill() -> None:
    with python(SLEEPER) as process:
        process.wait_for("asleep")
        assert process.stop() == -signal.SIGTERM
        assert process.stop() == -signal.SIGTERM
    with python(DEAF) as process:
        process.wait_for("asleep")
        assert process.stop(seconds=0.2) == -signal.SIGKILL


def test_kill_and_wait() -> None:
    with python(SLEEPER) as process:
        process.wait_for("asleep")
        with pytest.raises(AssertionError, match="still running"):
            process.wait(0.1)
        assert process.running
        assert process.kill() == -signal.SIGKILL
        assert not process.running


def test_what_a_program_leaves_behind_is_ended() -> None:
    with python(PARENT) as process:
        assert process.wait() == 0
    left_behind = int(process.output.split()[1])
    until(lambda: not alive(left_behind), what="the end of the child")


def test_the_fixture_stops_what_it_started(start_program: Start) -> None:
    assert start_program(sys.executable, "-c", SLEEPER).wait_for("asleep") == "asleep"


def test_a_warning_in_a_child_is_an_error() -> None:
    with python("import warnings; warnings.warn('old')") as process:
        assert process.wait() == 1
    assert "UserWarning: old" in process.log


def test_a_child_does_not_get_the_callers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLBROKER_LISTEN", "udp:192.0.2.1:5060")
    monkeypatch.setenv("SLBROKER_PURE", "1")
    environment = child_environment({"SLBROKER_KEYS": "ring"})
    assert "SLBROKER_LISTEN" not in environment
    assert (environment["SLBROKER_PURE"], environment["SLBROKER_KEYS"]) == ("1", "ring")


def test_until_gives_up() -> None:
    with pytest.raises(AssertionError, match="rain did not come true"):
        until(lambda: False, 0.05, what="rain")


def test_a_peer_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sipp"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert require_peer("sipp") == str(program)


def test_a_missing_peer_skips_here_and_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLBROKER_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        require_peer("no-such-program")
    monkeypatch.setenv("SLBROKER_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        require_peer("no-such-program")


def test_a_free_port_can_be_bound() -> None:
    ports = [free() for _ in range(10) for free in (free_udp_port, free_tcp_port)]
    assert len(set(ports)) == len(ports)
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", ports[0]))


def test_no_two_processes_are_given_one_port() -> None:
    """Also while nobody has bound it yet."""
    ask = "import os; from tests.support.peers import _reserve; print(_reserve({}), _reserve(100_000 + os.getpid()))"
    with python(ask.format(free_udp_port())) as other:
        assert other.wait() == 0, other
    assert other.output == "False True\n"


def test_sipp_has_both_ports_of_its_media_to_itself() -> None:
    """Its video goes two ports above its audio, which nobody else is handed out."""
    audio = {int(sipp_ports()[-1]) for _ in range(200)}
    video = {port + 2 for port in audio}
    assert len(audio) == 200
    assert not audio & video
    assert not (audio | video) & {free_udp_port() for _ in range(200)}
