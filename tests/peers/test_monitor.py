"""The monitor beside a running cluster: what Prometheus sees of a SIPp run, and what happens when somebody dies."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from slbroker.metrics.model import fit
from slbroker.tls import client_context
from tests.peers.brokers import free_bus_address, new_keys, start_edge, start_handler
from tests.peers.monitor import Monitor, ask, start_monitor
from tests.peers.sipp import run_sipp
from tests.support.peers import free_tcp_port, free_udp_port, require_peer
from tests.support.processes import ROOT
from tests.support.sip import request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.brokers import Edge
    from tests.peers.conftest import Deployment
    from tests.support.certificates import Authority

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(180))]

PROMETHEUS = ROOT / "compose" / "prometheus"
DASHBOARD = ROOT / "compose" / "grafana" / "slbroker.json"
CALLS = 200


class Prometheus:
    """Debian's, scraping a monitor twice a second."""

    def __init__(self, start: Start, monitor: Monitor, folder: Path) -> None:
        port = free_tcp_port()
        config = folder / "prometheus.yml"
        target = monitor.url.removeprefix("http://")
        config.write_text(
            f"global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\nrule_files: [{PROMETHEUS}/alerts.yml]\n"
            f"scrape_configs: [{{job_name: slbroker, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        self._url = f"http://127.0.0.1:{port}"
        self.process = start(
            require_peer("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )  # fmt: skip
        self.process.wait_for("Server is ready", 30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What a query gives; fails for one that Prometheus refuses."""
        said = ask(f"{self._url}/api/v1/query?query={quote(expression)}", None, {})
        assert said.json["status"] == "success", (expression, said.text)
        found: list[dict[str, Any]] = said.json["data"]["result"]
        return found

    def number(self, expression: str) -> float | None:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None


def check(*words: str, text: str = "") -> None:
    """Run promtool; what it complains of fails."""
    done = subprocess.run(
        [require_peer("promtool"), "check", *words], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_prometheus_has_the_exact_counts_of_a_sipp_run(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """Two edges, one of them with a broker, four workers; every query of the dashboard is one that it answers."""
    keys, buses = new_keys(tmp_path), [f"ipc://{tmp_path}/{name}" for name in ("one", "two", "edges", "handlers")]
    start_slbroker("broker", "--edges", buses[2], "--handlers", buses[3]).wait_for("broker ready")
    edges = [
        start_edge(start_slbroker, keys, buses[0], ("udp:127.0.0.1", "tcp:127.0.0.1")),
        start_edge(start_slbroker, keys, buses[1], options=("--broker", buses[2])),
    ]
    for bus in (buses[0], buses[0], buses[3], buses[3]):
        start_handler(start_slbroker, keys, bus).wait_for("handler ready")
    monitor = start_monitor(start_slbroker, buses[0], buses[1])
    prometheus = Prometheus(start_program, monitor, tmp_path)
    until(lambda: monitor.get("/readyz").status == 200, 20, what="an edge and a broker with workers")
    for number, edge in enumerate(edges):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = run_sipp(start_program, "invite_404_ack", edge.port, folder, calls=CALLS, rate=CALLS)
        assert (run.failed, run.successful) == (0, CALLS), run.errors
    differing: dict[str, tuple[float | None, float]] = {}

    def are_those_of_the_edges() -> bool:
        differing.clear()
        seen = {query: (prometheus.number(query), count) for query, count in wanted_counts(edges).items()}
        differing.update((query, counts) for query, counts in seen.items() if counts[0] != counts[1])
        return not differing

    try:
        until(are_those_of_the_edges, 40)
    except AssertionError:
        raise AssertionError(f"what Prometheus has, and what the edges count: {differing}\n{monitor.process}") from None
    assert wanted_counts(edges)["kamailio_sl_404_replies"] >= 2 * CALLS
    check("metrics", text=monitor.get("/metrics").text)
    stray = request("ACK", to="<sip:a@b>;tag=none-of-ours")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
        socket.create_connection(("127.0.0.1", edges[0].ports["tcp:127.0.0.1"])),
    ):
        peer.sendto(stray, ("127.0.0.1", edges[0].port))
    empty: set[str] = set()

    def are_all_shown() -> bool:
        empty.clear()
        empty.update(each for each in dashboard_expressions() if not prometheus.query(each.replace("$edge", ".*")))
        return not empty

    try:
        until(are_all_shown, 20)
    except AssertionError:
        raise AssertionError(f"panels that show nothing: {empty}") from None
    shown = prometheus.query("label_replace(slbroker_edge_uptime_seconds, 'x', '$1', 'edge', '(.*)')")
    filled = {found["metric"]["x"] for found in shown}
    assert filled == set(map(fit, buses[:2])), "what the variable edge is filled with"
    alerts = ask(f"{prometheus._url}/api/v1/rules", None, {}).json["data"]["groups"][0]["rules"]
    assert {(rule["name"], rule["health"]) for rule in alerts if rule["health"] != "ok"} == set()
    names = set(metric_names(monitor))
    used = set(used_names())
    assert used - names == set(), "rules and dashboard use what there is"


def wanted_counts(edges: Sequence[Edge]) -> dict[str, float]:
    """What Prometheus is to say of two edges of which the second has a broker, by query; a late repeat is in it."""
    told = [edge.wait_for_figures(in_flight=0) for edge in edges]
    replied, absorbed = sum(each["replied"] for each in told), sum(each["absorbed"] for each in told)
    return {
        'sum(slbroker_edge_replies_total{method="INVITE",code="404"})': replied,
        "sum(slbroker_edge_received_total)": sum(each["received"] for each in told),
        'sum(slbroker_edge_fates_total{fate="absorbed"})': absorbed,
        "sum(slbroker_edge_tags_verified_total)": absorbed,
        "sum(slbroker_worker_requests_total)": replied,
        "sum(slbroker_worker_handler_requests_total)": replied,
        "sum(slbroker_worker_handler_replies_total)": replied,
        "sum(slbroker_worker_handler_duration_seconds_count)": replied,
        'sum(slbroker_edge_request_duration_seconds_count{stage="whole"})': replied,
        "sum(slbroker_broker_taken_total)": told[1]["replied"],
        "kamailio_sl_404_replies": replied,
        "kamailio_sl_received_ACKs": absorbed,
        "sum(slbroker_up)": 3,
        "count(slbroker_worker_info)": 4,
    }


def dashboard_expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def metric_names(monitor: Monitor) -> list[str]:
    """All names of samples; of one without any, its own."""
    lines = monitor.get("/metrics").text.splitlines()
    declared = [(line.split()[2], line.split()[3]) for line in lines if line.startswith("# TYPE")]
    endings = {"histogram": ("_bucket", "_sum", "_count")}
    return [name + ending for name, kind in declared for ending in endings.get(kind, ("",))]


def used_names() -> list[str]:
    texts = [*dashboard_expressions(), (PROMETHEUS / "alerts.yml").read_text()]
    return [name for text in texts for name in re.findall(r"\bslbroker_[a-z_]+", text)]


def test_rules_and_configuration_are_what_promtool_takes() -> None:
    check("rules", str(PROMETHEUS / "alerts.yml"))
    check("config", str(PROMETHEUS / "prometheus.yml"))


# Somebody dies --------------------------------------------------------------------------------------------------


def test_an_edge_that_hangs_is_told_apart_from_handlers_that_are_gone(
    deployment: Deployment, start_slbroker: Start, tmp_path: Path
) -> None:
    monitor = start_monitor(start_slbroker, deployment.edge.bus)
    until(lambda: (monitor.get("/healthz").status, monitor.get("/readyz").status) == (200, 200), 10)
    edge = deployment.edge.process
    edge.send(signal.SIGSTOP)
    until(lambda: monitor.get("/healthz").status == 503, 15, what="an edge that is down")
    assert "does not answer on the bus" in monitor.get("/healthz").text
    assert list(monitor.metric("slbroker_up").values()) == [0]
    edge.send(signal.SIGCONT)
    until(lambda: monitor.get("/healthz").status == 200, 15, what="an edge that is back")


def test_handlers_that_are_gone_leave_an_edge_healthy_and_not_ready(start_slbroker: Start, tmp_path: Path) -> None:
    bus = free_bus_address("ipc", tmp_path)
    start_edge(start_slbroker, new_keys(tmp_path), bus)
    monitor = start_monitor(start_slbroker, bus)
    until(lambda: monitor.get("/healthz").status == 200, 10)
    assert (monitor.get("/readyz").status, monitor.get("/readyz").text) == (
        503, f"edge {bus}: it has no handlers\n",
    )  # fmt: skip


def test_a_pool_that_a_route_leads_to_is_missed_when_nobody_is_in_it(start_slbroker: Start, tmp_path: Path) -> None:
    """And an edge that only forwards misses nobody."""
    keys, buses = new_keys(tmp_path), [f"ipc://{tmp_path}/{name}" for name in ("one", "two")]
    start_edge(start_slbroker, keys, buses[0], options=("--route", "pool=premium user=900*"))
    start_edge(start_slbroker, keys, buses[1], options=("--route", "pass=sip:127.0.0.1:9"))
    start_handler(start_slbroker, keys, buses[0]).wait_for("handler ready")
    monitor = start_monitor(start_slbroker, *buses)
    until(lambda: monitor.metric("slbroker_edge_unserved") == {f'edge="{fit(buses[0])}",pools="premium"': 1.0}, 10)
    assert monitor.metric("slbroker_edge_pool_workers")[f'edge="{fit(buses[0])}",pool="premium"'] == 0
    assert (monitor.get("/readyz").status, monitor.get("/readyz").text) == (
        503, f"edge {buses[0]}: it has no handlers in pool premium\n",
    )  # fmt: skip
    premium = start_slbroker("handler", "--bus", buses[0], "--keys", str(keys), "--pool", "premium")
    premium.wait_for("handler ready")
    until(lambda: monitor.get("/readyz").status == 200, 10)
    assert monitor.metric("slbroker_edge_unserved") == {}
    shown = start_slbroker("stats", "--bus", buses[0])
    assert shown.wait() == 0
    assert "pool premium: 1 workers" in shown.output


def test_an_edge_whose_log_nobody_reads_answers_on_and_tells_how_much_was_not_written(
    start_slbroker: Start, tmp_path: Path
) -> None:
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    port, reading, writing = free_udp_port(), *os.pipe()
    words = ("edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", str(keys), "--log-calls")
    edge = subprocess.Popen([sys.executable, "-m", "slbroker", *words], stderr=writing)
    try:
        start_handler(start_slbroker, keys, bus).wait_for("handler ready")
        monitor = start_monitor(start_slbroker, bus)
        garbage = request(
            via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1", call_id="c" * 90, from_=None
        )  # answered by the edge itself
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(within(5.0))

            def is_left_out() -> bool:
                for _ in range(40):
                    peer.sendto(garbage, ("127.0.0.1", port))
                assert peer.recv(4096).startswith(b"SIP/2.0 400")
                return sum(monitor.metric("slbroker_edge_log_lines_left_out_total").values()) > 0

            until(is_left_out, 20)
        assert monitor.get("/readyz").status == 200
    finally:
        edge.kill()
        edge.wait()
        os.close(reading)
        os.close(writing)


def test_totals_outlive_an_edge(start_slbroker: Start, start_program: Start, tmp_path: Path) -> None:
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    first = start_edge(start_slbroker, keys, bus)
    start_handler(start_slbroker, keys, bus).wait_for("handler ready")
    monitor = start_monitor(start_slbroker, bus)
    run_sipp(start_program, "options", first.port, tmp_path, calls=20, rate=50)
    replied = first.wait_for_figures(in_flight=0)["replied"]
    until(lambda: monitor.metric("kamailio_sl_200_replies") == {"": replied}, 10)
    first.process.send(signal.SIGKILL)
    first.process.wait()
    start_edge(start_slbroker, keys, bus)
    until(lambda: monitor.get("/healthz").status == 200 and monitor.metric("slbroker_edge_received_total"), 15)
    until(lambda: list(monitor.metric("slbroker_edge_received_total").values()) == [0.0], 15)
    assert monitor.metric("kamailio_sl_200_replies") == {"": replied}


@pytest.mark.parametrize("secure", [False, True])
def test_it_ends_within_five_seconds_whatever_is_open(
    deployment: Deployment, start_slbroker: Start, authority: Authority, secure: bool
) -> None:
    """Streams, silent connections, half a request, somebody who never reads."""
    pair = authority.issue("localhost")
    tls = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)) if secure else ()
    monitor = start_monitor(start_slbroker, deployment.edge.bus, options=tls)
    host, port = monitor.url.partition("://")[2].rsplit(":", 1)
    stream = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    opened = []
    for said in (stream, stream, b"", b"GET /metrics HTTP/1.1\r\nHo", b"POST /RPC HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Length: 99\r\n\r\n{", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50):  # fmt: skip
        raw = socket.create_connection((host, int(port)), timeout=within(5))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer = client_context(authority.certificate).wrap_socket(raw, server_hostname="localhost") if secure else raw
        peer.sendall(said)
        opened.append(peer)
    assert opened[0].recv(15) == b"HTTP/1.1 200 OK"
    time.sleep(0.5)
    began = time.monotonic()
    monitor.process.send(signal.SIGTERM)
    assert monitor.process.wait(10) == 0
    assert time.monotonic() - began < within(5)
    assert "Traceback" not in monitor.process.log
    for peer in opened:
        peer.close()


# Formats --------------------------------------------------------------------------------------------------------

PLAIN, OPEN = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"
ACCEPTS = {
    "nothing": ("", PLAIN),
    "a browser": ("text/html,application/xhtml+xml,*/*;q=0.8", PLAIN),
    "Prometheus 2.42": (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OPEN,
    ),
    "Prometheus 3": (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
        "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
        "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        OPEN,
    ),
    "a version that is no number": ("application/openmetrics-text;version=abc", PLAIN),
    "another one": ("text/plain;version=x.1", PLAIN),
    "an old version alone": ("application/openmetrics-text;version=0.0.1", PLAIN),
    "rubbish": (";;=,\t/;version", PLAIN),
}


def test_metrics_come_in_the_format_that_is_asked_for(deployment: Deployment, start_slbroker: Start) -> None:
    monitor = start_monitor(start_slbroker, deployment.edge.bus)
    until(lambda: monitor.metric("slbroker_edge_received_total"), 10)
    for who, (accept, kind) in ACCEPTS.items():
        for encoding in ("", "deflate, gzip;q=0.5"):
            said = monitor.get("/metrics", Accept=accept, **{"Accept-Encoding": encoding})
            assert (said.status, said.headers["content-type"][: len(kind)]) == (200, kind), who
            assert said.headers.get("content-encoding", "") == ("gzip" if encoding else ""), who
            text = (gzip.decompress(said.body) if encoding else said.body).decode()
            read = text_string_to_metric_families if kind == PLAIN else openmetrics_families
            names = {family.name for family in read(text)}
            assert {"slbroker_edge_received", "kamailio_sl_200_replies", "slbroker_edge_info"} <= names, who


# Many -----------------------------------------------------------------------------------------------------------


def test_methods_that_peers_make_up_add_no_series(deployment: Deployment, start_slbroker: Start) -> None:
    monitor = start_monitor(start_slbroker, deployment.edge.bus)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        for at in range(500):
            peer.sendto(
                b"M%d sip:u%d@h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK%d\r\n"
                b"From: <sip:a@b>;tag=%d\r\nTo: <sip:a@b>\r\nCall-ID: c%d\r\nCSeq: 1 M%d\r\n\r\n" % ((at,) * 6),
                ("127.0.0.1", deployment.edge.port),
            )  # fmt: skip
    received = deployment.edge.wait_for_figures(in_flight=0)["received"]
    assert received > 100
    until(lambda: sum(monitor.metric("slbroker_edge_received_total").values()) >= received, 10)
    assert {labels.partition('method="')[2] for labels in monitor.metric("slbroker_edge_replies_total")} == {'other"'}
