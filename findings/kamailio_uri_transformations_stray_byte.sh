#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), module pv: the transformations {uri.saor}, {uri.suri} and {uri.duri}, which its cookbook
# documents as "sip:alice@server.com" and so on, write one byte too many behind the scheme's colon. It is whatever stood
# in the buffer, so it differs from one value to the next. Where a script compares or dials the result, nothing matches.
#
# Seen for sip:alice@server.com:5060;transport=tcp, X being any byte:
#   saor: sip:Xalice@server.com   suri: sip:Xalice@server.com:5060;transport=tcp   duri: sip:Xserver.com:5060;transport=tcp
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
loadmodule "textops.so"
request_route {
    $var(uri) = "sip:alice@server.com:5060;transport=tcp";
    append_to_reply("X-Saor: $(var(uri){uri.saor})\r\n");
    append_to_reply("X-Suri: $(var(uri){uri.suri})\r\n");
    append_to_reply("X-Duri: $(var(uri){uri.duri})\r\n");
    sl_send_reply("200", "OK");
    exit;
}
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
     "-M", "4", "-l", f"udp:127.0.0.1:{port}", "-w", work, "-Y", work],
    env={"LD_LIBRARY_PATH": libdir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
sock.settimeout(0.5)
own = sock.getsockname()[1]
request = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\n"
    f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-1\r\n"
    "From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
).encode()
try:
    for _ in range(40):
        sock.sendto(request, ("127.0.0.1", port))
        try:
            reply = sock.recv(65_535)
            break
        except (TimeoutError, ConnectionRefusedError):
            time.sleep(0.1)
    else:
        raise SystemExit(2)
finally:
    kamailio.terminate()
    kamailio.wait()
values = dict(line.split(b": ", 1) for line in reply.split(b"\r\n") if line.startswith(b"X-"))
expected = {b"X-Saor": b"alice@server.com", b"X-Suri": b"alice@server.com:5060;transport=tcp",
            b"X-Duri": b"server.com:5060;transport=tcp"}
changed = False
for name, rest in expected.items():
    value = values[name]
    print(name.decode(), value)
    changed |= not (value.startswith(b"sip:") and len(value) == len(b"sip:") + 1 + len(rest) and value.endswith(rest))
raise SystemExit(1 if changed else 0)
PYTHON
python3 ask.py "$work" "$libdir"
