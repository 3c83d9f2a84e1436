"""baresip, as Debian has it: told what to do over its control socket."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.interop.words import PASSWORD
from tests.support.peers import free_tcp_port, missing_peer, require_peer
from tests.support.timing import until, within

if TYPE_CHECKING:
    from tests.conftest import Start
    from tests.interop.phones.phone import Task

CONFIG: Final = """\
sip_listen {host}:0
audio_player aubridge,none
audio_source aubridge,none
audio_alert aubridge,none
module_path {modules}
module g711.so
module aubridge.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


class Baresip:
    """`baresip`, of which the `baresip-core` package is enough."""

    name = "baresip"
    transports = ("udp", "tcp", "tls")
    registered = r"{user}@\S+ \S+ 200 OK"

    def version(self) -> str:
        return ""

    def require(self) -> None:
        require_peer("baresip")
        self._modules()

    def _modules(self) -> Path:
        folders = (Path("/usr/lib/baresip/modules"), *Path("/usr/lib").glob("*/baresip/modules"))
        found = [folder for folder in folders if (folder / "ctrl_tcp.so").exists()]
        return found[0] if found else missing_peer("baresip has no module ctrl_tcp (Debian: baresip-core)")

    def play(self, start: Start, task: Task) -> str:
        folder, control = task.folder, free_tcp_port()
        (folder / "config").write_text(CONFIG.format(host=task.host, modules=self._modules(), control=control))
        accounts = [
            f"<{task.uri(user)}>;auth_user={user};auth_pass={PASSWORD};regint=600;answermode=manual\n"
            for user in task.users
        ]
        (folder / "accounts").write_text("".join(accounts))
        program = start(require_peer("baresip"), "-f", str(folder), env={"HOME": str(folder)})
        with _connected(control) as line:
            time.sleep(task.registering)
            for number in task.numbers:
                _tell(line, "dial", f"sip:{number}@{task.server}")  # it adds its account's transport
                time.sleep(task.talking)
                if number in task.held:
                    _tell(line, "hold")
                    time.sleep(task.talking)
                _tell(line, "hangup")
                time.sleep(task.talking)
            _tell(line, "quit")
            time.sleep(task.talking)
        program.stop()
        return program.output


def _connected(port: int) -> socket.socket:
    line: list[socket.socket] = []

    def connect() -> bool:
        try:
            line.append(socket.create_connection(("127.0.0.1", port), within(5)))
        except OSError:
            return False
        return True

    until(connect, 10, what="baresip's control socket")
    return line[0]


def _tell(line: socket.socket, command: str, words: str = "") -> None:
    content = json.dumps({"command": command, "params": words})
    line.sendall(f"{len(content)}:{content},".encode())  # a netstring
