#!/usr/bin/env bash
# Debian 12's python3 (3.11.2-6+deb12u*) serves TLS clients that know RSA key exchange, AES-CBC and SHA-1 only.
#
# Python's documentation says of ssl.SSLContext since 3.10 that its usual ciphers all have forward secrecy.
# Debian builds Python with --with-ssl-default-suites=openssl, so there a context that was told nothing takes what
# OpenSSL's own list has: a server agrees on AES128-SHA (TLS_RSA_WITH_AES_128_CBC_SHA) with a client that offers nothing
# else. Other builds of the same version refuse it with "no shared cipher": a server that works on Debian for an old phone
# fails in a container. set_ciphers() with a list of one's own makes them alike.
#
# Seen on Debian 12, Python 3.11.2, OpenSSL 3.0:  agreed on AES128-SHA
# Exits 0 while that is so, 1 when it has changed, 2 where this is no Debian 12 Python.
set -euo pipefail
python=/usr/bin/python3
[[ $("$python" -c 'import sys; print(sys.version_info[:3] == (3, 11, 2))' 2>/dev/null) == True ]] || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$work/key" -out "$work/cert" 2>/dev/null
"$python" - "$work" <<'PYTHON'
import ssl
import sys

folder = sys.argv[1]
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # told nothing but its certificate
server.load_cert_chain(f"{folder}/cert", f"{folder}/key")
client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client.load_verify_locations(f"{folder}/cert")
client.maximum_version = ssl.TLSVersion.TLSv1_2
client.set_ciphers("AES128-SHA")
there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
ends = [client.wrap_bio(back, there, server_hostname="localhost"), server.wrap_bio(there, back, server_side=True)]
try:
    while ends:
        end = ends.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            ends.append(end)
        else:
            print("agreed on", end.cipher()[0])
except ssl.SSLError as error:
    sys.exit(f"refused: {error.reason}")
PYTHON
