#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), module app_python3: a ksr_request_route that ends with a bare `return`, or falls off its
# end, works; but the worker's next request fails at its first call of KSR, with SystemError ("returned a result with an
# exception set"), and gets no reply. The one behind that works again. The cause: the result is converted to a number,
# None is none, and the TypeError stays set until the next call. `return 1` avoids it.
#
# Seen, with one worker: INFO (the route returns nothing): 200   MESSAGE: no reply   MESSAGE: 200
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
        if KSR.is_method("INFO"):
            KSR.sl.sl_send_reply(200, "And nothing")
            return
        KSR.sl.sl_send_reply(200, "Here")
        return 1
PYTHON

cat >kamailio.cfg <<CONFIG
children=1
disable_tcp=yes
auto_aliases=no
log_stderror=yes
loadmodule "sl.so"
loadmodule "pv.so"
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


def ask(method, number, seconds):
    sock.settimeout(seconds)
    sock.sendto((
        f"{method} sip:127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-{number}\r\n"
        f"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode(), ("127.0.0.1", port))
    try:
        return sock.recv(65_535).split(b" ", 2)[1].decode()
    except (TimeoutError, ConnectionRefusedError):
        return "no reply"


try:
    for number in range(40):
        if ask("MESSAGE", f"start-{number}", 0.5) == "200":
            break
        time.sleep(0.1)
    else:
        raise SystemExit(2)
    seen = [ask(method, at, 3) for at, method in enumerate(("INFO", "MESSAGE", "MESSAGE"))]
finally:
    kamailio.terminate()
    kamailio.wait()
print("INFO, MESSAGE, MESSAGE:", ", ".join(seen))
raise SystemExit(0 if seen == ["200", "no reply", "200"] else 1)
PYTHON
python3 ask.py "$work" "$libdir"
