"""deploy/kubernetes: against the schemas of several Kubernetes, and for what these let pass."""

from __future__ import annotations

import copy
from typing import Any, Final

import pytest

from tests.deploy.files import DEPLOY, read_yaml
from tests.deploy.manifests import Manifest, build, containers, environment, mistakes, workload

BASE: Final = DEPLOY / "kubernetes" / "base"
OVERLAYS: Final = sorted((DEPLOY / "kubernetes" / "overlays").iterdir())
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
    notice = float(environment(workload(manifests, "edge"))["SLBROKER_DRAIN_NOTICE"])
    for name, least in (("edge", notice + 11.0), ("broker", 11.0), ("handler", 16.0)):
        assert workload(manifests, name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > least


def test_an_edge_lives_without_handlers_and_is_ready_with_them(manifests: list[Manifest]) -> None:
    edge = containers(workload(manifests, "edge"))[0]
    assert "--any-answer" in edge["livenessProbe"]["exec"]["command"][-1]
    assert "--ready" in edge["readinessProbe"]["exec"]["command"][-1]
    assert containers(workload(manifests, "handler"))[0]["livenessProbe"]["exec"]["command"] == ["slbroker", "alive"]


def test_every_variable_is_one_of_slbroker(manifests: list[Manifest]) -> None:
    from slbroker.cli import cli
    from slbroker.commands.variables import unknown_variables

    for name in ("edge", "broker", "handler"):
        told = environment(workload(manifests, name))
        assert (
            list(unknown_variables(cli, {key: value for key, value in told.items() if key.startswith("SLBROKER_")}))
            == []
        )


def test_files_that_are_named_are_mounted_and_come_from_the_two_secrets(manifests: list[Manifest]) -> None:
    files: set[str] = set()
    for name in ("edge", "broker", "handler"):
        manifest = workload(manifests, name)
        spec = manifest["spec"]["template"]["spec"]
        there: set[str] = set()
        for mount in containers(manifest)[0]["volumeMounts"]:
            (volume,) = (each for each in spec["volumes"] if each["name"] == mount["name"])
            if secret := volume.get("secret"):
                assert secret["defaultMode"] == 0o440
                assert mount["readOnly"] is True
                assert "subPath" not in mount, "which would show the secret of the start for ever"
                names = [item["path"] for item in secret.get("items", ({"path": "slbroker.ring"},))]
                there |= {mount["mountPath"], *(f"{mount['mountPath']}/{each}" for each in names)}
                files |= {f"{secret['secretName']}/{each}" for each in names}
        named = {value for value in environment(manifest).values() if value.startswith("/etc/slbroker/")}
        assert {each for each in named if "/plugin/" not in each} <= there
    keys = {f"slbroker-bus/{name}.{kind}" for name in ("edge", "broker", "handler") for kind in ("key", "key_secret")}
    assert files == {"slbroker-ring/slbroker.ring", *keys}
