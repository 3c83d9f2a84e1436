#!/usr/bin/env bash
# baresip 1.0.0 (libre 1.1.0, Debian 12) does not register where SHA-256 is offered beside MD5, in either order.
#
# It knows MD5. With RFC 8760's two challenges in one 401 (each algorithm in a header of its own, RFC 3261 22.3) one would
# guess that it answers the one it knows. It sends none, and does not register. Seen (2026-11-28), on amd64:
#   MD5: REGISTER without, REGISTER with credentials
#   SHA-256, MD5: REGISTER without credentials
#   MD5, SHA-256: REGISTER without credentials
# So a registrar that is to serve it offers MD5 alone.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
apt-get -qq download baresip-core=1.0.0-4+b3 libre0=1.1.0-1+b2 librem0=0.6.0-4
for package in ./*.deb; do dpkg-deb -x "$package" root; done
cat > registrar.py <<'PY'
import pathlib
import re
import socket
import subprocess

def answer(text, algorithms):
    lines = text.split("\r\n")
    copied = [line for line in lines if re.match("(Via|From|Call-ID|CSeq):", line)]
    to = next(line for line in lines if line.startswith("To:")) + ";tag=server"
    if "\r\nAuthorization:" in text:
        own = [next(line for line in lines if line.startswith("Contact:"))]
    else:
        own = [f'WWW-Authenticate: Digest realm="r", nonce="n", algorithm={name}, qop="auth"' for name in algorithms]
    status = "401 Unauthorized" if own[0].startswith("WWW") else "200 OK"
    return "\r\n".join([f"SIP/2.0 {status}", *copied, to, *own, "Content-Length: 0", "", ""])

def register(algorithms):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(3)
        home = pathlib.Path("-".join(algorithms))
        home.mkdir()
        (home / "config").write_text("sip_listen 127.0.0.1:0\nmodule_path root/usr/lib/baresip/modules\nmodule_tmp account.so\n")
        (home / "accounts").write_text(f"<sip:alice@127.0.0.1:{server.getsockname()[1]}>;auth_pass=secret;regint=600\n")
        libraries = next(pathlib.Path("root/usr/lib").glob("*/libre.so*")).parent
        phone = subprocess.Popen(["root/usr/bin/baresip", "-f", home], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env={"LD_LIBRARY_PATH": str(libraries), "HOME": str(home)})
        said = []
        try:
            while True:
                data, peer = server.recvfrom(65535)
                text = data.decode()
                said.append("with" if "\r\nAuthorization:" in text else "without")
                server.sendto(answer(text, algorithms).encode(), peer)
        except TimeoutError:
            return said
        finally:
            phone.kill()
            phone.wait()

for algorithms in (["MD5"], ["SHA-256", "MD5"], ["MD5", "SHA-256"]):
    print(f"{', '.join(algorithms)}: REGISTER {', REGISTER '.join(register(algorithms))} credentials")
PY
timeout 60 python3 registrar.py | tee seen
diff seen - <<'SEEN'
MD5: REGISTER without, REGISTER with credentials
SHA-256, MD5: REGISTER without credentials
MD5, SHA-256: REGISTER without credentials
SEEN
