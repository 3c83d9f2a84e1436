"""debian/: what the package is made of agrees with the rest; a real Debian installs it in `make debian`."""

from __future__ import annotations

import re
import subprocess
from typing import Final

import pytest

from slbroker.version import VERSION
from tests.deploy.files import COMPOSE, DEPLOY
from tests.support.processes import ROOT

FOLDER: Final = ROOT / "debian"
RULES: Final = (FOLDER / "rules").read_text("utf-8")
SCRIPTS: Final = sorted(FOLDER.glob("slbroker.p*"))


def test_the_package_has_the_version_of_what_is_in_it() -> None:
    first = (FOLDER / "changelog").read_text("utf-8").partition("\n")[0]
    assert first.startswith(f"slbroker ({VERSION}) ")


def test_units_of_the_package_run_the_program_of_the_package() -> None:
    """What rules replaces in them is all that names the other place."""
    (place,) = re.findall(r"sed 's\|(\S+)\|/usr/bin/slbroker\|' \$\$unit", RULES)
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        text = unit.read_text("utf-8")
        assert text.count(place) == 1, unit.name
        assert "/opt/" not in text.replace(place, ""), unit.name
    (link,) = (FOLDER / "slbroker.links").read_text("utf-8").splitlines()
    assert link == "usr/lib/slbroker/bin/slbroker usr/bin/slbroker"


def test_what_the_units_read_is_configuration_of_the_package() -> None:
    """Below /etc, so that dpkg keeps what was changed."""
    units = "\n".join(unit.read_text("utf-8") for unit in DEPLOY.rglob("*.service"))
    read = re.findall(r"--config /etc/slbroker/(\S+)", units)
    assert sorted(read) == ["broker.toml", "edge-%i.toml", "handler-%i.toml", "monitor.toml"]
    for name in read:
        assert (DEPLOY / "systemd" / name.replace("-%i", "")).is_file()
    kinds = re.findall(r"for name in (\w+) (\w+); do install -m 0644 deploy/systemd/\$\$name.toml", RULES)
    assert kinds == [("edge", "handler"), ("broker", "monitor")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.suffix)
def test_a_maintainer_script_is_one_that_dash_reads(script: object) -> None:
    done = subprocess.run(("/bin/sh", "-n", str(script)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_key_ring_is_made_once_and_by_its_user_alone() -> None:
    text = (FOLDER / "slbroker.postinst").read_text("utf-8")
    assert '[ -z "$2" ] && [ ! -e "$ring" ]' in text, "neither at an upgrade nor over one that is there"
    assert re.search(r'setpriv --reuid slbroker .* sh -c "umask 077; exec slbroker keys new', text)


def test_no_unit_is_enabled_or_started_by_installing() -> None:
    """Debhelper does it by itself with each unit that is no template, unless it is told not to."""
    assert re.search(r"^override_dh_installsystemd:\n\n", RULES, re.MULTILINE)
    scripts = "".join(script.read_text("utf-8") for script in SCRIPTS)
    assert not re.search(r"deb-systemd-(invoke|helper) (start|enable)|systemctl (start|enable)", scripts)


def test_socket_buffers_are_left_to_who_wants_larger_ones() -> None:
    assert "deploy/systemd/slbroker.sysctl" in (FOLDER / "slbroker.examples").read_text("utf-8")
    assert "sysctl" not in RULES + "".join(script.read_text("utf-8") for script in SCRIPTS)


def test_what_the_package_is_built_of_names_versions_and_no_host() -> None:
    assert "--constraint compose/constraints.txt" in RULES
    wanted = re.search(r"^WHAT = slbroker\[([\w,]+)\]$", RULES, re.MULTILINE)
    assert wanted is not None
    image = re.search(r"/src\[([\w,]+)\]", (COMPOSE / "Dockerfile").read_text("utf-8"))
    assert image is not None
    assert wanted[1] == image[1], "the same libraries as the image"
    host = re.compile(r"--(extra-)?index-url|https?://(?!www\.debian\.org/doc/)")
    for path in (*FOLDER.rglob("*"), ROOT / ".ci" / "deb"):
        assert path.is_dir() or not host.search(path.read_text("utf-8")), path
