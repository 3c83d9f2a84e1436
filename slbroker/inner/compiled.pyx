# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `pure` in C: the same results and exceptions, for any arguments.

What is rare (folded heads, names out of the ordinary, odd addresses) is handed to `pure`, so that it has one definition.
The GIL is kept throughout: the sockets never block, the process has one thread, and letting go of it twice a call
costs more than it gives. No reference to Python data outlives a call except the names and peers below.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_SetDefault
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport malloc
from libc.string cimport memchr, memcmp, memcpy, memset, strlen

from slbroker.errors import Drop
from slbroker.inner import pure
from slbroker.inner.pure import BAD_HEADER_LINE, MISSING_EMPTY_LINE, TOO_MANY_HEADERS
from slbroker.sip import grammar

cdef extern from "<Python.h>":
    bint PyUnicode_IS_ASCII(object text)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

cdef extern from "<sys/socket.h>":
    ctypedef unsigned int socklen_t
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int AF_INET, AF_INET6, MSG_DONTWAIT, SOL_SOCKET, SO_DOMAIN
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags)
    int getsockopt(int fd, int level, int option, void *value, socklen_t *length)

cdef extern from "<netinet/in.h>":
    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        pass
    struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        uint16_t sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id

cdef extern from "<arpa/inet.h>":
    enum: INET6_ADDRSTRLEN
    uint16_t htons(uint16_t number)
    uint16_t ntohs(uint16_t number)
    uint32_t htonl(uint32_t number)
    uint32_t ntohl(uint32_t number)
    int inet_pton(int family, const char *text, void *address)
    const char *inet_ntop(int family, const void *address, char *text, socklen_t size)

cdef union SocketAddress:
    sockaddr_in ipv4
    sockaddr_in6 ipv6

# Header names ---------------------------------------------------------------------------------------------------

# The names that messages are made of: RFC 3261 20, then what its extensions added. Any other is `grammar`'s affair.
COMMON_NAMES = b"""
accept accept-encoding accept-language alert-info allow authentication-info authorization call-id call-info contact
content-disposition content-encoding content-language content-length content-type cseq date error-info expires from
in-reply-to max-forwards mime-version min-expires organization priority proxy-authenticate proxy-authorization
proxy-require record-route reply-to require retry-after route server subject supported timestamp to unsupported
user-agent via warning www-authenticate
diversion event history-info identity join min-se p-access-network-info p-asserted-identity p-called-party-id
p-charging-vector p-preferred-identity p-visited-network-id path privacy rack reason refer-to referred-by replaces
rseq service-route session-expires session-id sip-etag sip-if-match subscription-state x-forwarded-for
""".split()

cdef enum:
    NAME_SLOTS = 512  # a power of two, five times the names, so that most are found at the first look
    HEADER_ROOM = 256

if grammar.MAX_HEADERS > HEADER_ROOM:
    raise ImportError("compiled.pyx has room for fewer headers than grammar.MAX_HEADERS")

cdef Py_ssize_t MAX_HEADERS = grammar.MAX_HEADERS
cdef object canonical_name = grammar.canonical_name

cdef struct KnownName:
    const char *spelling  # lower case; NULL in a free slot
    Py_ssize_t length
    PyObject *canonical

cdef KnownName known_names[NAME_SLOTS]
cdef unsigned char lower[256]
cdef dict kept_names = {}  # spelling -> canonical: owns every object that known_names points at


cdef inline unsigned int slot_of(const unsigned char *name, Py_ssize_t length) noexcept:
    """Hash a name that is not empty; which letters are capitals makes no difference."""
    return (<unsigned int>length * 47 + (name[0] | 0x20) * 7 + (name[length // 2] | 0x20) * 29
            + (name[length - 1] | 0x20) * 101) % NAME_SLOTS


cdef PyObject *find_name(const unsigned char *name, Py_ssize_t length) noexcept:
    """Return the canonical name, borrowed, or NULL when it is none of the known ones."""
    cdef unsigned int slot = slot_of(name, length)
    cdef Py_ssize_t at
    while known_names[slot].spelling:
        if known_names[slot].length == length:
            at = 0
            while at < length and lower[name[at]] == <unsigned char>known_names[slot].spelling[at]:
                at += 1
            if at == length:
                return known_names[slot].canonical
        slot = (slot + 1) % NAME_SLOTS
    return NULL


cdef void keep_name(bytes spelling, bytes canonical):
    cdef unsigned int slot = slot_of(spelling, len(spelling))
    kept_names[spelling] = canonical
    while known_names[slot].spelling:
        slot = (slot + 1) % NAME_SLOTS
    known_names[slot] = KnownName(PyBytes_AS_STRING(spelling), len(spelling), <PyObject *>canonical)


def _keep_names():
    for code, small in enumerate(bytes(range(256)).lower()):
        lower[code] = small
    interned = {name: name for name in (*COMMON_NAMES, *grammar.COMPACT_FORMS.values())}
    for name in interned:
        keep_name(name, name)
    for short, name in grammar.COMPACT_FORMS.items():
        keep_name(short, interned[name])


_keep_names()

# scan -----------------------------------------------------------------------------------------------------------

cdef struct Span:
    const char *name
    const char *value
    Py_ssize_t name_length  # 0 for a line that is no header
    Py_ssize_t value_length


cdef inline bint is_blank(char byte) noexcept:
    return byte == c" " or byte == c"\t"


cdef inline Span cut(const char *line, const char *end) noexcept:
    """Cut a header line at its colon, without white space before the colon and around the value."""
    cdef const char *colon = <const char *>memchr(line, c":", end - line)
    if colon == NULL:
        return Span(line, line, 0, 0)
    cdef const char *name_end = colon
    cdef const char *value = colon + 1
    while name_end > line and is_blank((name_end - 1)[0]):
        name_end -= 1
    while value < end and is_blank(value[0]):
        value += 1
    while end > value and is_blank((end - 1)[0]):
        end -= 1
    return Span(line, value, name_end - line, end - value)


def scan(data):
    """Do what `pure.scan` does. The lines are found first, without a Python object; then the objects are made."""
    if not PyBytes_CheckExact(data):
        return pure.scan(data)
    cdef const char *line = PyBytes_AS_STRING(data)
    cdef const char *end = line + PyBytes_GET_SIZE(data)
    cdef const char *line_end
    cdef const char *newline
    cdef Span spans[HEADER_ROOM]
    cdef Py_ssize_t breaks = 0
    cdef Py_ssize_t start_length
    start = fault = None
    while True:
        newline = <const char *>memchr(line, c"\n", end - line)
        line_end = end if newline == NULL else newline - 1
        # line_end is one before `line` when the LF comes first: it is bare, as the LF before it has ended a line
        if line_end < line or newline != NULL and line_end[0] != c"\r" or memchr(line, c"\r", line_end - line) != NULL:
            raise Drop("bare-crlf")
        if breaks == 0:
            start_length = line_end - line
        elif breaks <= MAX_HEADERS:
            spans[breaks - 1] = cut(line, line_end)
        if newline == NULL:
            fault = MISSING_EMPTY_LINE
            line = end
            break
        line = newline + 1
        if line < end and is_blank(line[0]):
            return pure.scan(data)
        if end - line >= 2 and line[0] == c"\r" and line[1] == c"\n":
            fault = ""
            line += 2
            break
        breaks += 1
    if breaks > MAX_HEADERS:
        fault = TOO_MANY_HEADERS
        breaks = MAX_HEADERS
    return build(data[:start_length], spans, breaks, line[:end - line], fault)


cdef tuple build(bytes start, Span *spans, Py_ssize_t count, bytes body, str fault):
    """Make the result of `scan`; the spans point into bytes that the caller holds."""
    cdef list headers = [None] * (2 * count)  # in one piece: growing it costs as much as filling it
    cdef dict first = {}
    cdef Py_ssize_t at, used = 0
    cdef PyObject *known
    for at in range(count):
        known = NULL
        if spans[at].name_length:
            known = find_name(<const unsigned char *>spans[at].name, spans[at].name_length)
        if known != NULL:
            name = <object>known
        elif not spans[at].name_length or not (name := canonical_name(spans[at].name[:spans[at].name_length])):
            fault = fault or BAD_HEADER_LINE
            continue
        value = PyBytes_FromStringAndSize(spans[at].value, spans[at].value_length)
        headers[used] = name
        headers[used + 1] = value
        used += 2
        PyDict_SetDefault(first, name, value)
    if used < 2 * count:
        del headers[used:]
    return start, headers, first, body, fault


# receive_batch --------------------------------------------------------------------------------------------------

cdef enum:
    BATCH = 64  # datagrams a system call; by then its own cost is lost in theirs
    PEER_SLOTS = 256  # senders remembered: enough for the proxies that send most, bounded whoever sends the rest
    BUFFER_STEP = 65_536 + 576  # not whole pages: else all buffers would compete for the same lines of the CPU's cache

if grammar.MAX_DATAGRAM > BUFFER_STEP:
    raise ImportError("compiled.pyx has less room for a datagram than grammar.MAX_DATAGRAM")

cdef mmsghdr ring[BATCH]
cdef iovec ring_buffers[BATCH]
cdef SocketAddress ring_senders[BATCH]
cdef char *ring_memory = NULL
cdef bint ring_in_use = False

cdef SocketAddress peer_keys[PEER_SLOTS]
cdef list peers = [None] * PEER_SLOTS


cdef int make_ring() except -1:
    """Set up 64 buffers of 64 KiB, 4 MB that stay untouched, so unpaid, but for the pages that datagrams reach."""
    global ring_memory
    cdef int at
    cdef char *memory = <char *>malloc(BATCH * BUFFER_STEP)
    if memory == NULL:
        raise MemoryError
    memset(ring, 0, sizeof(ring))
    for at in range(BATCH):
        ring_buffers[at] = iovec(memory + at * BUFFER_STEP, grammar.MAX_DATAGRAM)
        ring[at].msg_hdr.msg_iov = &ring_buffers[at]
        ring[at].msg_hdr.msg_iovlen = 1
        ring[at].msg_hdr.msg_name = &ring_senders[at]
        ring[at].msg_hdr.msg_namelen = sizeof(SocketAddress)
    ring_memory = memory
    return 0


cdef tuple make_address(SocketAddress *raw):
    """Return what socket.recvfrom calls this sender."""
    cdef char text[INET6_ADDRSTRLEN]
    if raw.ipv4.sin_family == AF_INET:
        inet_ntop(AF_INET, &raw.ipv4.sin_addr, text, INET6_ADDRSTRLEN)
        return text.decode("ascii"), ntohs(raw.ipv4.sin_port)
    inet_ntop(AF_INET6, &raw.ipv6.sin6_addr, text, INET6_ADDRSTRLEN)
    return text.decode("ascii"), ntohs(raw.ipv6.sin6_port), ntohl(raw.ipv6.sin6_flowinfo), raw.ipv6.sin6_scope_id


cdef tuple address_of(SocketAddress *raw):
    """Return the sender's address; the same object as last time if the sender is remembered."""
    cdef size_t size = sizeof(sockaddr_in6)
    cdef uint32_t mixed
    if raw.ipv4.sin_family == AF_INET:
        size = 8  # family, port and address; only padding follows
        mixed = raw.ipv4.sin_addr.s_addr
    else:
        memcpy(&mixed, <char *>&raw.ipv6.sin6_addr + 12, 4)
    cdef uint32_t slot = ((mixed ^ raw.ipv4.sin_port) * <uint32_t>0x9E3779B1) >> 24
    if not memcmp(&peer_keys[slot], raw, size):
        return <tuple>peers[slot]
    address = make_address(raw)
    peers[slot] = address
    memcpy(&peer_keys[slot], raw, size)
    return address


def receive_batch(sock, Py_ssize_t limit):
    """Do what `pure.receive_batch` does, 64 datagrams a system call."""
    global ring_in_use
    cdef list batch = []
    # Making the results can run the garbage collector and with it anybody's code, which may come in here again.
    if ring_in_use:
        return pure.receive_batch(sock, limit)
    if ring_memory == NULL:
        make_ring()
    ring_in_use = True
    try:
        fill(sock.fileno(), limit, batch)
    finally:
        ring_in_use = False
    return batch


cdef int fill(int fd, Py_ssize_t limit, list batch) except -1:
    cdef int at, got, wanted
    while limit > 0:
        wanted = <int>min(limit, BATCH)
        got = recvmmsg(fd, ring, wanted, MSG_DONTWAIT, NULL)
        for at in range(got):
            ring[at].msg_hdr.msg_namelen = sizeof(SocketAddress)  # the kernel wrote the length it used
            batch.append(((<char *>ring_buffers[at].iov_base)[:ring[at].msg_len], address_of(&ring_senders[at])))
        if got < wanted:  # drained, or an error that this call or the next one consumes
            break
        limit -= got
    return 0

# send_batch -----------------------------------------------------------------------------------------------------


cdef long long read_number(object number, long long most):
    """Return an int between 0 and `most`; -1 for anything else."""
    cdef int overflow = 0
    if not PyLong_CheckExact(number):
        return -1
    cdef long long value = PyLong_AsLongLongAndOverflow(number, &overflow)
    return value if not overflow and 0 <= value <= most else -1


cdef socklen_t write_address(object address, int family, SocketAddress *raw):
    """Write `address` as the kernel wants it and return its length; 0 when it is not of the plain, numeric form."""
    cdef Py_ssize_t length
    cdef long long port, flow, scope
    if not PyTuple_CheckExact(address) or len(<tuple>address) != (2 if family == AF_INET else 4):
        return 0
    host = (<tuple>address)[0]
    if not PyUnicode_CheckExact(host) or not PyUnicode_IS_ASCII(host):
        return 0
    cdef const char *text = PyUnicode_AsUTF8AndSize(host, &length)
    port = read_number((<tuple>address)[1], 0xFFFF)
    if port < 0 or <Py_ssize_t>strlen(text) != length:  # a NUL would end the host early
        return 0
    memset(raw, 0, sizeof(SocketAddress))
    if family == AF_INET:
        raw.ipv4.sin_family = AF_INET
        raw.ipv4.sin_port = htons(port)
        return sizeof(sockaddr_in) if inet_pton(AF_INET, text, &raw.ipv4.sin_addr) == 1 else 0
    flow, scope = read_number((<tuple>address)[2], 0xFFFFF), read_number((<tuple>address)[3], 0xFFFFFFFF)
    if flow < 0 or scope < 0:
        return 0
    raw.ipv6.sin6_family = AF_INET6
    raw.ipv6.sin6_port = htons(port)
    raw.ipv6.sin6_flowinfo = htonl(flow)
    raw.ipv6.sin6_scope_id = scope
    return sizeof(sockaddr_in6) if inet_pton(AF_INET6, text, &raw.ipv6.sin6_addr) == 1 else 0


cdef int flush(int fd, mmsghdr *messages, int count) noexcept:
    """Send `count` datagrams and return how many were taken; each call stops at one that is refused, so go on behind."""
    cdef int at = 0, taken = 0, got
    while at < count:
        got = sendmmsg(fd, messages + at, count - at, MSG_DONTWAIT)
        if got > 0:
            at += got
            taken += got
        else:
            at += 1
    return taken


def send_batch(sock, items):
    """Do what `pure.send_batch` does, up to 64 datagrams a system call."""
    cdef mmsghdr messages[BATCH]
    cdef iovec buffers[BATCH]
    cdef SocketAddress addresses[BATCH]
    cdef int fd = sock.fileno()
    cdef int family = -1, waiting = 0
    cdef socklen_t size = sizeof(family)
    cdef Py_ssize_t sent = 0
    # the system call costs a quarter of what the property sock.family does
    if getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) or family != AF_INET and family != AF_INET6:
        return pure.send_batch(sock, items)
    cdef tuple held = tuple(items)  # keeps alive what the buffers point to, whatever happens to the caller's list
    memset(messages, 0, sizeof(messages))
    for item in held:
        size = 0
        if PyTuple_CheckExact(item) and len(<tuple>item) == 2 and PyBytes_CheckExact((<tuple>item)[0]):
            size = write_address((<tuple>item)[1], family, &addresses[waiting])
        if size:
            data = (<tuple>item)[0]
            buffers[waiting] = iovec(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            messages[waiting].msg_hdr.msg_name = &addresses[waiting]
            messages[waiting].msg_hdr.msg_namelen = size
            messages[waiting].msg_hdr.msg_iov = &buffers[waiting]
            messages[waiting].msg_hdr.msg_iovlen = 1
            waiting += 1
        if waiting == BATCH or not size:
            sent += flush(fd, messages, waiting)
            waiting = 0
        if not size:  # a name to look up, a mistake to report: in its turn, behind those that came before it
            sent += pure.send_batch(sock, (item,))
    return sent + flush(fd, messages, waiting)
