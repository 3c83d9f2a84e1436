#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12): some valid quoted strings make it answer a request with nothing at all, where the same
# request without them gets the script's 200. RFC 3261 25.1 has a via-extension be a generic-param, whose value may be a
# quoted-string, and a quoted-string hold commas, escaped quotes, and the LWS of a folded line.
#
# Seen, the answer to an OPTIONS with one part changed:
#   plain 200   Via;x="a;b" 200   Via;x="a,b" none   Via;x="a\"b" none   To: "Bob<fold>Smith" none   To: Bob<fold>Smith 200
# Exits 0 while that is so, 1 when it has changed, 2 where the package is not to be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq download kamailio=5.6.3-2 >/dev/null 2>&1 || exit 2
dpkg-deb -x kamailio_*.deb root
libdir=$(echo "$work"/root/usr/lib/*/kamailio)

cat >kamailio.cfg <<CONFIG
children=1
disable_tcp=yes
auto_aliases=no
log_stderror=yes
loadmodule "sl.so"
request_route { sl_send_reply("200", "OK"); exit; }
CONFIG

cat >asker.py <<'PYTHON'
import socket, subprocess, sys, time

work, libdir = sys.argv[1:]
spare = socket.socket(type=socket.SOCK_DGRAM)
spare.bind(("127.0.0.1", 0))
port = spare.getsockname()[1]
spare.close()
kamailio = subprocess.Popen(
    [f"{work}/root/usr/sbin/kamailio", "-f", f"{work}/kamailio.cfg", "-DD", "-E", "-L", f"{libdir}/modules", "-m", "16",
     "-M", "4", "-l", f"udp:127.0.0.1:{port}", "-w", work, "-Y", work],
    env={"LD_LIBRARY_PATH": libdir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.settimeout(0.5)
sock.connect(("127.0.0.1", port))


def ask(via="", to="<sip:bob@example.com>"):
    sock.send(
        f"OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1{via}\r\n"
        f"From: <sip:alice@example.org>;tag=1\r\nTo: {to}\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
    )
    try:
        return sock.recv(65_535)[8:11].decode()
    except OSError:
        return "none"


try:
    end = time.monotonic() + 10
    while ask() != "200" and time.monotonic() < end:
        time.sleep(0.1)
    answers = [
        ask(), ask(';x="a;b"'), ask(';x="a,b"'), ask(';x="a\\"b"'),
        ask(to='"Bob\r\n Smith" <sip:bob@example.com>'), ask(to="Bob\r\n Smith <sip:bob@example.com>"),
    ]
    print(*answers)
finally:
    kamailio.terminate()
    kamailio.wait()
PYTHON

answers=$(python3 asker.py "$work" "$libdir")
echo "$answers"
[[ $answers == "200 200 none none none 200" ]]
