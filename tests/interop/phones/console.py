"""Phones with a prompt: linphonec and twinkle-console. What they are to do is written to them, a line at a time."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from tests.interop.words import PASSWORD, REALM
from tests.support.peers import require_peer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.interop.phones.phone import Task

# There is no sound card, and both want one.
_ASOUNDRC: Final = "pcm.!default { type null }\nctl.!default { type null }\n"

_LINPHONE: Final = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
use_ipv6=0
default_proxy=0
verify_server_certs=0
verify_server_cn=0
register_only_when_network_is_up=0
"""
_LINPHONE_USER: Final = """\
[auth_info_{index}]
username={user}
userid={user}
passwd={password}
realm={realm}
[proxy_{index}]
reg_proxy=<sip:{server};transport={transport}>
reg_identity=<sip:{user}@{host}>
reg_expires=600
reg_sendregister=1
publish=0
"""

_TWINKLE_SYSTEM: Final = """\
dev_ringtone=alsa:null
dev_speaker=alsa:null
dev_mic=alsa:null
validate_audio_dev=no
sip_port=5070
rtp_port=8000
"""
_TWINKLE_USER: Final = """\
user_name={user}
user_domain={host}
auth_name={user}
auth_pass={password}
outbound_proxy={server}
all_requests_to_proxy=yes
registrar={server}
registration_time=600
register_at_startup=yes
sip_transport={transport}
codecs=g711a
allow_redirection=yes
ask_user_to_redirect=no
pres_publish_startup=no
"""


class Console:
    """A program that reads commands from its standard input."""

    name = ""
    program = ""
    transports: tuple[str, ...] = ()
    registered = ""
    first, hold, hang_up = "", "hold", "bye"

    def version(self) -> str:
        return ""

    def require(self) -> None:
        require_peer(self.program)

    def _lines(self, task: Task) -> list[tuple[str, float]]:
        """What is typed, and how long it is waited then."""
        lines = [(self.first, task.registering)]
        for number in task.numbers:
            lines.append((f"call {self._target(task, number)}", task.talking))
            if number in task.held:
                lines.append((self.hold, task.talking))
            lines.append((self.hang_up, task.talking))
        return [*lines, ("quit", task.talking)]

    def _target(self, task: Task, number: str) -> str:
        return task.uri(number)

    def _run(self, start: Start, task: Task, folder: Path, *words: str) -> str:
        (folder / ".asoundrc").write_text(_ASOUNDRC)
        # A pipe of its own: Process gives its programs no standard input.
        script = "".join(f"sleep {seconds}; echo '{line}'\n" for line, seconds in _shifted(self._lines(task)))
        feeder = folder / "type.sh"
        feeder.write_text(f"({script}sleep 2) | exec {' '.join(words)}\n")
        program = start("/bin/sh", str(feeder), env={"HOME": str(folder), "TERM": "dumb"}, cwd=folder)
        deadline = time.monotonic() + task.seconds
        while program.running and time.monotonic() < deadline:
            time.sleep(0.2)
        program.stop()
        return program.output


def _shifted(lines: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Each line with the wait of the one before it."""
    waits = [0.5, *(seconds for _, seconds in lines)]
    return [(line, seconds) for (line, _), seconds in zip(lines, waits, strict=False)]


class Linphone(Console):
    """`linphonec` of Debian's linphone-cli; it registers as all users at once."""

    name = program = "linphonec"
    transports = ("udp", "tcp", "tls")
    # A call over ALSA's null device does not end: sound comes from files and goes there.
    first, hold, hang_up = "soundcard use files", "pause", "terminate"

    def play(self, start: Start, task: Task) -> str:
        ports = {name: 25_060 if name == task.transport else 0 for name in self.transports}
        users = [
            _LINPHONE_USER.format(index=index, user=user, password=PASSWORD, realm=REALM, server=task.server,
                                  transport=task.transport, host=task.host)
            for index, user in enumerate(task.users)
        ]  # fmt: skip
        file = task.folder / "linphonerc"
        file.write_text(_LINPHONE.format(**ports) + "".join(users))
        (task.folder / ".local" / "share" / "linphone").mkdir(parents=True)
        return self._run(start, task, task.folder, require_peer(self.program), "-c", str(file))


class Twinkle(Console):
    """`twinkle-console`, one process for each user that registers."""

    name = "Twinkle"
    program = "twinkle-console"
    transports = ("udp", "tcp")

    def _target(self, task: Task, number: str) -> str:
        return f"sip:{number}@{task.host}"

    def play(self, start: Start, task: Task) -> str:
        said = []
        for index, user in enumerate(task.users):
            folder = task.folder / user
            (folder / ".twinkle").mkdir(parents=True)
            (folder / ".twinkle" / "twinkle.sys").write_text(_TWINKLE_SYSTEM)
            (folder / ".twinkle" / "phone.cfg").write_text(
                _TWINKLE_USER.format(user=user, password=PASSWORD, host=task.host, server=task.server,
                                     transport=task.transport)
            )  # fmt: skip
            numbers = task.numbers if index == 0 else ()
            one = dataclasses.replace(task, users=[user], numbers=numbers, folder=folder)
            said.append(self._run(start, one, folder, require_peer(self.program), "phone.cfg"))
        return "".join(said)
