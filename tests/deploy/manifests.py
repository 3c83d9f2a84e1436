"""Kubernetes manifests: what kustomize makes of ours, and mistakes that the schemas let pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tests.deploy.files import read_all, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKLOADS: Final = ("DaemonSet", "Deployment", "StatefulSet")
UNITS: Final = {"m": 0.001, "": 1.0, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}

Manifest = dict[str, Any]

_is_name = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?").fullmatch
_is_label = re.compile(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", re.ASCII).fullmatch
_match_quantity = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|Ki|Mi|Gi)?").fullmatch


# What kustomize makes of it -------------------------------------------------------------------------------------


def build(folder: Path) -> list[Manifest]:
    """Return the manifests of a kustomization, as far as ours go: resources, patches, image tags, generated maps."""
    told = read_yaml(folder / "kustomization.yaml")
    known = {"apiVersion", "kind", "namespace", "labels", "resources", "images", "patches", "configMapGenerator"}
    assert told.keys() <= known
    found: list[Manifest] = []
    for name in told["resources"]:
        path = folder / name
        found += build(path) if path.is_dir() else read_all(path)
    for made in told.get("configMapGenerator", ()):
        data = {name: (folder / name).read_text("utf-8") for name in made["files"]}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]}, "data": data})
    for patch in told.get("patches", ()):
        change = read_yaml(folder / patch["path"])
        (one,) = (each for each in found if identity(each) == identity(change))
        merged = merge(one, change)
        found[found.index(one)] = merged
    return found


def identity(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]


def merge(old: Any, new: Any) -> Any:
    """Return a strategic merge: maps by key, lists of named things by name."""
    if isinstance(old, dict) and isinstance(new, dict):
        merged = {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}
        return {key: value for key, value in merged.items() if value is not None}
    if isinstance(old, list) and isinstance(new, list) and all("name" in each for each in (*old, *new)):
        by_name = {each["name"]: each for each in old}
        for each in new:
            by_name[each["name"]] = merge(by_name.get(each["name"]), each)
        return list(by_name.values())
    return new


# Mistakes -------------------------------------------------------------------------------------------------------


def mistakes(manifests: list[Manifest]) -> Iterator[str]:
    """Yield what is wrong, in words: names, selectors, ports, quantities, volumes, services, users."""
    workloads = [each for each in manifests if each["kind"] in WORKLOADS]
    templates = [each["spec"]["template"]["metadata"]["labels"] for each in workloads]
    ports = {
        port["name"] for each in workloads for container in containers(each) for port in container.get("ports", ())
    }
    services = {each["metadata"]["name"] for each in manifests if each["kind"] == "Service"}
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        found = [*_of_names(manifest), *_of_values(manifest, ports)]
        found += [f"selects nothing by {each}" for each in selectors(manifest) if not _selects(each, templates)]
        if manifest["kind"] in WORKLOADS:
            found += [*_of_workload(manifest, services), *_of_volumes(manifest), *_of_rights(manifest)]
            for container in containers(manifest):
                found += _of_environment(container, services)
        yield from (f"{name}: {words}" for words in found)


def _selects(selector: dict[str, str], templates: list[dict[str, str]]) -> bool:
    return any(selector.items() <= labels.items() for labels in templates)


def _of_names(manifest: Manifest) -> Iterator[str]:
    if not _is_name(manifest["metadata"]["name"]):
        yield "is no name"
    for label in (manifest["metadata"].get("labels") or {}).values():
        if not _is_label(label):
            yield f"label {label!r}"


def _of_values(manifest: Manifest, ports: set[str]) -> Iterator[str]:
    for where, value in leaves(manifest):
        if where[-1] in ("port", "containerPort", "hostPort", "targetPort"):
            if isinstance(value, int) and not 0 < value < 65_536:
                yield f"port {value}"
            if isinstance(value, str) and value not in ports:
                yield f"no port is called {value}"
        if where[-1] == "protocol" and value not in ("TCP", "UDP"):
            yield f"protocol {value}"
        is_quantity = where[-2] in ("requests", "limits") or where[-1] == "sizeLimit"
        if is_quantity and not _match_quantity(str(value)):
            yield f"quantity {value}"


def _of_workload(manifest: Manifest, services: set[str]) -> Iterator[str]:
    spec = manifest["spec"]
    if spec["selector"]["matchLabels"] != spec["template"]["metadata"]["labels"]:
        yield "its selector is not its template's labels"
    if manifest["kind"] == "StatefulSet" and spec["serviceName"] not in services:
        yield f"no service {spec['serviceName']}"
    for container in containers(manifest):
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        if amount(requests["memory"]) > amount(limits["memory"]):
            yield "asks for more memory than it may have"


def _of_volumes(manifest: Manifest) -> Iterator[str]:
    volumes = {volume["name"] for volume in manifest["spec"]["template"]["spec"]["volumes"]}
    mounts = {mount["name"] for container in containers(manifest) for mount in container["volumeMounts"]}
    if mounts - volumes:
        yield f"mounts what is no volume: {mounts - volumes}"
    if volumes - mounts:
        yield f"has volumes that nobody mounts: {volumes - mounts}"


def _of_environment(container: Manifest, services: set[str]) -> Iterator[str]:
    known: set[str] = set()
    for each in container["env"]:
        for used in re.findall(r"\$\((\w+)\)", each.get("value", "")):
            if used not in known:
                yield f"{each['name']} uses {used}, which does not stand before it"
        known.add(each["name"])
        for host in re.findall(r"tcp://[a-z-]+-\d+\.(\S+?):", each.get("value", "")):
            if host not in services:
                yield f"no service {host}"


def _of_rights(manifest: Manifest) -> Iterator[str]:
    pod = manifest["spec"]["template"]["spec"]["securityContext"]
    if not (pod["runAsNonRoot"] and pod["runAsUser"] and pod["seccompProfile"]["type"] == "RuntimeDefault"):
        yield "may be root"
    for own in (each["securityContext"] for each in containers(manifest)):
        is_bare = own["capabilities"] == {"drop": ["ALL"]} and own["readOnlyRootFilesystem"]
        if not is_bare or own["allowPrivilegeEscalation"]:
            yield "may do more than it needs"


# Reading --------------------------------------------------------------------------------------------------------


def containers(manifest: Manifest) -> list[Manifest]:
    found: list[Manifest] = manifest["spec"]["template"]["spec"]["containers"]
    return found


def environment(container: Manifest) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container["env"]}


def workload(manifests: list[Manifest], name: str) -> Manifest:
    workloads = [each for each in manifests if each["kind"] in WORKLOADS]
    (found,) = (each for each in workloads if each["metadata"]["name"] == f"slbroker-{name}")
    return found


def amount(quantity: str) -> float:
    """Return what a quantity is as a number, nan for none."""
    found = _match_quantity(quantity)
    return float(found[1]) * UNITS[found[2] or ""] if found else float("nan")


def selectors(manifest: Manifest) -> Iterator[dict[str, str]]:
    """Yield what a manifest selects pods by, wherever it does."""
    if manifest["kind"] in ("ServiceMonitor", "HorizontalPodAutoscaler"):  # services, and series of a metric
        return
    if manifest["kind"] == "Service":
        yield manifest["spec"]["selector"]
    for where, value in maps(manifest):
        if where[-1] in ("selector", "podSelector", "labelSelector") and "matchLabels" in value:
            yield value["matchLabels"]


def maps(value: Any, where: tuple[str, ...] = ("", "")) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every map, and the keys that lead there."""
    if isinstance(value, dict):
        yield where, value
        for key, below in value.items():
            yield from maps(below, (*where, key))
    elif isinstance(value, list):
        for below in value:
            yield from maps(below, where)


def leaves(value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value that is neither map nor list of maps, and the keys that lead there."""
    for where, found in maps(value):
        for key, each in found.items():
            if not isinstance(each, dict | list):
                yield (*where, key), each
