#!/usr/bin/env bash
# pjsua2 2.15.1 sends a re-INVITE of its own as soon as a 200's SDP answer takes two of the codecs that it has offered.
#
# RFC 3264 6.1 lets an answer list several formats. pjsip wants one, so it asks again with the first alone, before its user
# does anything. A stateless server that answers 200 to an INVITE has to be ready for an INVITE within the dialog at once,
# or answer with one codec. Seen (2026-11-28), what is sent within 2 s of the 200:
#   one codec: INVITE, ACK
#   two codecs: INVITE, ACK, INVITE
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: pjsua2-python==2.15.1.post1
cat > server.py <<'PY'
import re
import socket
import subprocess
import sys

def answer(text, codecs, port):
    lines = text.split("\r\n")
    copied = [line for line in lines if re.match("(Via|From|Call-ID|CSeq):", line)]
    to = next(line for line in lines if line.startswith("To:"))
    body = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP {codecs}\r\n"
    own = [to if ";tag=" in to else f"{to};tag=server", f"Contact: <sip:127.0.0.1:{port}>", "Content-Type: application/sdp"]
    return "\r\n".join(["SIP/2.0 200 OK", *copied, *own, f"Content-Length: {len(body)}", "", body])

def call(codecs):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(2)
        port = server.getsockname()[1]
        phone = subprocess.Popen([sys.executable, "phone.py", str(port)], stdout=subprocess.DEVNULL)
        sent = []
        try:
            server.settimeout(20)  # until it has started
            while len(sent) < 4:
                data, peer = server.recvfrom(65535)
                server.settimeout(2)
                text = data.decode()
                sent.append(text.split(" ")[0])
                if sent == ["INVITE"]:
                    server.sendto(answer(text, codecs, port).encode(), peer)
        except TimeoutError:
            pass
        finally:
            phone.kill()
            phone.wait()
        return ", ".join(dict.fromkeys(sent)) + (", INVITE" if "INVITE" in sent[1:] else "")

print("one codec:", call("0"))
print("two codecs:", call("0 8"))
PY
cat > phone.py <<'PY'
import sys
import time

import pjsua2 as pj

endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
config.logConfig.level = config.logConfig.consoleLevel = 0
endpoint.libInit(config)
endpoint.audDevManager().setNullDev()
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, pj.TransportConfig())
endpoint.libStart()
account = pj.Account()
settings = pj.AccountConfig()
settings.idUri = "sip:alice@127.0.0.1"
account.create(settings)
call = pj.Call(account)
call.makeCall(f"sip:bob@127.0.0.1:{sys.argv[1]}", pj.CallOpParam(True))
while True:
    endpoint.libHandleEvents(50)
    time.sleep(0.01)
PY
timeout 60 venv/bin/python server.py | tee seen
diff seen - <<'SEEN'
one codec: INVITE, ACK
two codecs: INVITE, ACK, INVITE
SEEN
