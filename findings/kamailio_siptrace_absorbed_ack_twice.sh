#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), siptrace with trace_mode 1 and HEP3: the ACK to a stateless reply, which sl absorbs, goes to the
# collector twice, as it comes in and as sl's event of an absorbed ACK; and no packet has a correlation id (chunk 17), so
# Homer has two ACKs in the call's flow, and has to read the SIP to find the call.
#
# Seen, of INVITE, its 403, and the ACK, each sent once:
#   INVITE 403 ACK ACK, chunks 1 2 3 4 7 8 9 10 11 12 15
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
loadmodule "siptrace.so"
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", 1)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "duplicate_uri", HOMER)
request_route {
    sl_send_reply("403", "No");
}
CONFIG

cat >ask.py <<'PYTHON'
import re, socket, struct, subprocess, sys

work, libdir = sys.argv[1:]
homer = socket.socket(type=socket.SOCK_DGRAM)
homer.bind(("127.0.0.1", 0))
homer.settimeout(2.0)
spare = socket.socket(type=socket.SOCK_DGRAM)
spare.bind(("127.0.0.1", 0))
port = spare.getsockname()[1]
spare.close()
phone = socket.socket(type=socket.SOCK_DGRAM)
phone.bind(("127.0.0.1", 0))
phone.settimeout(0.5)
kamailio = subprocess.Popen(
    [f"{work}/root/usr/sbin/kamailio", "-f", f"{work}/kamailio.cfg", "-DD", "-E", "-L", f"{libdir}/modules", "-m", "16",
     "-M", "4", "-l", f"udp:127.0.0.1:{port}", "-w", work, "-Y", work,
     "-A", f'HOMER="sip:127.0.0.1:{homer.getsockname()[1]}"'],
    env={"LD_LIBRARY_PATH": libdir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)


def send(method, call_id, to="<sip:b@h>"):
    phone.sendto(
        f"{method} sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{phone.getsockname()[1]};branch=z9hG4bK1\r\n"
        f"From: <sip:a@h>;tag=1\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
        f"Content-Length: 0\r\n\r\n".encode(), ("127.0.0.1", port),
    )


def call(call_id):
    send("INVITE", call_id)
    reply = phone.recv(65_535).decode()
    send("ACK", call_id, re.search(r"\r\nTo: (.*)\r\n", reply)[1])


def chunks(packet):
    found, at = {}, 6
    while at < len(packet):
        _, kind, length = struct.unpack_from("!HHH", packet, at)
        found[kind] = packet[at + 6 : at + length]
        at += length
    return found


try:
    for number in range(20):  # until it serves; what comes of these tries is not looked at
        try:
            call(f"try{number}")
            break
        except TimeoutError:
            continue
    call("the-call")
    seen = []
    try:
        while True:
            seen.append(chunks(homer.recv(65_535)))
    except TimeoutError:
        pass
    mine = [each for each in seen if b"Call-ID: the-call\r\n" in each[15]]
    words = [each[15].split()[1 if each[15].startswith(b"SIP/") else 0].decode() for each in mine]
    print(*words, "chunks", *sorted({kind for each in mine for kind in each}))
finally:
    kamailio.terminate()
    kamailio.wait()
PYTHON

said=$(python3 ask.py "$work" "$libdir")
echo "$said"
[[ $said == "INVITE 403 ACK ACK chunks 1 2 3 4 7 8 9 10 11 12 15" ]]
