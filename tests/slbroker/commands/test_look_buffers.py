"""`slbroker check --listen` says what an edge there would: a buffer that is smaller than what is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slbroker_edge.transports import buffers
from tests.support.peers import free_udp_port
from tests.support.processes import call_slbroker

if TYPE_CHECKING:
    import pytest

MOST = int(Path("/proc/sys/net/core/rmem_max").read_text())


def test_check_says_when_the_kernel_grants_a_small_buffer_to_root_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the check may have CAP_NET_ADMIN; the edge's user has not."""
    monkeypatch.setattr(buffers, "WANTED", 2 * MOST)
    port = free_udp_port()
    checked = call_slbroker("check", "--listen", f"udp:127.0.0.1:{port}", "--listen", f"tcp:127.0.0.1:{port}")
    (note,) = [line for line in checked.output.splitlines() if "receive buffer" in line]
    assert note.startswith(
        f"note listen   udp:127.0.0.1:{port}: the kernel grants a receive buffer of {MOST // 1024} KiB"
    )
    assert f"ok   listen   udp:127.0.0.1:{port} is free" in checked.output
    assert checked.code == 0, "a note is no failure"


def test_check_is_silent_where_the_buffer_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "WANTED", MOST)
    assert "receive buffer" not in call_slbroker("check", "--listen", f"udp:127.0.0.1:{free_udp_port()}").output
