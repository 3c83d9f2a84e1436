#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), jsonrpcs over xhttp: each answer to a JSON-RPC call over HTTP is counted among the SIP replies of
# the module sl, by its HTTP status: 200_replies, 400_replies, 500_replies. Reading statistics changes them; a monitor that
# asks once a second adds 86,400 a day to 200_replies. And stats.reset_statistics of these counters says {} and resets nothing.
#
# Seen, no SIP request at all; three calls of sl.stats, one of an unknown method, one without its parameter, one reset:
#   200_replies 4   400_replies 1   500_replies 1
# Exits 0 while that is so, 1 when it has changed, 2 where the package is not to be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq download kamailio=5.6.3-2 kamailio-extra-modules=5.6.3-2 >/dev/null 2>&1 || apt-get -qq download kamailio=5.6.3-2 >/dev/null 2>&1 || exit 2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
libdir=$(echo "$work"/root/usr/lib/*/kamailio)

cat >kamailio.cfg <<'CONFIG'
children=1
tcp_children=1
auto_aliases=no
log_stderror=yes
tcp_accept_no_cl=yes
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "kex.so"
loadmodule "xhttp.so"
loadmodule "jsonrpcs.so"
modparam("jsonrpcs", "transport", 1)
request_route { exit; }
event_route[xhttp:request] { jsonrpc_dispatch(); }
CONFIG

cat >ask.py <<'PYTHON'
import json, socket, subprocess, sys, time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

work, libdir = sys.argv[1:]
spare = socket.socket()
spare.bind(("127.0.0.1", 0))
port = spare.getsockname()[1]
spare.close()
kamailio = subprocess.Popen(
    [f"{work}/root/usr/sbin/kamailio", "-f", f"{work}/kamailio.cfg", "-DD", "-E", "-L", f"{libdir}/modules", "-m", "16",
     "-M", "4", "-l", f"tcp:127.0.0.1:{port}", "-w", work, "-Y", work],
    env={"LD_LIBRARY_PATH": libdir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)


def call(method, *params):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1, "params": params}).encode()
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}/RPC", body), timeout=5) as answer:
            return json.load(answer)
    except HTTPError as error:
        return json.load(error)


try:
    for attempt in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    time.sleep(1)
    for _ in range(3):
        call("sl.stats")
    call("no.such.method")
    call("stats.get_statistics")
    reset = call("stats.reset_statistics", "200_replies")["result"]
    time.sleep(2)
    found = call("stats.fetchn", "sl.200_replies", "sl.400_replies", "sl.500_replies")["result"]
    print(reset, found)
    expected = {"sl.200_replies": 4, "sl.400_replies": 1, "sl.500_replies": 1}
    sys.exit(0 if reset == {} and found == expected else 1)
finally:
    kamailio.terminate()  # a kill would leave its children
    kamailio.wait()
PYTHON

python3 ask.py "$work" "$libdir"
