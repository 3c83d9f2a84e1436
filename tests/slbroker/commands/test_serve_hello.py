"""What `slbroker run` prints as something to try: it works as it stands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import Authority
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start


@pytest.mark.parametrize("address", ["udp:*", "tcp:0.0.0.0", "udp:[::]", "tls:*", "tcp:[::]"])
def test_the_ping_that_a_run_on_a_wildcard_prints_works(start_slbroker: Start, tmp_path: Path, address: str) -> None:
    words = ["--listen", f"{address}:{free_udp_port()}", "--workers", "1"]
    if address.startswith("tls"):
        pair = Authority(tmp_path).issue("server")
        words += ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    process = start_slbroker("run", *words)
    process.wait_for("handler ready")
    (line,) = [line for line in process.output.splitlines() if line.startswith("try: ")]
    words = shlex.split(line.removeprefix("try: "))
    program, arguments = words[: words.index("ping")], words[words.index("ping") :]
    assert program[0].endswith(("slbroker", "python", "python3"))
    pinged = run_slbroker(*arguments)
    assert pinged.wait() == 0, pinged
    assert pinged.output.startswith("200 OK from ")
