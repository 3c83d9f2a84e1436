"""deploy/kubernetes: against the schemas of several Kubernetes, and for what these let pass."""

from __future__ import annotations

import copy
import re
import shutil
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from slbroker import keys
from slbroker.bus import curve
from tests.deploy.files import DEPLOY, read_yaml
from tests.deploy.manifests import WORKLOADS, Manifest, build, containers, environment, mistakes, workload
from tests.support.peers import free_tcp_port, free_udp_port
from tests.support.processes import ROOT, run_slbroker
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

BASE: Final = DEPLOY / "kubernetes" / "base"
OVERLAYS: Final = sorted((DEPLOY / "kubernetes" / "overlays").iterdir())
METRICS: Final = DEPLOY / "kubernetes" / "overlays" / "metrics"
WHOLE: Final = {"slbroker-ring": [{"path": "slbroker.ring"}], "slbroker-monitor": [{"path": "token"}]}
RELEASES: Final = ("1.25", "1.31", "1.37")  # the oldest that the validator knows, one between, the newest


@pytest.fixture(params=[BASE, *OVERLAYS], ids=lambda folder: folder.name)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return build(request.param)


def test_every_file_is_named_by_its_kustomization() -> None:
    for folder in (BASE, *OVERLAYS):
        told = read_yaml(folder / "kustomization.yaml")
        named = {*told["resources"], *(patch["path"] for patch in told.get("patches", ()))}
        named |= {name for made in told.get("configMapGenerator", ()) for name in made["files"]}
        assert {path.name for path in folder.iterdir()} - {"kustomization.yaml"} == {n for n in named if "/" not in n}


@pytest.mark.parametrize("release", RELEASES)
def test_the_schemas_of_kubernetes_know_all_of_it(manifests: list[Manifest], release: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for manifest in manifests:
        if not manifest["apiVersion"].startswith("monitoring.coreos.com/"):  # the operator's own
            validate.validate(manifest, release, strict=True)


def test_an_unknown_field_would_be_noticed() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    (service,) = (each for each in build(BASE) if each["kind"] == "Service")
    wrong = copy.deepcopy(service)
    wrong["spec"]["selectors"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, RELEASES[-1], strict=True)


# What the schemas let pass ---------------------------------------------------------------------------------------


def test_names_selectors_ports_quantities_and_volumes_fit(manifests: list[Manifest]) -> None:
    assert list(mistakes(manifests)) == []


NAME: Final = "app.kubernetes.io/name"
POD: Final = ("spec", "template", "spec")
WRONG = {
    "a selector": ("DaemonSet", ("spec", "selector", "matchLabels", NAME), "edge", "selector"),
    "a budget's": ("PodDisruptionBudget", ("spec", "selector", "matchLabels", NAME), "x", "selects"),
    "a service's": ("Service", ("spec", "selector", NAME), "broker", "selects"),
    "a port": ("Service", ("spec", "ports", 0, "port"), 99_999, "port 99999"),
    "a port's name": ("Service", ("spec", "ports", 0, "targetPort"), "edge", "no port is called edge"),
    "a protocol": ("Service", ("spec", "ports", 0, "protocol"), "FOO", "protocol FOO"),
    "a name": ("Deployment", ("metadata", "name"), "Bad_Name", "is no name"),
    "a quantity": ("Deployment", (*POD, "containers", 0, "resources", "limits", "memory"), "256Mb", "quantity"),
    "a mount": (
        "Deployment", (*POD, "containers", 0, "volumeMounts", 0, "name"), "runs", "no volume",
    ),
    "a user": ("Deployment", (*POD, "securityContext", "runAsNonRoot"), False, "may be root"),
    "a service's name": ("StatefulSet", ("spec", "serviceName"), "brokers", "no service brokers"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_noticed(name: str) -> None:
    """And is what kubernetes-validate lets pass."""
    kind, way, value, says = WRONG[name]
    manifests = build(BASE)
    place: Any = next(each for each in manifests if each["kind"] == kind)
    changed = place
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value
    assert says in " ".join(mistakes(manifests))
    pytest.importorskip("kubernetes_validate").validate(changed, RELEASES[-1], strict=True)


# What they say of slbroker --------------------------------------------------------------------------------------


def test_no_pod_is_killed_while_it_drains(manifests: list[Manifest]) -> None:
    notice = float(environment(containers(workload(manifests, "edge"))[0])["SLBROKER_DRAIN_NOTICE"])
    for name, least in (("edge", notice + 11.0), ("broker", 11.0), ("handler", 16.0)):
        assert workload(manifests, name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > least


def test_an_edge_lives_without_handlers_and_is_ready_with_them(manifests: list[Manifest]) -> None:
    edge = containers(workload(manifests, "edge"))[0]
    assert "--any-answer" in edge["livenessProbe"]["exec"]["command"][-1]
    assert "--ready" in edge["readinessProbe"]["exec"]["command"][-1]
    assert containers(workload(manifests, "handler"))[0]["livenessProbe"]["exec"]["command"] == ["slbroker", "alive"]


def pods(manifests: list[Manifest]) -> list[tuple[Manifest, Manifest]]:
    """Each container, and the pod that it is in."""
    workloads = [each for each in manifests if each["kind"] in WORKLOADS]
    return [(container, each["spec"]["template"]["spec"]) for each in workloads for container in containers(each)]


def test_every_variable_is_one_of_slbroker(manifests: list[Manifest]) -> None:
    from slbroker.cli import cli
    from slbroker.commands.variables import unknown_variables

    for container, _pod in pods(manifests):
        told = {key: value for key, value in environment(container).items() if key != "HOST_IP"}
        assert all(key.startswith("SLBROKER_") for key in told)
        assert list(unknown_variables(cli, told)) == []


def test_files_that_are_named_are_mounted_from_secrets_that_have_them(manifests: list[Manifest]) -> None:
    files: set[str] = set()
    for container, pod in pods(manifests):
        there: set[str] = set()
        for mount in container["volumeMounts"]:
            (volume,) = (each for each in pod["volumes"] if each["name"] == mount["name"])
            if secret := volume.get("secret"):
                assert secret["defaultMode"] == 0o440
                assert mount["readOnly"] is True
                assert "subPath" not in mount, "which would show the secret of the start for ever"
                names = [item["path"] for item in secret.get("items", WHOLE.get(secret["secretName"], ()))]
                there |= {mount["mountPath"], *(f"{mount['mountPath']}/{each}" for each in names)}
                files |= {f"{secret['secretName']}/{each}" for each in names}
        values = [part for value in environment(container).values() for part in value.split(":/etc/")]
        named = {f"/etc/{part.removeprefix('/etc/')}" for part in values if part.startswith(("/etc/", "slbroker/"))}
        assert {each for each in named if "/plugin/" not in each} <= there, container["name"]
    roles = {container["name"] for container, _pod in pods(manifests)}
    keys = {f"slbroker-bus/{name}.{kind}" for name in roles for kind in ("key", "key_secret")}
    assert files - {"slbroker-monitor/token"} == {"slbroker-ring/slbroker.ring", *keys}


def test_a_monitor_has_a_key_for_each_address_that_it_asks() -> None:
    """One for all, or one for each in order."""
    (monitor,) = (container for container, _pod in pods(build(METRICS)) if container["name"] == "monitor")
    told = environment(monitor)
    assert len(told["SLBROKER_BUS"].split()) == len(told["SLBROKER_BUS_SERVER_KEY"].split(":"))


def test_the_autoscaler_s_metrics_are_those_of_the_monitor() -> None:
    """Their names in Prometheus, and what the adapter makes of them."""
    (autoscaler,) = (each for each in build(METRICS) if each["kind"] == "HorizontalPodAutoscaler")
    wanted = {each["external"]["metric"]["name"] for each in autoscaler["spec"]["metrics"]}
    rules = read_yaml(DEPLOY / "kubernetes" / "adapter-rules.yaml")["externalRules"]
    made = {rule.get("name", {}).get("as") or rule["seriesQuery"] for rule in rules}
    assert wanted == made
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for rule in rules:
        series = re.fullmatch(r"slbroker_edge_(\w+?)(?:\{.*\})?", rule["seriesQuery"])
        assert series is not None
        assert f"| `{series[1]}` |" in page
    handler = workload(build(METRICS), "handler")
    assert "replicas" not in handler["spec"], "or each apply would undo the autoscaler"
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == handler["metadata"]["name"]


# What the programs say to it ------------------------------------------------------------------------------------


class Cluster:
    """The containers' environments, with paths and addresses of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sip, self.http = free_udp_port(), free_tcp_port()
        self._brokers = [(free_tcp_port(), free_tcp_port()) for _ in range(2)]
        keys.create(folder / "slbroker.ring")
        (folder / "token").write_text("0123456789abcdef")
        for role in ("edge", "broker", "handler", "monitor"):
            curve.create(folder / role)

    def environment(self, container: Manifest, pod: Manifest, number: int = 0) -> dict[str, str]:
        """Return what a container is told, its secrets in a folder of its own; `number` is its pod's, of several."""
        root = self._folder / f"{container['name']}-{number}"
        for mount in container["volumeMounts"]:
            (volume,) = (each for each in pod["volumes"] if each["name"] == mount["name"])
            secret = volume.get("secret", {})
            place = root / mount["mountPath"].lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            for item in secret.get("items", WHOLE.get(secret.get("secretName", ""), ())):
                shutil.copy(self._folder / item["path"], place / item["path"])
        told = environment(container)
        return {key: self._here(value, root, number) for key, value in told.items() if key != "HOST_IP"}

    def _here(self, value: str, root: Path, number: int) -> str:
        for each, (edges, handlers) in enumerate(self._brokers):
            name = f"slbroker-broker-{each}.slbroker-broker"
            value = value.replace(f"{name}:5591", f"127.0.0.1:{edges}").replace(f"{name}:5592", f"127.0.0.1:{handlers}")
        edges, handlers = self._brokers[number]
        value = value.replace("0.0.0.0:5591", f"127.0.0.1:{edges}").replace("0.0.0.0:5592", f"127.0.0.1:{handlers}")
        value = value.replace("$(HOST_IP):5060", f"127.0.0.1:{self.sip}").replace(
            "$(HOST_IP):9560", f"127.0.0.1:{self.http}"
        )
        return value.replace("/etc/", f"{root}/etc/").replace("ipc:///run/slbroker", f"ipc://{self._folder}")


def test_what_the_manifests_say_is_what_the_programs_want(start_slbroker: Start, tmp_path: Path) -> None:
    """Keys, addresses and files as each container has them: a call is answered, and the monitor sees all."""
    pytest.importorskip("uvicorn")
    cluster, manifests = Cluster(tmp_path), build(METRICS)
    told = {container["name"]: (container, pod) for container, pod in pods(manifests)}
    for number in range(2):
        start_slbroker("broker", env=cluster.environment(*told["broker"], number)).wait_for("broker ready")
    handler = start_slbroker("handler", env=cluster.environment(*told["handler"]))
    handler.wait_for("handler ready", times=2)
    edge = start_slbroker("edge", env=cluster.environment(*told["edge"]))
    edge.wait_for("joins pool default", times=2)
    assert run_slbroker("ping", f"sip:127.0.0.1:{cluster.sip}", "--ready").wait() == 0
    monitor = start_slbroker("monitor", env=cluster.environment(*told["monitor"]))
    monitor.wait_for("monitor ready")
    asked = Request(f"http://127.0.0.1:{cluster.http}/metrics", headers={"Authorization": "Bearer 0123456789abcdef"})

    def up() -> int:
        try:
            with urlopen(asked, timeout=within(5.0)) as answer:
                text: str = answer.read().decode()
        except URLError:
            return 0
        return len(re.findall(r"^slbroker_up\{.*\} 1(?:\.0)?$", text, re.MULTILINE))

    until(lambda: up() == 3, what="an edge and two brokers that tell their figures", seconds=20)
    assert "WARNING" not in monitor.log
