#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), htable module: a life that is given to one entry ($shtex(table=>key) = 1, sht_setxs) means
# nothing in a table that is defined without autoexpire. It is taken without a word, $shtex reads 0, and the entry stays
# for ever. In a table with any autoexpire the same entry is gone when its second is over.
#
# Seen, both entries given 1 s, read 4 s later:  without autoexpire: there   with autoexpire=600: gone
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
loadmodule "htable.so"
modparam("htable", "htable", "plain=>size=4;")
modparam("htable", "htable", "mortal=>size=4;autoexpire=600;")
request_route {
    if ($rU == "set") {
        $sht(plain=>k) = 1;
        $shtex(plain=>k) = 1;
        $sht(mortal=>k) = 1;
        $shtex(mortal=>k) = 1;
    }
    $var(plain) = "there";
    $var(mortal) = "there";
    if ($sht(plain=>k) == $null) $var(plain) = "gone";
    if ($sht(mortal=>k) == $null) $var(mortal) = "gone";
    sl_send_reply("200", "Now $var(plain) $var(mortal)");
}
CONFIG

cat >ask.py <<'PYTHON'
import socket, subprocess, sys, time

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


def ask(user):
    request = (
        f"OPTIONS sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{sock.getsockname()[1]};branch=z9hG4bK1\r\n"
        "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
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
    print(ask("set"))
    time.sleep(4)
    print(ask("read"))
finally:
    kamailio.terminate()
    kamailio.wait()
PYTHON

said=$(python3 ask.py "$work" "$libdir")
echo "plain and mortal, at once and 4 s later: ${said//$'\n'/, }"
[[ $said == $'there there\nthere gone' ]]
