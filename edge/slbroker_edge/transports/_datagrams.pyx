"""The twin of `datagrams`: up to 64 of them a system call.

What is rare (addresses to be looked up) is handed to Python. The GIL is kept: the sockets are non-blocking and the
process has one thread, so letting go of it only costs.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_CheckExact
from libc.errno cimport errno
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset, strlen
from posix.uio cimport iovec

import _socket

from slbroker.sip.grammar import MAX_DATAGRAM
from slbroker.twins import definition
from slbroker_edge.transports.datagrams import TOLD, TRIES, asked_in, control_bytes

cdef extern from "<Python.h>":
    bint PyUnicode_IS_ASCII(object text)

cdef extern from "<sys/socket.h>":
    ctypedef unsigned int socklen_t
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int AF_INET, AF_INET6, MSG_DONTWAIT
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags)

cdef extern from "<arpa/inet.h>":
    enum: INET6_ADDRSTRLEN
    uint16_t htons(uint16_t number)
    uint16_t ntohs(uint16_t number)
    uint32_t htonl(uint32_t number)
    uint32_t ntohl(uint32_t number)
    int inet_pton(int family, const char *text, void *address)
    const char *inet_ntop(int family, const void *address, char *text, socklen_t size)

cdef struct SocketAddress:  # Linux's sockaddr_in6, and in its first half sockaddr_in
    uint16_t family
    uint16_t port
    uint32_t ipv4  # of IPv6 the flow
    unsigned char ipv6[16]
    uint32_t scope

cdef enum:
    BATCH = 64  # datagrams a system call; by then its own cost is lost in theirs
    BUFFER_ROOM = 65_536  # whole pages
    CONTROL_WORDS = 8  # of 8 bytes: one control message with the address asked takes 5
    IPV4_SIZE = 16
    PEER_SLOTS = 256  # senders remembered: enough for the proxies that send most, and bounded whoever sends the rest
    MAX_CONTROLS = 1_024  # remembered

if MAX_DATAGRAM > BUFFER_ROOM:
    raise ImportError("_datagrams.pyx has less room than the limit in grammar.py asks for")

# Taking ---------------------------------------------------------------------------------------------------------

cdef mmsghdr ring[BATCH]
cdef iovec ring_buffers[BATCH]
cdef SocketAddress ring_senders[BATCH]
cdef uint64_t ring_controls[BATCH][CONTROL_WORDS]
cdef char ring_memory[BATCH][BUFFER_ROOM]  # 4 MB, of which only the pages that datagrams reach are ever paid for
cdef bint ring_in_use = False
cdef SocketAddress peer_keys[PEER_SLOTS]
cdef list peers = [None] * PEER_SLOTS  # the address that recvfrom would give for the key in the same slot
cdef dict asked_by_control = {}


cdef inline void address_message(mmsghdr *message, iovec *buffer, SocketAddress *address, socklen_t size) noexcept:
    memset(message, 0, sizeof(mmsghdr))  # there are fields that this file does not name
    message.msg_hdr.msg_name = address
    message.msg_hdr.msg_namelen = size
    message.msg_hdr.msg_iov = buffer
    message.msg_hdr.msg_iovlen = 1


cdef int _at
for _at in range(BATCH):
    ring_buffers[_at] = iovec(&ring_memory[_at][0], MAX_DATAGRAM)
    address_message(&ring[_at], &ring_buffers[_at], &ring_senders[_at], sizeof(SocketAddress))


cdef tuple make_address(SocketAddress *raw):
    """Return what socket.recvfrom calls this sender."""
    cdef char text[INET6_ADDRSTRLEN]
    cdef bint is_ipv4 = raw.family == AF_INET
    inet_ntop(raw.family, &raw.ipv4 if is_ipv4 else <void *>raw.ipv6, text, INET6_ADDRSTRLEN)
    address = text.decode("ascii"), ntohs(raw.port)
    return address if is_ipv4 else (*address, ntohl(raw.ipv4), raw.scope)


cdef tuple address_of(SocketAddress *raw):
    """Return the sender's address; the same object as last time if the sender is remembered."""
    cdef size_t size = 8 if raw.family == AF_INET else sizeof(SocketAddress)  # only padding follows
    cdef uint32_t mixed = raw.ipv4
    if raw.family != AF_INET:
        memcpy(&mixed, &raw.ipv6[12], 4)
    cdef uint32_t slot = ((mixed ^ raw.port) * <uint32_t>0x9E3779B1 >> 16) % PEER_SLOTS
    if not memcmp(&peer_keys[slot], raw, size):
        return <tuple>peers[slot]
    address = make_address(raw)
    peers[slot] = address  # key and address together: nothing between these two lines runs Python code
    memcpy(&peer_keys[slot], raw, size)
    return address


cdef bytes asked_by(msghdr *message):
    """Return the address of ours that was asked."""
    cdef bytes control = (<char *>message.msg_control)[:message.msg_controllen]
    asked = asked_by_control.get(control)
    if asked is None:
        if len(asked_by_control) >= MAX_CONTROLS:
            asked_by_control.clear()
        asked = asked_by_control[control] = asked_in(control)
    return asked


cdef int fill(dict found, int fd, Py_ssize_t limit, size_t room) except -1:
    """Put datagrams into the lists of the addresses that they asked: most of a turn's ask one, all where `room` is 0."""
    cdef int at, got, wanted
    cdef list batch = None
    cdef msghdr *message
    cdef uint64_t last[CONTROL_WORDS]
    cdef size_t size = 0
    while limit > 0:
        wanted = <int>min(limit, BATCH)
        for at in range(wanted):
            ring[at].msg_hdr.msg_namelen = sizeof(SocketAddress)  # the kernel writes the lengths that it uses
            ring[at].msg_hdr.msg_control = ring_controls[at]
            ring[at].msg_hdr.msg_controllen = room
        got = recvmmsg(fd, ring, wanted, MSG_DONTWAIT, NULL)
        for at in range(got):
            message = &ring[at].msg_hdr
            if batch is None or message.msg_controllen != size or memcmp(message.msg_control, last, size):
                batch = found.setdefault(asked_by(message) if room else b"", [])
                size = message.msg_controllen
                memcpy(last, message.msg_control, size)
            batch.append(((<char *>ring_buffers[at].iov_base)[:ring[at].msg_len], address_of(&ring_senders[at])))
        if got < wanted:  # drained; or an error, consumed by this call or the next
            break
        limit -= got
    return 0


cdef dict take(sock, Py_ssize_t limit, size_t room):
    """Return the datagrams that wait, in lists by the address that they asked; None when the ring is in use."""
    global ring_in_use
    cdef dict found = {}
    # Making tuples can run the garbage collector, which can run anybody's code, which can come in here again.
    if ring_in_use:
        return None
    ring_in_use = True
    try:
        fill(found, sock.fileno(), limit, room)
    finally:
        ring_in_use = False
    return found


def receive_batch(sock, Py_ssize_t limit):
    found = take(sock, limit, 0)
    return definition(receive_batch)(sock, limit) if found is None else found.get(b"", [])


def receive_asked(sock, Py_ssize_t limit):
    found = take(sock, limit, CONTROL_WORDS * sizeof(uint64_t))
    return definition(receive_asked)(sock, limit) if found is None else list(found.items())

# Sending --------------------------------------------------------------------------------------------------------


cdef socklen_t read_address(object address, int family, SocketAddress *raw):
    """Write `address` as the kernel wants it and return its length; 0 when it is not of the plain, numeric form."""
    cdef bint is_ipv4 = family == AF_INET
    cdef Py_ssize_t length = 0
    cdef const char *text
    if not PyTuple_CheckExact(address) or len(<tuple>address) != (2 if is_ipv4 else 4):
        return 0
    host, port = (<tuple>address)[0], (<tuple>address)[1]
    if not PyUnicode_CheckExact(host) or not PyUnicode_IS_ASCII(host) or not is_number(port, 0xFFFF):
        return 0
    text = PyUnicode_AsUTF8AndSize(host, &length)
    if <Py_ssize_t>strlen(text) != length:  # inet_pton would not see what follows a NUL
        return 0
    raw.family = family
    raw.port = htons(port)
    if not is_ipv4:
        flow, scope = (<tuple>address)[2], (<tuple>address)[3]
        if not is_number(flow, 0xFFFFF) or not is_number(scope, 0xFFFFFFFF):
            return 0
        raw.ipv4, raw.scope = htonl(flow), scope
    if inet_pton(family, text, &raw.ipv4 if is_ipv4 else <void *>raw.ipv6) != 1:
        return 0
    return IPV4_SIZE if is_ipv4 else sizeof(SocketAddress)


cdef inline bint is_number(object number, long long most):
    return type(number) is int and 0 <= number <= most


cdef bint told[256]  # errors that may be another datagram's
for _at in range(256):
    told[_at] = _at in TOLD
cdef int TRIES_OF_ONE = TRIES


cdef int flush(int fd, mmsghdr *messages, int count) noexcept:
    """Send `count` datagrams and return how many were taken. A call stops at one that is refused: go on behind it.

    But for an error that an earlier one has met: the same is sent again.
    """
    cdef int at = 0, taken = 0, tries = 1, got
    while at < count:
        got = sendmmsg(fd, messages + at, count - at, MSG_DONTWAIT)
        if got < 0 and tries < TRIES_OF_ONE and errno < 256 and told[errno]:
            tries += 1
            continue
        tries = 1
        taken += max(got, 0)
        at += max(got, 1)
    return taken


def send_batch(sock, items):
    return send_all(sock, items, b"")


def send_asked(sock, items, bytes asked not None):
    return send_all(sock, items, asked)


cdef object family_of = _socket.socket.family.__get__  # a number; socket.socket makes a name of it each time


cdef object by_definition(sock, items, bytes asked):
    return definition(send_asked)(sock, items, asked) if asked else definition(send_batch)(sock, items)


cdef object send_all(sock, items, bytes asked):
    cdef mmsghdr messages[BATCH]
    cdef iovec buffers[BATCH]
    cdef SocketAddress addresses[BATCH]
    cdef bytes control = control_bytes(asked) if asked else b""
    cdef int fd = sock.fileno(), family = family_of(sock), waiting = 0
    cdef socklen_t size
    cdef Py_ssize_t sent = 0
    if family != AF_INET and family != AF_INET6:
        return by_definition(sock, items, asked)
    cdef tuple held = tuple(items)  # keeps alive what `buffers` points to, whatever becomes of the caller's list
    memset(addresses, 0, sizeof(addresses))
    for item in held:
        size = 0
        if PyTuple_CheckExact(item) and len(<tuple>item) == 2 and PyBytes_CheckExact((<tuple>item)[0]):
            size = read_address((<tuple>item)[1], family, &addresses[waiting])
        if size:
            data = (<tuple>item)[0]
            buffers[waiting] = iovec(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            address_message(&messages[waiting], &buffers[waiting], &addresses[waiting], size)
            if asked:
                messages[waiting].msg_hdr.msg_control = PyBytes_AS_STRING(control)
                messages[waiting].msg_hdr.msg_controllen = PyBytes_GET_SIZE(control)
            waiting += 1
        if waiting == BATCH or not size:
            sent += flush(fd, messages, waiting)
            waiting = 0
        if not size:  # a name to be looked up or a mistake to be reported, in its turn
            sent += by_definition(sock, (item,), asked)
    return sent + flush(fd, messages, waiting)
