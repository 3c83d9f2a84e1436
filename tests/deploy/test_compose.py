"""compose/: what the containers are told, tried with what is in them; under a real engine: `make containers`."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.errors import Exit
from slbroker.keys import create as create_keys
from slbroker.version import VERSION
from tests.deploy.files import COMPOSE, ignored, read_yaml, seconds
from tests.support.processes import ROOT, run_slbroker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

DOCKERFILE = (COMPOSE / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(COMPOSE / "compose.yaml")["services"]
    return found


# Health ---------------------------------------------------------------------------------------------------------


def words_of(check: dict[str, Any], port: int) -> tuple[str, ...]:
    """What Docker asks a container, at this port."""
    kind, program, *words = check["test"]
    assert (kind, program) == ("CMD", "slbroker")
    assert "sip:127.0.0.1:5060" in words
    return tuple(word.replace(":5060", f":{port}") for word in words)


def test_an_edge_is_healthy_when_a_handler_answers_and_not_before(
    start_slbroker: Start, tmp_path: Path, services: dict[str, Any]
) -> None:
    create_keys(tmp_path / "ring")
    env = {"SLBROKER_BUS": f"ipc://{tmp_path}/bus", "SLBROKER_KEYS": str(tmp_path / "ring")}
    edge = start_slbroker("edge", "--listen", "udp:127.0.0.1:0", env=env)
    port = int(edge.wait_for("edge ready").rpartition("udp:127.0.0.1:")[2].partition(",")[0])
    ready = words_of(services["edge1"]["healthcheck"], port)
    lives = tuple("--any-answer" if word == "--ready" else word for word in ready)
    alone = run_slbroker(*ready)
    assert (alone.wait(), alone.output[:4]) == (Exit.REFUSED, "503 ")
    assert run_slbroker(*lives).wait() == Exit.OK, "an outage of handlers is no reason to start edges again"
    plugin = tmp_path / "busy.py"
    plugin.write_text(
        "from slbroker import Handlers\napp = Handlers()\napp.otherwise(lambda request: request.reply(486))\n"
    )
    handler = start_slbroker("handler", "--plugin", str(plugin), env=env)
    handler.wait_for("handler ready")
    edge.wait_for("joins pool")
    served = run_slbroker(*ready)
    assert (served.wait(), served.output[:4]) == (Exit.OK, "486 ")
    assert handler.stop() == Exit.OK
    assert run_slbroker(*ready).wait() == Exit.REFUSED
    assert edge.stop() == Exit.OK
    assert (run_slbroker(*ready).wait(), run_slbroker(*lives).wait()) == (Exit.NO_ANSWER, Exit.NO_ANSWER)


def test_the_image_asks_by_the_file_that_every_role_touches() -> None:
    """Liveness alone, since Swarm kills what is unhealthy."""
    file = re.search(r"SLBROKER_ALIVE_FILE=(\S+)", DOCKERFILE)
    assert file is not None
    assert file[1].startswith("/dev/shm/"), "which is each container's own, and can be written whatever is read-only"
    assert re.search(r'^HEALTHCHECK .* CMD \["slbroker", "alive"\]$', DOCKERFILE, re.MULTILINE)


# Ends -----------------------------------------------------------------------------------------------------------


def test_nobody_is_killed_while_it_drains(services: dict[str, Any]) -> None:
    """The grace is longer than what `patience()` of each kind allows itself."""
    notice = float(services["edge1"]["environment"]["SLBROKER_DRAIN_NOTICE"])
    handler_timeout, margins, hooks = 5.0, 6.0, 10.0
    least = {
        "edge1": notice + handler_timeout + margins,
        "edge2": notice + handler_timeout + margins,
        "broker1": handler_timeout + margins,
        "broker2": handler_timeout + margins,
        "handler": handler_timeout + 1.0 + hooks,
    }
    for name, time in least.items():
        assert seconds(services[name]["stop_grace_period"]) > time, name


def test_every_service_that_stays_has_limits_and_logs_that_end(services: dict[str, Any]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"memory", "pids", "cpus"} <= limits.keys(), name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name


# Keys and users -------------------------------------------------------------------------------------------------


def test_the_ring_is_seen_through_its_directory(services: dict[str, Any]) -> None:
    """A file that is mounted by itself stays what it was when the path gets another."""
    for name in ("edge1", "edge2", "handler"):
        service = services[name]
        ring = service["environment"]["SLBROKER_KEYS"]
        mounts = [volume.rpartition("}")[2].split(":")[1:] or volume.split(":")[1:] for volume in service["volumes"]]
        assert [ring.rpartition("/")[0], "ro"] in mounts, name
        assert "secrets" not in service


def test_a_ring_is_made_where_there_is_none_and_one_that_is_there_stays(
    services: dict[str, Any], start_program: Start, tmp_path: Path
) -> None:
    """What the service `ring` runs, as whoever the others run as."""
    ring = services["ring"]
    (command,) = ring["command"]
    assert ring["user"] == services["edge1"]["user"]
    assert ring["entrypoint"] == ["sh", "-c"]
    (tmp_path / "slbroker").write_text(f'#!/bin/sh\nexec {sys.executable} -m slbroker "$@"\n')
    (tmp_path / "slbroker").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    made: list[bytes] = []
    for _ in range(2):
        started = start_program(
            *ring["entrypoint"], command.replace("/keys/", f"{tmp_path}/").replace("/monitor/", f"{tmp_path}/"), env=env
        )
        assert started.wait() == Exit.OK
        made.append((tmp_path / "slbroker.ring").read_bytes() + (tmp_path / "token").read_bytes())
    assert made[0] == made[1]
    for name in ("slbroker.ring", "token"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_the_user_is_a_number_and_has_no_account() -> None:
    """`runAsNonRoot` refuses a name; useradd fails for a number that is taken, such as root's, who may build it."""
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users == ["1001:0", "$UID:$UID"]
    assert re.search(r"^ARG UID=1000$", DOCKERFILE, re.MULTILINE)
    assert "useradd" not in DOCKERFILE


# Images ---------------------------------------------------------------------------------------------------------


def test_no_git_no_secret_and_nothing_built_gets_into_an_image_whichever_builder_reads() -> None:
    assert not (COMPOSE / "Dockerfile.dockerignore").exists(), "the classic builder does not look there"
    for path in (
        ".git/config", ".venv/bin/pip", "tests/conftest.py", "docs/design.md",
        "slbroker.ring", "compose/slbroker.ring", "slbroker/slbroker.ring", "edge/a/b.ring",
        "edge.key_secret", "handlers/edge.key_secret", "handlers/examples/key.pem",
        "slbroker/__pycache__/cli.pyc", "slbroker/sip/_parser.c", "slbroker/sip/_parser.cpython-311.so",
    ):  # fmt: skip
        assert ignored(path), path
    for path in ("setup.py", "pyproject.toml", "LICENSE", "README.md", "slbroker/cli.py", "slbroker/sip/_parser.pyx",
                 "slbroker/skeleton/plugin.py.in", "compose/kamailio.cfg", "compose/constraints.txt"):  # fmt: skip
        assert not ignored(path), path


def test_what_the_dockerfile_copies_is_not_ignored() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    names = [name for words in copied for name in words.split() if name != "."]
    assert len(names) > 2
    for name in names:
        assert (ROOT / name).is_file()
        assert not ignored(name)


def test_an_image_names_its_version_and_what_it_was_made_of(services: dict[str, Any]) -> None:
    assert 'org.opencontainers.image.version="$VERSION"' in DOCKERFILE
    assert 'org.opencontainers.image.revision="$REVISION"' in DOCKERFILE
    for name, service in services.items():
        if "build" in service:
            assert service["build"]["args"]["VERSION"] == VERSION, name
            assert service["image"].rstrip("}").endswith(f":{VERSION}"), name
        else:
            assert re.search(r":v?\d+\.\d+\.\d+\}$", service["image"]), name
    assert DOCKERFILE.count(f"VERSION={VERSION}") == 1, "in the example"


def test_every_library_in_the_image_is_of_a_version_that_is_named() -> None:
    extras = re.search(r"--constraint /constraints.txt \"/src\[([\w,]+)\]\"", DOCKERFILE)
    assert extras is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras[1].split(","):
        wanted += project["optional-dependencies"][extra]
    names = {re.split(r"[^\w-]", each)[0] for each in wanted}
    lines = [line for line in (COMPOSE / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in lines), "no hosts, no ranges"
    assert names <= {line.partition("==")[0] for line in lines}


# Watching -------------------------------------------------------------------------------------------------------


def test_prometheus_scrapes_the_monitor_with_its_token_and_has_the_alerts(services: dict[str, Any]) -> None:
    """What each side names is where the other one is; `make containers` runs it, with Debian's Prometheus."""
    prometheus, monitor = services["prometheus"], services["monitor"]
    told = read_yaml(COMPOSE / "prometheus" / "compose.yml")
    assert "--config.file=/etc/prometheus/compose.yml" in prometheus["command"]
    assert "./prometheus:/etc/prometheus:ro" in prometheus["volumes"]
    assert [(COMPOSE / "prometheus" / name).is_file() for name in told["rule_files"]] == [True]
    (scrape,) = told["scrape_configs"]
    port = monitor["environment"]["SLBROKER_HTTP"].rpartition(":")[2]
    assert scrape["static_configs"] == [{"targets": [f"monitor:{port}"]}]
    assert scrape["authorization"]["credentials_file"] == monitor["environment"]["SLBROKER_TOKEN_FILE"]
    assert "monitor:/monitor:ro" in prometheus["volumes"]
    assert prometheus["user"] == services["ring"]["user"], "who alone may read the token"
    assert prometheus["networks"] == monitor["networks"]
    assert any(line.startswith("--storage.tsdb.retention.size=") for line in prometheus["command"])


def test_grafana_has_the_dashboard_and_where_its_figures_come_from(services: dict[str, Any]) -> None:
    grafana, folder = services["grafana"], COMPOSE / "grafana"
    assert "./grafana:/etc/slbroker:ro" in grafana["volumes"]
    assert grafana["environment"]["GF_PATHS_PROVISIONING"] == "/etc/slbroker/provisioning"
    (source,) = read_yaml(folder / "provisioning" / "datasources" / "slbroker.yaml")["datasources"]
    listens = 9090  # what Prometheus has where it is told nothing
    assert source["url"] == f"http://prometheus:{listens}"
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert services["prometheus"]["ports"][0].endswith(f":{listens}/tcp")
    (provider,) = read_yaml(folder / "provisioning" / "dashboards" / "slbroker.yaml")["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/etc/slbroker")
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    dashboard = json.loads((folder / home.rpartition("/")[2]).read_text("utf-8"))
    (variable,) = [each for each in dashboard["templating"]["list"] if each["type"] == "datasource"]
    assert variable["query"] == source["type"]
    assert grafana["networks"] == services["prometheus"]["networks"]


def test_what_shows_figures_is_of_this_machine_alone_and_needs_no_account(services: dict[str, Any]) -> None:
    for name in ("monitor", "prometheus", "grafana"):
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"]), name
    told = services["grafana"]["environment"]
    assert told["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert told["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert [services[name]["profiles"] for name in ("prometheus", "grafana")] == [["watch"], ["watch"]]


def test_the_overrides_name_what_there_is() -> None:
    """Docker's own word on it is `make containers`: `docker compose config`, and each comes up."""
    yaml = pytest.importorskip("yaml")
    there = read_yaml(COMPOSE / "compose.yaml")["services"]
    for name in ("host", "develop"):
        text = (COMPOSE / f"compose.{name}.yaml").read_text("utf-8").replace("!reset ", "")
        assert yaml.safe_load(text)["services"].keys() <= there.keys(), name


def test_kamailio_s_list_has_the_edges(services: dict[str, Any]) -> None:
    edges = {name: service for name, service in services.items() if name.startswith("edge")}
    listed = re.findall(r"^1 sip:([\d.]+):5060$", (COMPOSE / "dispatcher.list").read_text("utf-8"), re.MULTILINE)
    assert listed == [service["networks"]["sip"]["ipv4_address"] for service in edges.values()]
