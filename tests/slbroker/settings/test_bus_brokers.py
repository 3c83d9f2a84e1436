"""How an edge is told of brokers, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.bus import curve
from slbroker.bus.address import parse_bus_address
from slbroker.commands.serve import check_brokers
from slbroker.errors import ConfigError, KeyFileError
from slbroker.settings.bus import BrokerAccess, BusSecurity
from slbroker.settings.edge import EdgeSettings
from tests.support.commands import settings_of

if TYPE_CHECKING:
    from pathlib import Path

HERE, THERE = parse_bus_address("tcp://127.0.0.1:5591"), parse_bus_address("tcp://192.0.2.1:5591")


def read(*words: str) -> BrokerAccess:
    """What an edge with these options is told."""
    return settings_of(EdgeSettings, *words, "--keys", "ring").brokers


def test_brokers_and_their_keys_are_read_in_order(tmp_path: Path) -> None:
    assert read() == BrokerAccess()
    words = ["--broker", str(THERE), "--broker", str(HERE), "--broker-key", f"{tmp_path}/b.key"]
    assert read(*words) == BrokerAccess((THERE, HERE), (tmp_path / "b.key",))


def test_a_broker_named_twice_is_one() -> None:
    assert read("--broker", str(HERE), "--broker", str(HERE)).addresses == (HERE,)


def test_a_key_without_a_broker() -> None:
    with pytest.raises(ConfigError, match="needs --broker ADDRESS"):
        read("--broker-key", "b.key")


@pytest.fixture
def security(tmp_path: Path) -> BusSecurity:
    for name in ("edge", "broker"):
        curve.create(tmp_path / name)
    return BusSecurity(tmp_path / "edge.key_secret", tmp_path)


def test_what_can_be_used(security: BusSecurity, tmp_path: Path) -> None:
    check_brokers(BrokerAccess(), None, insecure=False)
    check_brokers(BrokerAccess((HERE,)), None, insecure=False)
    check_brokers(BrokerAccess((THERE,)), None, insecure=True)
    check_brokers(BrokerAccess((HERE, THERE), (tmp_path / "broker.key",)), security, insecure=False)


def test_a_broker_elsewhere_needs_keys_of_its_own(security: BusSecurity) -> None:
    with pytest.raises(ConfigError, match="open to other machines"):
        check_brokers(BrokerAccess((HERE, THERE)), security, insecure=False)


def test_keys_that_do_not_go_together(security: BusSecurity, tmp_path: Path) -> None:
    key = tmp_path / "broker.key"
    with pytest.raises(ConfigError, match="needs --bus-key"):
        check_brokers(BrokerAccess((HERE,), (key,)), None, insecure=False)
    with pytest.raises(ConfigError, match="2 --broker-key for 1 --broker: give one"):
        check_brokers(BrokerAccess((HERE,), (key, key)), security, insecure=False)
    with pytest.raises(KeyFileError):
        check_brokers(BrokerAccess((HERE,), (tmp_path / "absent.key",)), security, insecure=False)
