#!/usr/bin/env bash
# Kamailio 5.6.3 (Debian 12), jsonrpcs over xhttp: a call with "params": null, as clients write one that has none (by JSON-RPC
# 2.0, 4.2, no structured value: an error would be due), is answered with HTTP 200 and an empty result: core.version and
# sl.stats say {}, stats.get_statistics says [] where it refuses a call without params. So a monitor that sends it sees neither
# an error nor a figure. Parameters behind the first that is no text are not looked at either: of ["a", 5, "b"] "a" alone is.
#
# Seen:  core.version null: {}   sl.stats null: {}   get_statistics null: []   without: 400   fetch of three, the second 5: one
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
from urllib.error import HTTPError
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


def call(method, **more):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1, **more}).encode()
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
    nothing = [call(name, params=None)["result"] for name in ("core.version", "sl.stats", "stats.get_statistics")]
    without = call("stats.get_statistics")["error"]["code"]
    some = call("stats.fetchn", params=["sl.404_replies", 5, "sl.302_replies"])["result"]
    print(nothing, without, some, call("core.version")["result"])
    sys.exit(0 if (nothing, without, some) == ([{}, {}, []], 400, {"sl.404_replies": 0}) else 1)
finally:
    kamailio.terminate()  # a kill would leave its children
    kamailio.wait()
PYTHON

python3 ask.py "$work" "$libdir"
