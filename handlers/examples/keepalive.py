"""Be seen alive by a dispatcher: OPTIONS gets 200, or 503 while a maintenance file is there; the rest gets 404.

slbroker run --plugin keepalive.py
touch maintenance      # Kamailio's and OpenSIPS's dispatchers send no calls from now on
rm maintenance
"""

import os
from pathlib import Path

from slbroker import Handlers, Reply, Request

MAINTENANCE = Path(os.environ.get("MAINTENANCE_FILE", "maintenance"))

app = Handlers()


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    if MAINTENANCE.exists():
        return request.reply(503, "Maintenance", headers={"Retry-After": "60"})
    return request.reply(200, "OK", headers={"Accept": "application/sdp", "Allow": "OPTIONS"})


@app.otherwise
def unknown(request: Request) -> Reply:
    return request.reply(404)
