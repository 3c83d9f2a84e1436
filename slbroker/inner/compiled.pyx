# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `pure` in C: the same results and exceptions for the same arguments.

What is rare (folded heads, uncommon header names, addresses to be looked up) is handed to Python, so that it has one
definition. The GIL is kept: the sockets are non-blocking and the process has one thread, so letting go of it only costs.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetDefault
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_CheckExact
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memchr, memcmp, memcpy, memset, strlen
from posix.uio cimport iovec

from slbroker.errors import Drop
from slbroker.inner import pure
from slbroker.sip import grammar

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
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    cmsghdr *CMSG_FIRSTHDR(msghdr *message)
    cmsghdr *CMSG_NXTHDR(msghdr *message, cmsghdr *control)
    unsigned char *CMSG_DATA(cmsghdr *control)
    size_t CMSG_LEN(size_t length)
    size_t CMSG_SPACE(size_t length)
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int AF_INET, AF_INET6, MSG_DONTWAIT
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags)

cdef extern from "<netinet/in.h>":
    int IPPROTO_IP, IPPROTO_IPV6, IP_PKTINFO, IPV6_PKTINFO
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
    struct in_pktinfo:
        in_addr ipi_spec_dst
    struct in6_pktinfo:
        in6_addr ipi6_addr
        unsigned int ipi6_ifindex

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

cdef enum:
    HEADER_ROOM = 256
    NAME_SLOTS = 512  # a power of two, several times the names, so that most are found at the first look
    BATCH = 64  # datagrams a system call; by then its own cost is lost in theirs
    BUFFER_ROOM = 65_536  # whole pages
    ASKED_ROOM = 24  # bytes: an in6_pktinfo has 20, an in_pktinfo 12
    CONTROL_WORDS = 8  # of 8 bytes: one control message with the address asked takes 5
    PEER_SLOTS = 256  # senders remembered: enough for the proxies that send most, and bounded whoever sends the rest

if grammar.MAX_HEADERS > HEADER_ROOM or grammar.MAX_DATAGRAM > BUFFER_ROOM:
    raise ImportError("compiled.pyx has less room than the limits in grammar.py ask for")

cdef Py_ssize_t MAX_HEADERS = grammar.MAX_HEADERS
cdef object canonical_name = grammar.canonical_name

# Header names ---------------------------------------------------------------------------------------------------

# The names that messages are made of: RFC 3261 20, then what extensions added. All others are left to `grammar`.
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

cdef struct KnownName:
    const char *spelling  # lower case; NULL in a free slot
    Py_ssize_t length
    PyObject *canonical  # borrowed, like `spelling`, from kept_names

cdef KnownName known_names[NAME_SLOTS]
cdef dict kept_names = {}


cdef inline unsigned int slot_of(const unsigned char *name, Py_ssize_t length) noexcept:
    """Hash a name that is not empty; which letters are capitals makes no difference."""
    return (<unsigned int>length * 47 + (name[0] | 0x20) * 7 + (name[length // 2] | 0x20) * 29
            + (name[length - 1] | 0x20) * 101) % NAME_SLOTS


cdef PyObject *find_name(const unsigned char *name, Py_ssize_t length) noexcept:
    """Return the canonical form of a name that is not empty, borrowed; NULL when it is none of the known ones.

    `| 0x20` folds case exactly: known names are letters and "-", and of the bytes that it makes into those only CR
    is neither, which no line holds.
    """
    cdef unsigned int slot = slot_of(name, length)
    cdef Py_ssize_t at
    while known_names[slot].spelling:
        if known_names[slot].length == length:
            at = 0
            while at < length and name[at] | 0x20 == known_names[slot].spelling[at]:
                at += 1
            if at == length:
                return known_names[slot].canonical
        slot = (slot + 1) % NAME_SLOTS
    return NULL


def _keep_names():
    cdef bytes spelling
    cdef unsigned int slot
    for name in (*grammar.COMPACT_FORMS.values(), *COMMON_NAMES):
        kept_names.setdefault(name, name)
    for short, name in grammar.COMPACT_FORMS.items():
        kept_names[short] = kept_names[name]
    for spelling, name in kept_names.items():
        slot = slot_of(spelling, len(spelling))
        while known_names[slot].spelling:
            slot = (slot + 1) % NAME_SLOTS
        known_names[slot] = KnownName(PyBytes_AS_STRING(spelling), len(spelling), <PyObject *>name)


_keep_names()

# scan -----------------------------------------------------------------------------------------------------------

cdef inline bint is_blank(char byte) noexcept:
    return byte == c" " or byte == c"\t"


cdef inline Span cut(const char *line, const char *end) noexcept:
    """Cut a header line at its colon; leave out the white space before the colon and around the value."""
    cdef const char *colon = <const char *>memchr(line, c":", end - line)
    if colon == NULL:
        return Span(line, 0, line, 0)
    cdef const char *name_end = colon
    cdef const char *value = colon + 1
    while name_end > line and is_blank((name_end - 1)[0]):
        name_end -= 1
    while value < end and is_blank(value[0]):
        value += 1
    while end > value and is_blank((end - 1)[0]):
        end -= 1
    return Span(line, name_end - line, value, end - value)


def scan(data):
    """Do what `pure.scan` does: find all lines first, without a Python object, then make the objects."""
    if not PyBytes_CheckExact(data):
        return pure.scan(data)
    cdef const char *line = PyBytes_AS_STRING(data)
    cdef const char *end = line + PyBytes_GET_SIZE(data)
    cdef const char *newline
    cdef const char *line_end
    cdef Span spans[HEADER_ROOM]
    cdef Py_ssize_t breaks = 0, start_length = 0
    fault = ""
    while True:
        newline = <const char *>memchr(line, c"\n", end - line)
        line_end = end if newline == NULL else newline - 1
        # An LF at the very start of a line puts line_end before the line; that LF has no CR of its own.
        if line_end < line or newline != NULL and line_end[0] != c"\r":
            raise Drop("bare-crlf")
        if memchr(line, c"\r", line_end - line) != NULL:
            raise Drop("bare-crlf")
        if breaks == 0:
            start_length = line_end - line
        elif breaks <= MAX_HEADERS:
            spans[breaks - 1] = cut(line, line_end)
        if newline == NULL:
            fault = pure.MISSING_EMPTY_LINE
            line = end
            break
        line = newline + 1
        if line < end and is_blank(line[0]):
            return pure.scan(data)
        if end - line >= 2 and line[0] == c"\r" and line[1] == c"\n":
            line += 2
            break
        breaks += 1
    if breaks > MAX_HEADERS:
        fault = pure.TOO_MANY_HEADERS
        breaks = MAX_HEADERS
    return make_result(data[:start_length], spans, breaks, line[:end - line], fault) or pure.scan(data)


cdef tuple make_result(bytes start, Span *spans, Py_ssize_t count, bytes body, str fault):
    """Make the result of `scan`, which holds the data that the spans point into; None for a line that is no header."""
    cdef list headers = [None] * (2 * count)  # in one piece: growing it would cost as much as filling it
    cdef dict first = {}
    cdef Py_ssize_t at
    cdef PyObject *known
    for at in range(count):
        name = None
        if spans[at].name_length:
            known = find_name(<const unsigned char *>spans[at].name, spans[at].name_length)
            name = <object>known if known else canonical_name(spans[at].name[:spans[at].name_length])
        if not name:
            return None
        value = PyBytes_FromStringAndSize(spans[at].value, spans[at].value_length)
        headers[2 * at] = name
        headers[2 * at + 1] = value
        PyDict_SetDefault(first, name, value)
    return start, headers, first, body, fault

# receive_batch --------------------------------------------------------------------------------------------------

cdef mmsghdr ring[BATCH]
cdef iovec ring_buffers[BATCH]
cdef SocketAddress ring_senders[BATCH]
cdef char *ring_memory = NULL
cdef bint ring_in_use = False
cdef SocketAddress peer_keys[PEER_SLOTS]
cdef list peers = [None] * PEER_SLOTS  # the address that recvfrom would give for the key in the same slot


cdef int make_ring() except -1:
    """Set up the buffers, at the first call: 4 MB, of which only the pages that datagrams reach are ever paid for."""
    global ring_memory
    cdef int at
    cdef char *memory = <char *>malloc(BATCH * BUFFER_ROOM)
    if memory == NULL:
        raise MemoryError
    for at in range(BATCH):
        ring_buffers[at] = iovec(memory + at * BUFFER_ROOM, grammar.MAX_DATAGRAM)
        address_message(&ring[at], &ring_buffers[at], &ring_senders[at], sizeof(SocketAddress))
    ring_memory = memory
    return 0


cdef inline void address_message(mmsghdr *message, iovec *buffer, SocketAddress *address, socklen_t size) noexcept:
    memset(message, 0, sizeof(mmsghdr))  # there are fields that this file does not name
    message.msg_hdr.msg_name = address
    message.msg_hdr.msg_namelen = size
    message.msg_hdr.msg_iov = buffer
    message.msg_hdr.msg_iovlen = 1


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
    cdef uint32_t slot = ((mixed ^ raw.ipv4.sin_port) * <uint32_t>0x9E3779B1 >> 16) % PEER_SLOTS
    if not memcmp(&peer_keys[slot], raw, size):
        return <tuple>peers[slot]
    address = make_address(raw)
    peers[slot] = address  # key and address together: nothing between these two lines runs Python code
    memcpy(&peer_keys[slot], raw, size)
    return address


cdef int fill(list batch, int fd, Py_ssize_t limit) except -1:
    cdef int at, got, wanted
    while limit > 0:
        wanted = <int>min(limit, BATCH)
        got = recvmmsg(fd, ring, wanted, MSG_DONTWAIT, NULL)
        for at in range(got):
            ring[at].msg_hdr.msg_namelen = sizeof(SocketAddress)  # the kernel wrote the length that it used
            batch.append(((<char *>ring_buffers[at].iov_base)[:ring[at].msg_len], address_of(&ring_senders[at])))
        if got < wanted:  # drained; or an error, consumed by this call or the next
            break
        limit -= got
    return 0


def receive_batch(sock, Py_ssize_t limit):
    """Do what `pure.receive_batch` does, up to 64 datagrams a system call."""
    global ring_in_use
    cdef list batch = []
    # Making tuples can run the garbage collector, which can run anybody's code, which can come in here again.
    if ring_in_use:
        return pure.receive_batch(sock, limit)
    if ring_memory == NULL:
        make_ring()
    ring_in_use = True
    try:
        fill(batch, sock.fileno(), limit)
    finally:
        ring_in_use = False
    return batch

# receive_asked --------------------------------------------------------------------------------------------------

cdef uint64_t ring_controls[BATCH][CONTROL_WORDS]

cdef struct Asked:  # an address of ours, as `pure.receive_asked` gives it
    Py_ssize_t length  # 0 for none
    char pktinfo[ASKED_ROOM]


cdef inline void read_asked(msghdr *message, Asked *asked) noexcept:
    """`pure._asked`."""
    cdef cmsghdr *control = CMSG_FIRSTHDR(message)
    cdef in_pktinfo *ipv4
    cdef in6_pktinfo *ipv6
    cdef unsigned char *ours
    asked.length = 0
    memset(asked.pktinfo, 0, sizeof(asked.pktinfo))
    while control != NULL:
        if control.cmsg_level == IPPROTO_IP and control.cmsg_type == IP_PKTINFO:
            ipv4 = <in_pktinfo *>CMSG_DATA(control)
            if control.cmsg_len >= CMSG_LEN(sizeof(in_pktinfo)) and ipv4.ipi_spec_dst.s_addr:
                (<in_pktinfo *>asked.pktinfo).ipi_spec_dst = ipv4.ipi_spec_dst
                asked.length = sizeof(in_pktinfo)
            return
        if control.cmsg_level == IPPROTO_IPV6 and control.cmsg_type == IPV6_PKTINFO:
            ipv6 = <in6_pktinfo *>CMSG_DATA(control)
            ours = <unsigned char *>&ipv6.ipi6_addr
            if control.cmsg_len < CMSG_LEN(sizeof(in6_pktinfo)) or not is_ours(ours):
                return
            memcpy(asked.pktinfo, ours, 16)
            if ours[0] == 0xfe and ours[1] & 0xc0 == 0x80:  # each link has them anew
                (<in6_pktinfo *>asked.pktinfo).ipi6_ifindex = ipv6.ipi6_ifindex
            asked.length = sizeof(in6_pktinfo)
            return
        control = CMSG_NXTHDR(message, control)


cdef inline bint is_ours(const unsigned char *address) noexcept:
    """Return whether a reply can leave from an IPv6 address: it is neither unspecified nor multicast."""
    if not memcmp(address, b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12):
        return address[12] < 224
    return address[0] != 0xff and memcmp(address, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16)


cdef int fill_asked(dict found, int fd, Py_ssize_t limit) except -1:
    """Put datagrams into the lists of the addresses that they asked; most of a turn's ask one."""
    cdef int at, got, wanted
    cdef list batch = None
    cdef Asked asked, last
    cdef PyObject *known
    while limit > 0:
        wanted = <int>min(limit, BATCH)
        for at in range(wanted):
            ring[at].msg_hdr.msg_control = ring_controls[at]
            ring[at].msg_hdr.msg_controllen = sizeof(ring_controls[at])
        got = recvmmsg(fd, ring, wanted, MSG_DONTWAIT, NULL)
        for at in range(got):
            read_asked(&ring[at].msg_hdr, &asked)
            if batch is None or memcmp(&asked, &last, sizeof(Asked)):
                key = asked.pktinfo[:asked.length]
                known = PyDict_GetItem(found, key)
                batch = <list>known if known != NULL else found.setdefault(key, [])
                last = asked
            ring[at].msg_hdr.msg_namelen = sizeof(SocketAddress)
            batch.append(((<char *>ring_buffers[at].iov_base)[:ring[at].msg_len], address_of(&ring_senders[at])))
        for at in range(wanted):  # `fill` asks for none
            ring[at].msg_hdr.msg_control = NULL
            ring[at].msg_hdr.msg_controllen = 0
        if got < wanted:
            break
        limit -= got
    return 0


def receive_asked(sock, Py_ssize_t limit):
    """Do what `pure.receive_asked` does, up to 64 datagrams a system call."""
    global ring_in_use
    cdef dict found = {}
    if ring_in_use:
        return pure.receive_asked(sock, limit)
    if ring_memory == NULL:
        make_ring()
    ring_in_use = True
    try:
        fill_asked(found, sock.fileno(), limit)
    finally:
        ring_in_use = False
    return list(found.items())

# send_batch -----------------------------------------------------------------------------------------------------


cdef socklen_t read_address(object address, int family, SocketAddress *raw):
    """Write `address` as the kernel wants it and return its length; 0 when it is not of the plain, numeric form."""
    cdef Py_ssize_t length = 0
    cdef const char *text
    if not PyTuple_CheckExact(address) or len(<tuple>address) != (2 if family == AF_INET else 4):
        return 0
    host, port = (<tuple>address)[0], (<tuple>address)[1]
    if not PyUnicode_CheckExact(host) or not PyUnicode_IS_ASCII(host) or not is_number(port, 0xFFFF):
        return 0
    text = PyUnicode_AsUTF8AndSize(host, &length)
    if <Py_ssize_t>strlen(text) != length:  # inet_pton would not see what follows a NUL
        return 0
    if family == AF_INET:
        raw.ipv4.sin_family = AF_INET
        raw.ipv4.sin_port = htons(port)
        return sizeof(sockaddr_in) if inet_pton(AF_INET, text, &raw.ipv4.sin_addr) == 1 else 0
    flow, scope = (<tuple>address)[2], (<tuple>address)[3]
    if not is_number(flow, 0xFFFFF) or not is_number(scope, 0xFFFFFFFF):
        return 0
    raw.ipv6.sin6_family = AF_INET6
    raw.ipv6.sin6_port = htons(port)
    raw.ipv6.sin6_flowinfo = htonl(flow)
    raw.ipv6.sin6_scope_id = scope
    return sizeof(sockaddr_in6) if inet_pton(AF_INET6, text, &raw.ipv6.sin6_addr) == 1 else 0


cdef inline bint is_number(object number, long long most):
    return type(number) is int and 0 <= number <= most


cdef int flush(int fd, mmsghdr *messages, int count) noexcept:
    """Send `count` datagrams and return how many were taken. A call stops at one that is refused: go on behind it."""
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
    return send_all(sock, items, b"")


def send_asked(sock, items, bytes asked not None):
    """Do what `pure.send_asked` does, up to 64 datagrams a system call."""
    return send_all(sock, items, asked)


cdef size_t write_control(uint64_t *room, bytes asked):
    """Write the control message that has a datagram leave from the address asked; return its size."""
    cdef Py_ssize_t length = PyBytes_GET_SIZE(asked)
    cdef bint is_ipv4 = length == sizeof(in_pktinfo)
    cdef msghdr message
    cdef cmsghdr *control
    memset(&message, 0, sizeof(msghdr))
    memset(room, 0, CONTROL_WORDS * sizeof(uint64_t))
    message.msg_control = room
    message.msg_controllen = CMSG_SPACE(length)
    control = CMSG_FIRSTHDR(&message)
    control.cmsg_level = IPPROTO_IP if is_ipv4 else IPPROTO_IPV6
    control.cmsg_type = IP_PKTINFO if is_ipv4 else IPV6_PKTINFO
    control.cmsg_len = CMSG_LEN(length)
    memcpy(CMSG_DATA(control), PyBytes_AS_STRING(asked), length)
    return message.msg_controllen


cdef object send_all(sock, items, bytes asked):
    cdef mmsghdr messages[BATCH]
    cdef iovec buffers[BATCH]
    cdef SocketAddress addresses[BATCH]
    cdef uint64_t control[CONTROL_WORDS]
    cdef int fd = sock.fileno(), family = sock.family, waiting = 0
    cdef socklen_t size
    cdef size_t control_size = 0
    cdef Py_ssize_t sent = 0
    if family != AF_INET and family != AF_INET6:
        return pure.send_asked(sock, items, asked)
    if PyBytes_GET_SIZE(asked) == sizeof(in_pktinfo) or PyBytes_GET_SIZE(asked) == sizeof(in6_pktinfo):
        control_size = write_control(control, asked)
    elif PyBytes_GET_SIZE(asked):
        raise ValueError("this is no address that receive_asked gave")
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
            if control_size:
                messages[waiting].msg_hdr.msg_control = control
                messages[waiting].msg_hdr.msg_controllen = control_size
            waiting += 1
        if waiting == BATCH or not size:
            sent += flush(fd, messages, waiting)
            waiting = 0
        if not size:  # a name to be looked up or a mistake to be reported, in its turn
            sent += pure.send_asked(sock, (item,), asked)
    return sent + flush(fd, messages, waiting)
