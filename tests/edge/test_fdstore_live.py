"""`systemctl restart`: systemd keeps an edge's sockets, and what comes while nobody is there, for the next one."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from slbroker_edge.fdstore import NAME
from tests.support.peers import free_tcp_port, free_udp_port
from tests.support.sip import read_reply
from tests.support.takeover import Site, message, phones_of
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process


class Systemd:
    """The socket that a unit's processes notify, its store, and the next start."""

    def __init__(self, folder: Path, start_program: Start) -> None:
        self._start = start_program
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self._notified.settimeout(within(5.0))
        self._gives = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._gives.bind(str(folder / "gives"))
        self._gives.listen()
        self.folder = folder
        self.store: list[int] = []
        self.names: list[str] = []

    @property
    def env(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.folder / "notify")}

    def hear(self, until: str) -> None:
        """Do what is asked for, up to such a line."""
        while True:
            said, descriptors, _flags, _ = socket.recv_fds(self._notified, 4096, 64)
            lines = said.decode().splitlines()
            assert bool(descriptors) == ("FDSTORE=1" in lines)
            if "FDSTORE=1" in lines:
                assert "FDPOLL=0" in lines
                self.store += descriptors
                self.names += [NAME] * len(descriptors)
            if "FDSTOREREMOVE=1" in lines:
                self.close()
            if until in lines:
                return

    def start(self, *words: str) -> Process:
        """Start the unit, with what is stored."""
        made = self._start(
            sys.executable, "-m", "tests.support.passed", str(self.folder / "gives"), *words, env=self.env
        )
        talk, _ = self._gives.accept()
        with talk:
            socket.send_fds(talk, [":".join(self.names).encode()], self.store)
        return made

    def close(self) -> None:
        for descriptor in self.store:
            os.close(descriptor)
        self.store.clear()
        self.names.clear()


@pytest.fixture
def systemd(tmp_path: Path, start_program: Start) -> Iterator[Systemd]:
    made = Systemd(tmp_path, start_program)
    with made._notified, made._gives, closing(made):
        yield made


def test_what_comes_while_an_edge_restarts_is_answered_by_the_next(
    start_slbroker: Start, tmp_path: Path, systemd: Systemd
) -> None:
    site = Site(start_slbroker, tmp_path)
    tcp, gone = free_tcp_port(), free_udp_port()
    listen = ("--listen", site.here, "--listen", f"tcp:127.0.0.1:{tcp}")
    words = ("edge", "--bus", site.bus, "--keys", str(tmp_path / "ring"), *listen)
    old = start_slbroker(*words, "--listen", f"udp:127.0.0.1:{gone}", env=systemd.env)
    old.wait_for("edge ready")
    systemd.hear("READY=1")
    site.workers(count=1)
    assert old.stop() == 0
    systemd.hear("FDNAME=slbroker-sip")
    assert len(systemd.store) == 3
    with phones_of(site) as phones, socket.create_connection(("127.0.0.1", tcp)) as phone:
        for number, each in enumerate(phones):
            each.send(message("OPTIONS", number))
        phone.settimeout(within(5.0))
        phone.sendall(message("OPTIONS", 1_000).replace(b"/UDP", b"/TCP"))
        new = systemd.start(*words)
        new.wait_for("edge ready")
        for each in (*phones, phone):
            assert read_reply(each.recv(4096)).status in (200, 503)  # by the workers, as soon as they are back
        assert f"no longer listening on 127.0.0.1 port {gone}" in new.log
        systemd.hear("READY=1")
        assert not systemd.store, "it keeps nothing of one that serves"
        phones[0].send(message("OPTIONS", 2_000))
        assert read_reply(phones[0].recv(4096)).status in (200, 503)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", gone))


def test_an_edge_with_more_processes_than_before_binds_its_own(
    start_slbroker: Start, tmp_path: Path, systemd: Systemd
) -> None:
    """Whose sockets are its processes', which systemd does not listen to."""
    site = Site(start_slbroker, tmp_path)
    words = ("edge", "--bus", site.bus, "--keys", str(tmp_path / "ring"), "--listen", site.here)
    old = start_slbroker(*words, env=systemd.env)
    old.wait_for("edge ready")
    systemd.hear("READY=1")
    assert old.stop() == 0
    systemd.hear("FDNAME=slbroker-sip")
    new = systemd.start(*words, "--processes", "2")
    new.wait_for("edge ready", times=2)
    systemd.hear("FDSTOREREMOVE=1")
    assert not systemd.store
    with phones_of(site) as phones:
        for number, each in enumerate(phones):
            each.send(message("OPTIONS", number))
        for each in phones:
            assert read_reply(each.recv(4096)).status == 503  # by both: no handler is there
