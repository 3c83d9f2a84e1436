"""deploy/swarm/stack.yaml: what `docker stack deploy` takes; a real Swarm is `make cluster`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.files import DEPLOY, read_yaml, seconds

FILE = DEPLOY / "swarm" / "stack.yaml"


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(FILE)
    return found


def test_there_is_nothing_that_stack_deploy_refuses_or_passes_over(stack: dict[str, Any]) -> None:
    assert "name" not in stack
    for name, service in stack["services"].items():
        passed_over = {"build", "restart", "security_opt", "network_mode", "depends_on", "container_name", "cpus"}
        assert not passed_over & service.keys(), name


def test_what_is_named_is_there(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        for kind in ("secrets", "configs"):
            assert {each["source"] for each in service.get(kind, ())} <= stack[kind].keys(), name
        text = str(service["environment"])
        for host in re.findall(r"tcp://(broker\w*):", text):
            assert host in stack["services"]
            assert set(service["networks"]) & set(stack["services"][host]["networks"]), f"{name} does not know {host}"
        given = {f"/run/secrets/{each['target']}" for each in service.get("secrets", ())}
        assert set(re.findall(r"/run/secrets/[\w.]+", text)) == given, name
        mounted = {each["target"] for each in service.get("configs", ())}
        named = set(re.findall(r"/etc/slbroker/[\w./]+", text))
        assert named <= mounted | {path.rpartition("/")[0] for path in mounted}, name


def test_secrets_and_configs_have_versions(stack: dict[str, Any]) -> None:
    """What is in use cannot be changed, nor taken away."""
    for kind in ("secrets", "configs"):
        for each in stack[kind].values():
            assert each["external"] is True
            assert re.search(r"_\$\{SLBROKER_\w+:-1\}$", each["name"])


def test_edges_are_on_their_nodes_own_network(stack: dict[str, Any]) -> None:
    """A published port of UDP is lost to who asks from one port when what is behind it has been replaced."""
    edge = stack["services"]["edge"]
    assert "ports" not in edge
    assert [stack["networks"][name] for name in edge["networks"]] == [{"external": True, "name": "host"}]
    for service in stack["services"].values():
        assert all(port["protocol"] == "tcp" for port in service.get("ports", ()))


def test_edges_find_each_broker_by_a_port_of_the_node_that_it_is_bound_to(stack: dict[str, Any]) -> None:
    brokers = {name: each for name, each in stack["services"].items() if name.startswith("broker")}
    asked = stack["services"]["edge"]["environment"]["SLBROKER_BROKER"].split(" tcp://")
    assert len(asked) == len(brokers)
    places = set()
    for name, broker in brokers.items():
        (port,) = broker["ports"]
        assert port["mode"] == "host", "there may be no IPVS"
        assert broker["environment"]["SLBROKER_EDGES"].endswith(f":{port['target']}")
        assert any(each.removeprefix("tcp://").startswith(f"${{SLBROKER_{name.upper()}:?") for each in asked)
        assert all(each.endswith(f"}}:{port['published']}") for each in asked)
        places |= set(broker["deploy"]["placement"]["constraints"])
        # It has the port of its node: the next one has to wait for it.
        assert broker["deploy"]["update_config"]["order"] == "stop-first"
    assert places == {f"node.labels.slbroker-broker == {number}" for number in range(1, 1 + len(brokers))}


def test_edges_are_on_every_node_and_a_bad_update_goes_back(stack: dict[str, Any]) -> None:
    edge, handler = stack["services"]["edge"], stack["services"]["handler"]
    assert edge["deploy"]["mode"] == "global"
    assert edge["deploy"]["update_config"]["order"] == "stop-first"
    assert handler["deploy"]["update_config"]["order"] == "start-first"
    for service in stack["services"].values():
        assert service["deploy"]["update_config"]["failure_action"] == "rollback"
        assert {"memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
        assert "max-size" in service["logging"]["options"]


def test_no_task_is_killed_while_it_drains(stack: dict[str, Any]) -> None:
    notice = float(stack["services"]["edge"]["environment"]["SLBROKER_DRAIN_NOTICE"])
    for name, least in (("edge", notice + 11.0), ("broker1", 11.0), ("handler", 16.0)):
        assert seconds(stack["services"][name]["stop_grace_period"]) > least


def test_every_variable_is_one_of_slbroker(stack: dict[str, Any]) -> None:
    from slbroker.cli import cli
    from slbroker.commands.variables import unknown_variables

    for service in stack["services"].values():
        assert list(unknown_variables(cli, service["environment"])) == []
