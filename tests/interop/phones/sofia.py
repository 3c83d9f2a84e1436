"""Sofia-SIP, the stack of FreeSWITCH: Debian has the library, and sofia_child.c makes a phone of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.interop.words import PASSWORD
from tests.support.peers import missing_peer, require_peer
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.conftest import Start
    from tests.interop.phones.phone import Task

SOURCE: Final = Path(__file__).with_name("sofia_child.c")
LIBRARY: Final = "sofia-sip-ua"


class Sofia:
    """A program that is compiled where it is wanted."""

    name = "Sofia"
    transports = ("udp", "tcp")
    registered = r"REGISTER {user}: 200"

    def version(self) -> str:
        return ""

    def require(self) -> None:
        require_peer("cc")
        require_peer("pkg-config")
        if subprocess.run(["pkg-config", "--exists", LIBRARY], check=False).returncode:
            missing_peer("Sofia is not installed (Debian: apt-get install libsofia-sip-ua-dev)")

    def play(self, start: Start, task: Task) -> str:
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", LIBRARY], check=True, capture_output=True, text=True
        )
        program = task.folder / "sofia"
        subprocess.run(["cc", "-O1", "-o", program, SOURCE, *flags.stdout.split()], check=True, capture_output=True)
        host, _, port = task.server.rpartition(":")
        numbers = [f"+{number}" if number in task.held else number for number in task.numbers]
        seconds = (str(task.registering), str(task.talking))
        words = (host, port, task.transport, PASSWORD, *seconds, *task.users, "--", *numbers)
        phone = start(str(program), *words)
        phone.wait(within(task.seconds))
        return phone.output
