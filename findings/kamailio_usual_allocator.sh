#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12): with its usual memory manager, qm, a request's price hangs on how the script happens to have left
# the list of free memory. A script of one line that answers 200 to everything costs five times as much CPU a request as with
# -x fm, and forward() to a fixed address six times; perf finds 70 % of it in qm_malloc. Other scripts pay a fifth of that.
# So figures for Kamailio say little without its -x, and a proxy that forwards statelessly gains much by one option.
#
# Seen, 4,000 OPTIONS to one child, CPU time of that child (two cores, shared):
#   forward()        qm 150 to 250 us   fm 30 to 40 us
#   sl_send_reply()  qm  80 to 120 us   fm 10 to 15 us
# Exits 0 while forward() costs more than twice as much with qm, 1 when it does not, 2 where the package is not to be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq download kamailio=5.6.3-2 >/dev/null 2>&1 || exit 2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
libdir=$(echo "$work"/root/usr/lib/*/kamailio)

cat >price.py <<'PYTHON'
import os, selectors, socket, subprocess, sys, threading, time

work, libdir = sys.argv[1:]
REQUESTS, AT_ONCE = 4_000, 64
SCRIPTS = {
    "sl_send_reply()": 'sl_send_reply("200", "OK");',
    "forward()": "forward(127.0.0.1, HOP);",
}


def free():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(back):
    while True:
        data, peer = back.recvfrom(65_535)
        if not data:
            return
        head = data.split(b"\r\n")
        head[0] = b"SIP/2.0 200 OK"
        back.sendto(b"\r\n".join(head).replace(b"To: <sip:b@example.com>", b"To: <sip:b@example.com>;tag=1"), peer)


def ticks(parent):
    """CPU time of its children, in seconds."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True).stdout.split()
    total = 0
    for pid in found:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def ask(sock, port):
    """Send all requests, some at a time; return how many were answered."""
    sent = answered = 0
    deadline = time.monotonic() + 30
    sock.settimeout(1)
    while answered < REQUESTS and time.monotonic() < deadline:
        while sent < REQUESTS and sent - answered < AT_ONCE:
            sent += 1
            sock.sendto(
                b"OPTIONS sip:b@example.com SIP/2.0\r\n"
                b"Via: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d\r\n"
                b"From: <sip:a@example.com>;tag=%d\r\nTo: <sip:b@example.com>\r\nCall-ID: %d@example.com\r\n"
                b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
                % (sock.getsockname()[1], sent, sent, sent),
                ("127.0.0.1", port),
            )
        try:
            if sock.recv(65_535).startswith(b"SIP/2.0 200"):
                answered += 1
        except TimeoutError:
            sent = answered  # what is lost is asked for anew
    return answered


def price(name, allocator):
    port, back = free(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.bind(("127.0.0.1", 0))
    threading.Thread(target=answer, args=(back,), daemon=True).start()
    script = SCRIPTS[name].replace("HOP", str(back.getsockname()[1]))
    with open(f"{work}/kamailio.cfg", "w") as config:
        config.write(
            f"children=1\ndisable_tcp=yes\nauto_aliases=no\nlog_stderror=yes\nlisten=udp:127.0.0.1:{port}\n"
            f'mpath="{libdir}/modules/"\nloadmodule "sl.so"\nrequest_route {{\n    {script}\n}}\n'
        )
    command = [f"{work}/root/usr/sbin/kamailio", "-x", allocator, "-f", f"{work}/kamailio.cfg", "-DD", "-E", "-w", work, "-Y", work]
    environment = {**os.environ, "LD_LIBRARY_PATH": libdir}
    with open(f"{work}/log", "w") as log, subprocess.Popen(command, env=environment, stderr=log, stdout=log) as kamailio:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 0))
                time.sleep(2)
                if kamailio.poll() is not None:
                    raise SystemExit(2)
                before = ticks(kamailio.pid)
                answered = ask(sock, port)
                return (ticks(kamailio.pid) - before) / max(answered, 1) * 1e6, answered
        finally:
            kamailio.terminate()


ratios = {}
for name in SCRIPTS:
    (qm, many), (fm, much) = price(name, "qm"), price(name, "fm")
    ratios[name] = qm / max(fm, 0.1)
    print(f"{name}: qm {qm:.0f} us, fm {fm:.0f} us a request ({many}, {much} answered)")
sys.exit(0 if ratios["forward()"] > 2 else 1)
PYTHON
python3 price.py "$work" "$libdir"
