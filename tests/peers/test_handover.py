"""The lines of kamailio.cfg that `slbroker check` shows: Kamailio takes them, and hands over by them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge, start_handler
from tests.peers.phone import Phone
from tests.support.certificates import Authority
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import call_slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(60))]

# What the first of those lines asks for, and a route that hands over all.
HEAD: Final = """\
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
children=1
tcp_children=1
auto_aliases=no
log_stderror=yes
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
request_route {{
    route(SLBROKER);
}}
"""


def write_config(folder: Path, port: int, *words: str) -> Path:
    """A configuration of Kamailio's with the lines that `slbroker check run WORDS` shows for it."""
    ended = call_slbroker("check", "run", *words, cwd=folder)
    assert ended.code == 0, ended
    lines = ended.output.partition("# kamailio.cfg")[2].partition("# opensips.cfg")[0]
    file = folder / "kamailio.cfg"
    file.write_text(f"{HEAD.format(port=port)}# kamailio.cfg{lines}")
    return file


@pytest.mark.parametrize(
    "listen",
    [("udp:*:5999", "tcp:127.0.0.1:5999"), ("tcp:[::1]:5999",), ("tls:*:5999 advertise edge.example.com",)],
    ids=" ".join,
)
def test_kamailio_takes_the_lines(listen: tuple[str, ...], tmp_path: Path) -> None:
    kamailio, pair = require_peer("kamailio"), Authority(tmp_path).issue("server")
    words = [word for address in listen for word in ("--listen", address)]
    tls = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    file = write_config(tmp_path, free_udp_port(), *words, *tls)
    assert "t_relay()" in file.read_text()
    command = [kamailio, "-c", "-f", str(file), "-Y", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=within(30), check=False)
    assert done.returncode == 0, done.stderr
    assert " WARNING:" not in done.stderr, done.stderr


def test_a_request_is_handed_over_and_its_ack_absorbed(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    bus, keys = free_bus_address("ipc", tmp_path), new_keys(tmp_path)
    edge = start_edge(start_slbroker, keys, bus)
    start_handler(start_slbroker, keys, bus).wait_for("handler ready")
    for attempt in range(2):  # once in some dozens of starts Kamailio comes up and answers nothing
        port, run = free_udp_port(), tmp_path / f"kamailio-{attempt}"
        run.mkdir()
        file = write_config(run, port, "--listen", f"udp:127.0.0.1:{edge.port}")
        small = ("-m", "16", "-M", "4")
        process = start_program(
            require_peer("kamailio"), "-f", str(file), "-DD", "-E", *small, "-w", str(run), "-Y", str(run), cwd=run
        )
        with Phone(port) as phone:
            try:
                phone.wait_for_server()
            except AssertionError:
                process.stop()
                continue
            before = edge.figures()
            reply = phone.ask(phone.call().inside_a_dialog().request("INVITE"))
            assert reply.status >= 200
            edge.wait_for_figures(in_flight=0, absorbed=before["absorbed"] + 1)
            return
    raise AssertionError(str(process))
