#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), pv module: $hfl(Contact) counts the addresses of one Contact line from its end, those of Route
# and Record-Route from its beginning; and of all three [-1] is null, the last one is [-2].
#
# Seen, of "Contact: <sip:a@h>, <sip:b@h>" and "Route: <sip:c@h>, <sip:d@h>":
#   Contact [0] <sip:b@h> [-1] <null> [-2] <sip:a@h>   Route [0] <sip:c@h> [-1] <null> [-2] <sip:d@h>
# Exits 0 while that is so, 1 when it has changed, 2 where the package is not to be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq download kamailio=5.6.3-2 >/dev/null 2>&1 || exit 2
dpkg-deb -x kamailio_*.deb root
libdir=$(echo "$work"/root/usr/lib/*/kamailio)

cat >kamailio.cfg <<'CONFIG'
children=1
disable_tcp=yes
auto_aliases=no
log_stderror=yes
loadmodule "sl.so"
loadmodule "pv.so"
request_route {
    sl_send_reply("200", "Now $(hfl(Contact)[0]) $(hfl(Contact)[-1]) $(hfl(Contact)[-2]) $(hfl(Route)[0]) $(hfl(Route)[-1]) $(hfl(Route)[-2])");
}
CONFIG

cat >ask.py <<'PYTHON'
import socket, subprocess, sys

work, libdir = sys.argv[1:]
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
sock.settimeout(0.5)
spare = socket.socket(type=socket.SOCK_DGRAM)
spare.bind(("127.0.0.1", 0))
port = spare.getsockname()[1]
spare.close()
kamailio = subprocess.Popen(
    [f"{work}/root/usr/sbin/kamailio", "-f", f"{work}/kamailio.cfg", "-DD", "-E", "-L", f"{libdir}/modules", "-m", "16",
     "-M", "4", "-l", f"udp:127.0.0.1:{port}", "-w", work, "-Y", work],
    env={"LD_LIBRARY_PATH": libdir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)


def ask():
    request = (
        f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{sock.getsockname()[1]};branch=z9hG4bK1\r\n"
        "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
        "Contact: <sip:a@h>, <sip:b@h>\r\nRoute: <sip:c@h>, <sip:d@h>\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    for _ in range(20):
        sock.sendto(request.encode(), ("127.0.0.1", port))
        try:
            return sock.recv(65_535).split(b"\r\n")[0].decode().partition(" 200 Now ")[2]
        except TimeoutError:
            continue
    sys.exit("no answer")


try:
    print(ask())
finally:
    kamailio.terminate()
    kamailio.wait()
PYTHON

said=$(python3 ask.py "$work" "$libdir")
echo "$said"
[[ $said == "<sip:b@h> <null> <sip:a@h> <sip:c@h> <null> <sip:d@h>" ]]
