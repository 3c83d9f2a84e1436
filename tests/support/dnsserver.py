"""A small DNS server of a test's own, over UDP and TCP on the loopback: what it says, and how, is the test's."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.zone

if TYPE_CHECKING:
    from types import TracebackType


class DnsServer:
    """Answers from one zone, given as text; use it in a `with` statement."""

    def __init__(self, zone: str, origin: str = "example.com.") -> None:
        self.asked: list[tuple[str, str]] = []  # name and type of each question
        self.silent = False
        self.rcode = dns.rcode.NOERROR  # of each answer, if it is another one
        self.without_soa = False
        self.use(zone, origin)
        self._udp, self._tcp = _on_one_port()
        self.address: tuple[str, int] = self._udp.getsockname()
        self._stop, self._stopping = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)

    def use(self, zone: str, origin: str = "example.com.") -> None:
        """Answer from this zone from now on."""
        head = "@ 60 IN SOA ns.example.com. root.example.com. 1 3600 900 86400 7\n@ 60 IN NS ns\n"
        self._zone = dns.zone.from_text(head + zone, origin, relativize=False, check_origin=False)

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()
        self._thread.join()
        for one in (self._udp, self._tcp, self._stopping):
            one.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in (self._udp, self._tcp, self._stopping):
                selector.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._stopping:
                        return
                    if key.fileobj is self._udp:
                        data, peer = self._udp.recvfrom(65_535)
                        if (answer := self._answer(data, limit=True)) is not None:
                            self._udp.sendto(answer, peer)
                    else:
                        self._serve_stream()

    def _serve_stream(self) -> None:
        connection, _ = self._tcp.accept()
        with connection, suppress(OSError):
            connection.settimeout(2)
            size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
            answer = self._answer(connection.recv(size, socket.MSG_WAITALL), limit=False)
            if answer is not None:
                connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answer(self, data: bytes, *, limit: bool) -> bytes | None:
        question = dns.message.from_wire(data)
        name, kind = question.question[0].name, question.question[0].rdtype
        self.asked.append((name.to_text(omit_final_dot=True), dns.rdatatype.to_text(kind)))
        if self.silent:
            return None
        response = dns.message.make_response(question)
        response.flags |= dns.flags.AA | dns.flags.RA
        self._fill(response, name, kind)
        if self.rcode != dns.rcode.NOERROR:
            response.set_rcode(self.rcode)
        wire = response.to_wire(max_size=65_535)
        if limit and len(wire) > question.payload:
            response = dns.message.make_response(question)
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return wire

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        node = self._zone.get_node(name)
        if node is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        while node is not None:
            found = node.get_rdataset(self._zone.rdclass, kind)
            alias = node.get_rdataset(self._zone.rdclass, dns.rdatatype.CNAME)
            if found is None and alias is None:
                break
            rdataset = found or alias
            assert rdataset is not None
            response.answer.append(dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset)))
            if found is not None:
                return
            name = rdataset[0].target
            node = self._zone.get_node(name)
        if not self.without_soa:
            soa = self._zone.get_rrset("@", dns.rdatatype.SOA)
            assert soa is not None
            response.authority.append(soa)


def _on_one_port() -> tuple[socket.socket, socket.socket]:
    """A UDP socket, and a TCP one with the same number: what is free for one may be somebody's for the other."""
    for _ in range(20):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()
    raise OSError("no port is free for both UDP and TCP")
