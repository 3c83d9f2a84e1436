#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), modules rr and app_python3: KSR.rr.remove_record_route() behind KSR.rr.record_route() returns
# 1, and does not take the Record-Route off: it takes its beginning off. What is forwarded has the rest as its first line,
# which is no header, before the Via. Without the call the line is whole; with record_route() left out there is none.
#
# Seen, the second line of the forwarded request: ";lr;ftag=1>"
# Exits 0 while that is so, 1 when it has changed, 2 where the packages are not to be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq download kamailio=5.6.3-2 kamailio-python3-modules=5.6.3-2 >/dev/null 2>&1 || exit 2
for package in *.deb; do dpkg-deb -x "$package" root; done
libdir=$(echo "$work"/root/usr/lib/*/kamailio)

cat >route.py <<'PYTHON'
import KSR as KSR


def mod_init():
    return Script()


class Script:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        if KSR.is_OPTIONS():
            KSR.sl.sl_send_reply(200, "Here")
            return 1
        KSR.rr.record_route()
        KSR.rr.remove_record_route()
        KSR.forward()
        return 1
PYTHON

cat >kamailio.cfg <<CONFIG
children=1
disable_tcp=yes
auto_aliases=no
log_stderror=yes
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "rr.so"
loadmodule "app_python3.so"
modparam("app_python3", "load", "$work/route.py")
cfgengine "python"
CONFIG

cat >ask.py <<'PYTHON'
import socket, subprocess, sys, time

work, libdir = sys.argv[1:]
spare = socket.socket(type=socket.SOCK_DGRAM)
spare.bind(("127.0.0.1", 0))
port = spare.getsockname()[1]
spare.close()
kamailio = subprocess.Popen(
    [f"{work}/root/usr/sbin/kamailio", "-f", f"{work}/kamailio.cfg", "-DD", "-E", "-L", f"{libdir}/modules", "-m", "16",
     "-M", "8", "-l", f"udp:127.0.0.1:{port}", "-w", work, "-Y", work],
    env={"LD_LIBRARY_PATH": libdir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
own = sock.getsockname()[1]


def send(method, number):
    sock.sendto((
        f"{method} sip:127.0.0.1:{own} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-{number}\r\n"
        f"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode(), ("127.0.0.1", port))


def heads(seconds):
    """The lines of each datagram that arrives within so many seconds."""
    found, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            found.append(sock.recv(65_535).partition(b"\r\n\r\n")[0].decode().split("\r\n"))
        except (TimeoutError, ConnectionRefusedError):
            time.sleep(0.05)
    return found


try:
    for number in range(40):
        send("OPTIONS", f"start-{number}")
        if heads(0.5):
            break
    else:
        raise SystemExit(2)
    heads(0.5)
    send("MESSAGE", "one")
    seen = heads(2)
finally:
    kamailio.terminate()
    kamailio.wait()
second = [lines[1] for lines in seen]
print("the second line:", *map(repr, second))
raise SystemExit(0 if second == [";lr;ftag=1>"] else 1)
PYTHON
python3 ask.py "$work" "$libdir"
