#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), dispatcher module: with ds_probing_mode 0, its default, a destination with flags 8 that
# answers its first ping with 503 is never pinged again, though it would answer 200 a second later, and never used.
# With ds_probing_mode 1 it is pinged on and comes back. (flags 8 in the list: begin by probing it.)
#
# Seen, pings within 6 s at ds_ping_interval 1, the first answered 503, the others 200:  mode 0: 1   mode 1: 7
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
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "$work/list")
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_mode", MODE)
request_route { exit; }
CONFIG

cat >responder.py <<'PYTHON'
import re, socket, subprocess, sys, time

work, libdir, mode = sys.argv[1:]
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
spare = socket.socket(type=socket.SOCK_DGRAM)
spare.bind(("127.0.0.1", 0))
port = spare.getsockname()[1]
spare.close()
with open(f"{work}/list", "w") as targets:
    targets.write(f"1 sip:127.0.0.1:{sock.getsockname()[1]} 8\n")
kamailio = subprocess.Popen(
    [f"{work}/root/usr/sbin/kamailio", "-f", f"{work}/kamailio.cfg", "-DD", "-E", "-L", f"{libdir}/modules", "-m", "16",
     "-M", "4", "-l", f"udp:127.0.0.1:{port}", "-A", f"MODE={mode}", "-w", work, "-Y", work],
    env={"LD_LIBRARY_PATH": libdir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
try:
    pings, end = 0, time.monotonic() + 20
    sock.settimeout(0.2)
    while time.monotonic() < end:
        try:
            data, address = sock.recvfrom(65_535)
        except TimeoutError:
            continue
        if not data.startswith(b"OPTIONS "):
            continue
        pings += 1
        if pings == 1:
            end = time.monotonic() + 6
        lines = data.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        kept = [line for line in lines if re.match(rb"(Via|From|To|Call-ID|CSeq):", line)]
        kept = [line + b";tag=1" if line.startswith(b"To:") else line for line in kept]
        status = b"SIP/2.0 503 Service Unavailable" if pings == 1 else b"SIP/2.0 200 OK"
        sock.sendto(b"\r\n".join([status, *kept, b"Content-Length: 0", b"", b""]), address)
    print(pings)
finally:
    kamailio.terminate()
    kamailio.wait()
PYTHON

never=$(python3 responder.py "$work" "$libdir" 0)
again=$(python3 responder.py "$work" "$libdir" 1)
echo "mode 0: $never   mode 1: $again"
((never == 1 && again >= 3))
