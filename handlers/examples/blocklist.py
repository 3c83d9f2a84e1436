"""Turn away unwanted callers, and send the others on: scanners hear nothing, blocked callers a 603.

slbroker run --plugin blocklist.py
"""

from ipaddress import ip_address, ip_network

from slbroker import Handlers, Request
from slbroker.plugin import Decision

SCANNERS = ("friendly-scanner", "sipvicious", "sipcli")
NETWORKS = [ip_network("203.0.113.0/24"), ip_network("2001:db8:bad::/48")]
CALLERS = {"+15550100", "anonymous"}
PROXY = "sip:proxy.example.com;lr"

app = Handlers()


def is_scanner(request: Request) -> bool:
    agent = request.headers.get("User-Agent", "").lower()
    return any(scanner in agent for scanner in SCANNERS)


def is_blocked(request: Request) -> bool:
    host = ip_address(request.source.host)
    return any(host in network for network in NETWORKS) or request.from_uri.decoded_user in CALLERS


@app.otherwise
def screen(request: Request) -> Decision:
    if is_scanner(request):
        return request.drop()  # an answer would tell it that somebody is here
    if is_blocked(request):
        return request.reply(603)
    if request.method == "INVITE":
        return request.redirect(PROXY)
    return request.reply(200 if request.method == "OPTIONS" else 404)
