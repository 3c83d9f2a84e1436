"""A redirect server: the longest prefix of the number says which gateways to try, the best one first.

slbroker run --plugin redirect.py
"""

from slbroker import Handlers, Reply, Request

GATEWAYS = {
    "1": ["us1.example.com", "us2.example.com"],
    "49": ["de1.example.com", "de2.example.com"],
    "4930": ["berlin.example.com"],
}

app = Handlers()


def gateways_for(number: str) -> list[str]:
    for length in range(len(number), 0, -1):
        if number[:length] in GATEWAYS:
            return GATEWAYS[number[:length]]
    return []


@app.on("INVITE")
def redirect(request: Request) -> Reply:
    number = request.uri.user.removeprefix("+")
    if not (number.isascii() and number.isdigit()):
        return request.reply(484)
    gateways = gateways_for(number)
    if not gateways:
        return request.reply(404, "No Route To That Number")
    return request.redirect(
        *(f"<sip:+{number}@{gateway}>;q={1 - rank / 10:.1f}" for rank, gateway in enumerate(gateways))
    )


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200)
