"""Is every subject started, loaded, and gone afterwards?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.bench import forwarding, kamailio
from tests.lab.bench import measure as measuring
from tests.lab.bench.measure import Case, Plan, measure, measure_all, oddities, serving
from tests.lab.bench.outside import Outside, reachable
from tests.lab.bench.processes import Program, process_tree, still_runs
from tests.lab.bench.subjects import Subject, c_echo, slbroker
from tests.lab.bench.tcpload import TcpLoad, TcpLoadError
from tests.support.peers import missing_peer, require_peer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.bench.measure import Tools

SHORT = Plan(seconds=0.5, warmup=0, window=16)
METHODS = [("OPTIONS", "200"), ("INVITE", "404")]


def check(tools: Tools, subject: Subject, method: str, code: str, roles: list[str]) -> None:
    sample = measure(tools, subject, method, SHORT)
    assert oddities([sample]) == ""
    assert sample.load.codes == {code: sample.load.ok}
    assert sorted(sample.cpu) == roles
    assert sample.cpu_us() == pytest.approx(1e6 * sum(sample.cpu.values()) / sample.load.ok)


def test_a_subject_is_loaded_fully_once_behind_its_start(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    real, loads = measuring.run_load, []

    def noted(program: Path, port: int, method: str, plan: Plan) -> measuring.Load:
        loads.append((plan.seconds, plan.rate))
        return real(program, port, method, plan)

    monkeypatch.setattr(measuring, "run_load", noted)
    plan = Plan(seconds=0.3, warmup=0.1, window=16, settle=0.2)
    samples = [*measure_all(tools, c_echo(tools.echo), [Case("OPTIONS", 64, rate) for rate in (100, 0)], plan)]
    assert loads == [(0.2, 0.0), (0.1, 100.0), (0.3, 100.0), (0.1, 0.0), (0.3, 0.0)]
    assert [sample.load.rate for sample in samples] == [100.0, 0.0]


def test_the_c_echo(tools: Tools) -> None:
    check(tools, c_echo(tools.echo), "INVITE", "404", ["server"])


@pytest.mark.parametrize(("method", "code"), METHODS)
def test_slbroker(tools: Tools, method: str, code: str) -> None:
    check(tools, slbroker("pure", 1), method, code, ["edge", "workers"])


@pytest.mark.parametrize(("method", "code"), [("OPTIONS", "200"), ("INVITE", "404")])
def test_slbroker_that_remembers(tools: Tools, method: str, code: str) -> None:
    check(tools, slbroker("pure", 1, remembered=True), method, code, ["edge", "workers"])


@pytest.mark.parametrize(("method", "code"), METHODS)
def test_slbroker_with_a_kemi_script(tools: Tools, method: str, code: str) -> None:
    check(tools, slbroker("pure", 1, kemi=kamailio.KEMI_SCRIPT), method, code, ["edge", "workers"])


@pytest.mark.peer
@pytest.mark.parametrize(("method", "code"), METHODS)
@pytest.mark.parametrize("subject", [kamailio.native, kamailio.checked])
def test_kamailio(tools: Tools, subject: Callable[[str, int], Subject], method: str, code: str) -> None:
    check(tools, subject(require_peer("kamailio"), 1), method, code, ["server"])


@pytest.mark.peer
@pytest.mark.parametrize(("method", "code"), METHODS)
def test_kamailio_with_a_kemi_script(tools: Tools, tmp_path: Path, method: str, code: str) -> None:
    program = require_peer("kamailio")
    if not kamailio.runs_python(program, tmp_path):
        missing_peer(kamailio.PYTHON_MISSING)
    check(tools, kamailio.kemi(program, 2), method, code, ["server"])


def test_nothing_of_a_subject_is_left() -> None:
    with serving(slbroker("pure", 2)) as (server, _port):
        processes = {pid: stat for root in server.pids for pid, stat in process_tree(root).items()}
    assert len(processes) >= 3
    assert not any(still_runs(pid, stat) for pid, stat in processes.items())


def test_several_cases_are_measured_between_one_start_and_end(tools: Tools) -> None:
    starts = []

    def programs(folder: Path, port: int) -> list[Program]:
        starts.append(port)
        return c_echo(tools.echo).programs(folder, port)

    cases = [Case("OPTIONS", 8), Case("INVITE", 8), Case("OPTIONS", 256, 300)]
    samples = list(measure_all(tools, Subject("echo", programs), cases, SHORT))
    asked = [Case(sample.load.method, sample.load.window, int(sample.load.rate)) for sample in samples]
    assert asked == cases
    assert len(starts) == 1


@pytest.mark.parametrize(("workers", "roles"), [(0, ["edge"]), (1, ["edge", "workers"])])
def test_who_forwards_and_not_the_back_end(tools: Tools, workers: int, roles: list[str]) -> None:
    check(tools, forwarding.slbroker("pure", workers, tools.echo), "OPTIONS", "200", roles)


@pytest.mark.peer
def test_kamailio_that_forwards(tools: Tools, tmp_path: Path) -> None:
    program = require_peer("kamailio")
    for checked in (False, True):
        check(tools, forwarding.native(program, 1, tools.echo, checked=checked), "OPTIONS", "200", ["server"])
    if not kamailio.runs_python(program, tmp_path):
        missing_peer(kamailio.PYTHON_MISSING)
    check(tools, forwarding.kemi(program, 1, tools.echo), "OPTIONS", "200", ["server"])


def test_workers_start_together(tools: Tools) -> None:
    check(tools, slbroker("pure", 3, "--gather", "0"), "OPTIONS", "200", ["edge", "workers"])


# ---- TCP ----


def test_every_connection_is_used_and_answered() -> None:
    tcp = ("--listen", "tcp:127.0.0.1:{port}")
    with serving(slbroker("pure", 1, *tcp)) as (_server, port):
        for connections, window in ((1, 8), (5, 3), (20, 20)):
            with TcpLoad(port, connections) as load:
                assert load.run(0.2, window) >= connections


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(TcpLoadError, match=r"^connection 1: .*refused"), TcpLoad(1, 2):
        pass


def test_costs_of_whole_processes(tools: Tools) -> None:
    outside = Outside(tools, "pure", SHORT)
    assert outside.by_edges(2) > 0
    assert outside.by_connections(3) > 0


def test_no_more_connections_than_there_may_be_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 4_096))
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    assert reachable((1, 1_000, 10_000)) == (1, 1_000)
