"""`--kemi` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from tests.handlers.kemi.scripts import route, write
from tests.peers.pair import Case, client
from tests.peers.pair import write as request
from tests.support.kemistubs import PATH
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker, slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path


def script(folder: Path, body: str) -> str:
    """A script's file."""
    return write(folder, route(body)).removeprefix("kemi:")


def test_check_reports_what_runs(tmp_path: Path) -> None:
    checked = run_slbroker("check", "--kemi", script(tmp_path, "KSR.hdr.remove('x')\nKSR.sl.sl_send_reply(200, 'OK')"))
    assert checked.wait() == Exit.OK, checked
    assert "1 functions run as in Kamailio, 1 in part, 0 cannot work here" in checked.output
    assert "KSR.sl.sl_send_reply  line 13" in checked.output
    assert str(PATH) in checked.output


def test_check_reports_what_cannot(tmp_path: Path) -> None:
    checked = run_slbroker("check", "--kemi", script(tmp_path, "KSR.tm.t_relay()"))
    assert checked.wait() == Exit.PLUGIN, checked
    assert "KSR.tm.t_relay  line 12: there are no transactions" in checked.output
    allowed = run_slbroker("check", "--kemi", script(tmp_path, "KSR.tm.t_relay()"), "--kemi-allow-missing")
    assert allowed.wait() == Exit.OK, allowed


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--kemi", "FILE", "--plugin", "x.py"], Exit.USAGE, "--plugin and --kemi: which one?"),
        (["--kemi-param", "core.alias=x"], Exit.USAGE, "name it with --kemi"),
        (["--kemi-allow-missing"], Exit.USAGE, "name it with --kemi"),
        (["--kemi-version", "5.6"], Exit.USAGE, "name it with --kemi"),
        (["--kemi", "FILE", "--kemi-version", "5.5"], Exit.CONFIG, "one of Kamailio's releases 5.6, 5.7, 5.8, 6.0"),
        (["--kemi", "FILE", "--kemi-version", ""], Exit.CONFIG, "--kemi-version ''"),
        (["--kemi", "FILE", "--kemi-param", "core.alais=x"], Exit.CONFIG, "core.alias"),
        (["--kemi", "none.py"], Exit.PLUGIN, "there is no such file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, words: list[str], code: Exit, complaint: str) -> None:
    file = script(tmp_path, "pass")
    words = [file if word == "FILE" else word for word in words]
    ran = run_slbroker("run", "--listen", "udp:127.0.0.1:0", *words)
    assert ran.wait() == code, ran
    assert complaint in ran.log
    assert "Traceback" not in ran.log


def test_params_come_from_a_config_file_and_reach_the_script(tmp_path: Path) -> None:
    """Whatever characters they have."""
    file = script(tmp_path, "pass")
    config = tmp_path / "slbroker.toml"
    config.write_text(
        f'kemi = "{file}"\nkemi-param = ["htable.htable=a=>size=8;initval=1", "siputils.options_accept=a&b?c"]\n'
    )
    checked = run_slbroker("check", "--config", str(config))
    assert checked.wait() == Exit.OK, checked
    config.write_text(f'kemi = "{file}"\nkemi-param = ["pike.remove_latency=x&y"]\n')
    refused = run_slbroker("check", "--config", str(config))
    assert refused.wait() == Exit.CONFIG, refused
    assert "'pike.remove_latency=x&y'" in refused.output


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ([], "SIP/2.0 200 100rel"),
        (["--check", "require"], "SIP/2.0 420"),
        (["--check", "require", "--supported", "100rel"], "SIP/2.0 200 100rel"),
    ],
)
def test_a_script_sees_what_a_request_requires(tmp_path: Path, options: list[str], answer: str) -> None:
    """As in Kamailio, where nobody answers 420 before it."""
    file = script(tmp_path, "KSR.sl.sl_send_reply(200, KSR.hdr.gete('Require') or 'none')\nreturn 1")
    port = free_udp_port()
    words = ("run", "--listen", f"udp:127.0.0.1:{port}", "--workers", "1", "--kemi", file, *options)
    with slbroker(*words) as running, client() as caller:
        running.wait_for("handler ready")
        caller.settimeout(within(5))
        case = Case("INVITE", headers=[("Require", "100rel")])
        caller.sendto(request(case, caller.getsockname()[1], 1), ("127.0.0.1", port))
        assert caller.recv(65_535).decode().startswith(answer)
