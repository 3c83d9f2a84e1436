# cython: language_level=3, boundscheck=False, wraparound=False
"""Reads the requests that nearly all are, in one pass and without a Python object for each header.

`read_ordinary` either returns what `slbroker.sip.reading.read` would, or None, and then that has to do it: it judges
and answers what is folded, quoted oddly, repeated, escaped or wrong. So there is one grammar, in Python, and this is a
strict part of it; a test compares the two on every message it can think of. The forms are those that `grammar`, `via`
and `address` call ordinary.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, PyTypeObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcmp, memcpy, strlen

from slbroker.inner.compiled cimport Span, find_name
from slbroker.inner.jobs cimport Job
from slbroker.inner.msgpack cimport put_array, put_bin, put_bin_head, put_int, put_str
from slbroker.inner.repeats cimport Part, key_of
from slbroker.sip import grammar
from slbroker.sip.reading import Reading

cdef enum:
    HEADER_ROOM = 256
    MAX_VIA_PARAMS = 31
    MAX_URI_PARAMS = 64
    LONGEST = 65_535
    # Call-ID and tags are packed twice. A header grows by its long name and two msgpack heads, the Via by its stamp.
    ROOM = 2 * LONGEST + HEADER_ROOM * 40 + 1_024

if grammar.MAX_HEADERS > HEADER_ROOM or grammar.MAX_DATAGRAM > LONGEST or grammar.MAX_URI_PARAMS < MAX_URI_PARAMS:
    raise ImportError("ordinary.pyx has other limits than grammar.py")

cdef Py_ssize_t MAX_HEADERS = grammar.MAX_HEADERS
cdef long long MAX_CSEQ = grammar.MAX_CSEQ
cdef object canonical_name = grammar.canonical_name
cdef bytes NOTHING = b""
cdef bytes ACK = b"ACK"
cdef bytes CANCEL = b"CANCEL"
cdef list METHODS = [b"OPTIONS", b"INVITE", ACK, b"REGISTER", CANCEL, *sorted(grammar.METHODS)]

cdef extern from "<Python.h>":
    object PyType_GenericAlloc(PyTypeObject *kind, Py_ssize_t items)

cdef enum:  # which field of a Reading
    METHOD = 0
    REPLY_PORT = 7
cdef char out[ROOM]

# Characters -----------------------------------------------------------------------------------------------------

cdef enum:
    TOKEN = 1
    HOST = 2
    USER = 4
    URI_PARAM = 8
    PLAIN = 16
    BARE = 32
    BRACKETED = 64
    VIA_VALUE = 128

cdef unsigned char classes[256]


def _make_classes():
    letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    everything = set(range(256))
    controls = set(range(0x21)) | {0x7f}
    for bit, members in (
        (TOKEN, set(letters + b".!%*_+`'~-")),
        (HOST, set(letters + b"._-")),
        (USER, everything - controls - set(b'@:%<>"')),
        (URI_PARAM, everything - controls - set(b';?@%<>"')),
        (PLAIN, everything - set(range(9)) - set(range(10, 0x20)) - {0x7f} - set(b'"<>;,')),
        (BARE, everything - controls - set(b'"<>;,?')),
        (BRACKETED, everything - set(b'<>"\r\n')),
        (VIA_VALUE, everything - controls - set(b';,"')),
    ):
        for byte in members:
            classes[byte] |= bit


_make_classes()


cdef inline const char *skip(const char *at, const char *end, unsigned char members) noexcept:
    while at < end and classes[<unsigned char>at[0]] & members:
        at += 1
    return at


cdef inline bint is_blank(char byte) noexcept:
    return byte == c" " or byte == c"\t"


cdef inline bint begins(const char *at, const char *end, const char *word, Py_ssize_t length) noexcept:
    return end - at >= length and not memcmp(at, word, length)


cdef inline long long number(const char *at, const char *end, Py_ssize_t most) noexcept:
    """Return the number in all of these digits, -1 when it has none, too many, or anything else among them."""
    cdef long long value = 0
    if at == end or end - at > most:
        return -1
    while at < end:
        if not c"0" <= at[0] <= c"9":
            return -1
        value = value * 10 + (at[0] - c"0")
        at += 1
    return value

# The parts of a request -----------------------------------------------------------------------------------------

cdef struct Text:
    const char *at
    Py_ssize_t length

cdef struct Request:
    Text method
    Text uri
    Text call_id
    Text from_tag
    Text to_tag
    long long cseq
    Text body
    Py_ssize_t via  # which header is the top Via
    const char *rport  # where its empty rport ends, NULL without one
    Text branch  # with RFC 3261's cookie, empty without
    bint differs  # whether its sent-by is another address than the source
    int reply_port


cdef bint read_request_line(const char *at, const char *end, Request *request) noexcept:
    """`grammar.match_ordinary_request_line`."""
    cdef const char *start = at
    at = skip(at, end, TOKEN)
    request.method = Text(start, at - start)
    if at == start or at == end or at[0] != c" " or begins(start, end, b"SIP/", 4):
        return False
    at += 1
    start = at
    at = skip_sip_uri(at, end)
    request.uri = Text(start, at - start)
    return at != start and end - at == 8 and not memcmp(at, b" SIP/2.0", 8)


cdef const char *skip_sip_uri(const char *start, const char *end) noexcept:
    """Return where an ordinary sip or sips URI ends; `start` when there is none."""
    cdef const char *at = start
    cdef const char *user
    cdef int params = 0
    if not begins(at, end, b"sip", 3):
        return start
    at += 3
    if at < end and at[0] == c"s":
        at += 1
    if at == end or at[0] != c":":
        return start
    at += 1
    user = skip(at, end, USER)
    if user > at and user < end and user[0] == c"@":
        at = user + 1
    at = skip_host(at, end)
    if at == NULL:
        return start
    if at < end and at[0] == c":":
        at = skip_port(at + 1, end)
        if at == NULL:
            return start
    while at < end and at[0] == c";":
        params += 1
        at = skip(at + 1, end, URI_PARAM)
    return at if params <= MAX_URI_PARAMS else start


cdef const char *skip_host(const char *at, const char *end) noexcept:
    """Return where a host name, an IPv4 address or a bracketed IPv6 address ends; NULL when there is none."""
    cdef const char *start = at
    if at < end and at[0] == c"[":
        at += 1
        while at < end and (at[0] == c":" or at[0] == c"." or c"0" <= at[0] <= c"9"
                            or c"a" <= at[0] | 0x20 <= c"f"):
            at += 1
        return at + 1 if at < end and at[0] == c"]" and 2 <= at - start - 1 <= 45 else NULL
    at = skip(at, end, HOST)
    return at if at > start else NULL


cdef const char *skip_port(const char *at, const char *end) noexcept:
    """Return where a port ends, five digits at most, and the fifth not for a zero in front; NULL when there is none."""
    cdef const char *start = at
    while at < end and c"0" <= at[0] <= c"9":
        at += 1
    if not 1 <= at - start <= 5 or (at - start == 5 and (start[0] == c"0" or number(start, at, 5) > 65_535)):
        return NULL
    return at


cdef bint read_tag(Span *header, Text *tag) noexcept:
    """`address._match_ordinary`: the value of From or To."""
    cdef const char *at = header.value
    cdef const char *end = at + header.value_length
    cdef const char *start = at
    if at < end and at[0] == c'"':
        at = <const char *>memchr(at + 1, c'"', end - at - 1)
        if at == NULL or memchr(start, c"\\", at - start) != NULL:
            return False
        at += 1
        while at < end and is_blank(at[0]):
            at += 1
        if at == end or at[0] != c"<":
            return False
    else:
        at = skip(at, end, PLAIN)
    if at < end and at[0] == c"<":
        start = at + 1
        at = skip(start, end, BRACKETED)
        if at == start or at == end or at[0] != c">":
            return False
        at += 1
    elif at == start or skip(start, at, BARE) != at:
        return False
    if at == end:
        tag[0] = Text(at, 0)
        return True
    if not begins(at, end, b";tag=", 5):
        return False
    start = at + 5
    tag[0] = Text(start, end - start)
    return start < end and skip(start, end, TOKEN) == end


cdef bint read_cseq(Span *header, Request *request) noexcept:
    """`grammar.match_cseq`, for this request's method."""
    cdef const char *at = header.value
    cdef const char *end = at + header.value_length
    while at < end and c"0" <= at[0] <= c"9":
        at += 1
    request.cseq = number(header.value, at, 10)
    if not 0 <= request.cseq <= MAX_CSEQ or at == end or not is_blank(at[0]):
        return False
    while at < end and is_blank(at[0]):
        at += 1
    return end - at == request.method.length and not memcmp(at, request.method.at, request.method.length)


cdef bint read_via(Span *header, const char *host, Py_ssize_t host_length, int port, Request *request) noexcept:
    """`via._match_ordinary`, and where the reply goes."""
    cdef const char *at = header.value
    cdef const char *end = at + header.value_length
    cdef const char *start
    cdef const char *value
    cdef int params = 0
    cdef long long sent_port = 5060
    if not begins(at, end, b"SIP/2.0/", 8):
        return False
    at += 8
    start = at
    while at < end and (c"0" <= at[0] <= c"9" or c"a" <= at[0] | 0x20 <= c"z" or at[0] == c"-"):
        at += 1
    if at == start or at == end or at[0] != c" ":
        return False
    at += 1
    start = at
    at = skip_host(at, end)
    if at == NULL:
        return False
    request.differs = not is_source(start, at, host, host_length)
    if at < end and at[0] == c":":
        at += 1
        start = at
        while at < end and c"0" <= at[0] <= c"9":
            at += 1
        sent_port = number(start, at, 5)
        if not 0 < sent_port <= 65_535:
            return False
    request.branch = Text(at, 0)
    request.rport = NULL
    while at < end:
        params += 1
        if at[0] != c";" or params > MAX_VIA_PARAMS:
            return False
        at += 1
        start = at
        at = skip(at, end, TOKEN)
        if at == start:
            return False
        if start[0] == c"r" or start[0] == c"R":
            if at - start != 5 or memcmp(start, b"rport", 5) or request.rport != NULL or (at < end and at[0] == c"="):
                return False
            request.rport = at
        elif at < end and at[0] == c"=":
            value = at + 1
            at = skip(value, end, VIA_VALUE)
            if not request.branch.length and value - start == 7 and not memcmp(start, b"branch", 6):
                if at - value > 7 and not memcmp(value, b"z9hG4bK", 7):
                    request.branch = Text(value, at - value)
    request.reply_port = port if request.rport != NULL else <int>sent_port
    return True


cdef bint is_source(const char *start, const char *end, const char *host, Py_ssize_t length) noexcept:
    """Return whether a sent-by host is the source address, as that is written; IPv6 may have its brackets."""
    if end - start == length + 2 and start[0] == c"[":
        start += 1
        end -= 1
    return end - start == length and not memcmp(start, host, length)

# The whole ------------------------------------------------------------------------------------------------------

cdef enum:
    SEEN_FROM = 1
    SEEN_TO = 2
    SEEN_CALL_ID = 4
    SEEN_CSEQ = 8
    SEEN_LENGTH = 16
    SEEN_FORWARDS = 32
    SEEN_VIA = 64
    NEEDED = SEEN_FROM | SEEN_TO | SEEN_CALL_ID | SEEN_CSEQ | SEEN_VIA


cdef PyObject *known(bytes name):
    """Return the one object for a common header name, which stays."""
    return find_name(<const unsigned char *>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))


cdef PyObject *VIA = known(b"via")
cdef PyObject *FROM = known(b"from")
cdef PyObject *TO = known(b"to")
cdef PyObject *CALL_ID = known(b"call-id")
cdef PyObject *CSEQ = known(b"cseq")
cdef PyObject *CONTENT_LENGTH = known(b"content-length")
cdef PyObject *MAX_FORWARDS = known(b"max-forwards")
cdef PyObject *REQUIRE = known(b"require")


def read_ordinary(data, tuple address not None, str listen not None):
    """Return the `Reading` of an ordinary request that came from `address` on the socket `listen`, or None.

    An ACK is read for the filter alone: `packed` is empty.
    """
    cdef uint64_t key
    return read(data, address, listen, &key)


cdef object read(data, tuple address, str listen, uint64_t *key):
    """Do what `read_ordinary` does, and write what the request has in common with its repeats; 0 for an ACK."""
    cdef Span spans[HEADER_ROOM]
    cdef PyObject *names[HEADER_ROOM]
    cdef list kept = None  # names that are not among the common ones
    cdef Request request
    cdef Py_ssize_t count = 0, host_length
    cdef const char *line
    cdef const char *end
    cdef const char *newline
    if not PyBytes_CheckExact(data) or not 0 < PyBytes_GET_SIZE(data) <= LONGEST:
        return None
    if len(address) < 2:
        raise IndexError("an address has a host and a port")
    host = address[0]
    cdef const char *host_text = PyUnicode_AsUTF8AndSize(host, &host_length)
    cdef int port = address[1]
    line = PyBytes_AS_STRING(data)
    end = line + PyBytes_GET_SIZE(data)
    newline = end_of_line(line, end)
    if newline == NULL or not read_request_line(line, newline - 1, &request):
        return None
    while True:
        line = newline + 1
        if end - line >= 2 and line[0] == c"\r" and line[1] == c"\n":
            break
        newline = end_of_line(line, end)
        if newline == NULL or count == MAX_HEADERS or not cut(line, newline - 1, &spans[count]):
            return None
        names[count] = find_name(<const unsigned char *>spans[count].name, spans[count].name_length)
        if names[count] == NULL:
            name = canonical_name(spans[count].name[:spans[count].name_length])
            if not name:
                return None
            if kept is None:
                kept = []
            kept.append(name)
            names[count] = <PyObject *>name
        count += 1
    request.body = Text(line + 2, end - line - 2)
    if not read_headers(spans, names, count, &request):
        return None
    if not read_via(&spans[request.via], host_text, zoneless(host_text, host_length), port, &request):
        return None
    if request.method.length == 3 and not memcmp(request.method.at, b"ACK", 3):
        packed = b""
        request.reply_port = 0
        key[0] = 0
    else:
        packed = pack(&request, spans, names, count, host_text, host_length, port, listen)
        key[0] = repeat_key(&request, &spans[request.via], port)
    reading = PyType_GenericAlloc(<PyTypeObject *>Reading, 8)
    put(reading, METHOD, method_of(request.method.at, request.method.length))
    put(reading, 1, make(&request.uri))
    put(reading, 2, make(&request.call_id))
    put(reading, 3, make(&request.from_tag))
    put(reading, 4, make(&request.to_tag))
    put(reading, 5, request.cseq)
    put(reading, 6, packed)
    put(reading, REPLY_PORT, request.reply_port)
    return reading


cdef uint64_t repeat_key(Request *request, Span *via, int port) noexcept:
    """`slbroker_edge.reader.repeat_key`."""
    cdef Part parts[3]
    parts[0] = Part(request.call_id.at, request.call_id.length)
    parts[1] = Part(request.branch.at, request.branch.length)
    if request.branch.length:
        return key_of(parts, 2, <uint64_t>request.cseq, <uint64_t>port)
    parts[1] = Part(via.value, via.value_length)
    parts[2] = Part(request.uri.at, request.uri.length)
    return key_of(parts, 3, <uint64_t>request.cseq, <uint64_t>port)


cdef inline void put(object row, Py_ssize_t at, object value):
    Py_INCREF(value)  # PyTuple_SET_ITEM takes a reference over
    PyTuple_SET_ITEM(row, at, value)


def take_in(datagrams, listener, str listen not None, choice, is_answerable):
    """Do what `pure_jobs.take_in` says; most of a turn's datagrams come from one peer, which is judged once."""
    cdef list jobs = [], acks = [], rest = []
    cdef Job job
    cdef bytes data, method
    cdef tuple address
    cdef uint64_t key
    answerable = None  # the last address that was
    for pair in datagrams:
        data, address = pair
        reading = read(data, address, listen, &key)
        if reading is None:
            rest.append((len(jobs), data, address))
            continue
        method = <bytes>PyTuple_GET_ITEM(reading, METHOD)  # the object that METHODS has
        if method is ACK:
            acks.append((reading, data, address))
            continue
        if method is CANCEL or (address is not answerable and not is_answerable(address[0], address[1])):
            rest.append((len(jobs), data, address))
            continue
        answerable = address
        job = Job.__new__(Job)
        job.reading = reading
        job.key = key
        job.number = 0
        job.asks = NOTHING
        job.batch = NOTHING
        job.choice = choice
        job.size = PyBytes_GET_SIZE(data)
        job.listener = listener
        job.reply_to = reply_address(address, <object>PyTuple_GET_ITEM(reading, REPLY_PORT))
        jobs.append(job)
    return jobs, acks, rest


cdef tuple reply_address(tuple address, object port):
    """`slbroker_edge.reader.reply_address`."""
    if port == address[1]:
        return address
    return (address[0], port) if len(address) == 2 else (address[0], port, address[2], address[3])


cdef inline const char *end_of_line(const char *line, const char *end) noexcept:
    """Return the LF of the CRLF that ends a line which holds no other CR; NULL when it does not end so, or is folded."""
    cdef const char *newline = <const char *>memchr(line, c"\n", end - line)
    if newline == NULL or newline == line or (newline - 1)[0] != c"\r":
        return NULL
    if memchr(line, c"\r", newline - 1 - line) != NULL or (newline + 1 < end and is_blank((newline + 1)[0])):
        return NULL
    return newline


cdef inline bint cut(const char *line, const char *end, Span *span) noexcept:
    """Cut a header line at its colon, as `compiled.cut` does."""
    cdef const char *colon = <const char *>memchr(line, c":", end - line)
    cdef const char *name_end = colon
    if colon == NULL or colon == line:
        return False
    while name_end > line and is_blank((name_end - 1)[0]):
        name_end -= 1
    colon += 1
    while colon < end and is_blank(colon[0]):
        colon += 1
    while end > colon and is_blank((end - 1)[0]):
        end -= 1
    span[0] = Span(line, name_end - line, colon, end - colon)
    return name_end > line


cdef bint read_headers(Span *spans, PyObject **names, Py_ssize_t count, Request *request) noexcept:
    """Read the headers that the edge looks at. Those that may stand once do, and all that have to be there are."""
    cdef Py_ssize_t at
    cdef int seen = 0, bit
    cdef long long length = -1
    for at in range(count):
        if names[at] == VIA:
            if not seen & SEEN_VIA:
                request.via = at
            seen |= SEEN_VIA
            continue
        if names[at] == FROM:
            bit = SEEN_FROM
            if not read_tag(&spans[at], &request.from_tag):
                return False
        elif names[at] == TO:
            bit = SEEN_TO
            if not read_tag(&spans[at], &request.to_tag):
                return False
        elif names[at] == CALL_ID:
            bit = SEEN_CALL_ID
            request.call_id = Text(spans[at].value, spans[at].value_length)
            if not spans[at].value_length:
                return False
        elif names[at] == CSEQ:
            bit = SEEN_CSEQ
            if not read_cseq(&spans[at], request):
                return False
        elif names[at] == CONTENT_LENGTH:
            bit = SEEN_LENGTH
            length = number(spans[at].value, spans[at].value + spans[at].value_length, 10)
            if length < 0 or length > request.body.length:
                return False
        elif names[at] == MAX_FORWARDS:
            bit = SEEN_FORWARDS
        elif names[at] == REQUIRE:
            return False
        else:
            continue
        if seen & bit:
            return False
        seen |= bit
    if length >= 0:
        request.body.length = length
    return seen & NEEDED == NEEDED


cdef inline Py_ssize_t zoneless(const char *host, Py_ssize_t length) noexcept:
    """Return the length of an address without its zone."""
    cdef const char *zone = <const char *>memchr(host, c"%", length)
    return length if zone == NULL else zone - host


cdef inline bytes make(Text *text):
    return PyBytes_FromStringAndSize(text.at, text.length)


cdef bytes method_of(const char *text, Py_ssize_t length):
    """Return the method; one object for each that is known."""
    cdef bytes method
    for method in METHODS:
        if PyBytes_GET_SIZE(method) == length and not memcmp(PyBytes_AS_STRING(method), text, length):
            return method
    return PyBytes_FromStringAndSize(text, length)


cdef bytes pack(
    Request *request, Span *spans, PyObject **names, Py_ssize_t count,
    const char *host, Py_ssize_t host_length, int port, str listen,
):
    """Return the request as `envelope.pack_request` packs it: the message, then its source."""
    cdef char *at = out
    cdef Py_ssize_t header, listen_length
    cdef bytes name
    cdef const char *listen_text = PyUnicode_AsUTF8AndSize(listen, &listen_length)
    at = put_array(at, 8)
    at = put_bin(at, request.method.at, request.method.length)
    at = put_bin(at, request.uri.at, request.uri.length)
    at = put_array(at, 2 * count)
    for header in range(count):
        name = <bytes>names[header]
        at = put_bin(at, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        if header == request.via:
            at = put_via(at, &spans[header], request, host, zoneless(host, host_length), port)
        else:
            at = put_bin(at, spans[header].value, spans[header].value_length)
    at = put_bin(at, request.body.at, request.body.length)
    at = put_bin(at, request.call_id.at, request.call_id.length)
    at = put_bin(at, request.from_tag.at, request.from_tag.length)
    at = put_bin(at, request.to_tag.at, request.to_tag.length)
    at = put_int(at, <uint64_t>request.cseq)
    at = put_array(at, 3)
    at = put_str(at, host, host_length)
    at = put_int(at, <uint64_t>port)
    at = put_str(at, listen_text, listen_length)
    return PyBytes_FromStringAndSize(out, at - out)


cdef char *put_via(
    char *at, Span *header, Request *request, const char *host, Py_ssize_t host_length, int port
) noexcept:
    """Pack the top Via with its stamp (RFC 3261 18.2.1, RFC 3581 4)."""
    cdef char digits[8]
    cdef Py_ssize_t before, after, port_length = 0, length = header.value_length
    if request.rport != NULL:
        port_length = write_number(digits, port)
        length += 1 + port_length + 10 + host_length
    elif request.differs:
        length += 10 + host_length
    at = put_bin_head(at, length)
    before = header.value_length if request.rport == NULL else request.rport - header.value
    after = header.value_length - before
    memcpy(at, header.value, before)
    at += before
    if request.rport != NULL:
        at[0] = c"="
        memcpy(at + 1, digits, port_length)
        at += 1 + port_length
    if request.rport != NULL or request.differs:
        memcpy(at, b";received=", 10)
        memcpy(at + 10, host, host_length)
        at += 10 + host_length
    memcpy(at, header.value + before, after)
    return at + after


cdef Py_ssize_t write_number(char *text, int value) noexcept:
    cdef char reverse[8]
    cdef Py_ssize_t length = 0, at
    while True:
        reverse[length] = <char>(c"0" + value % 10)
        length += 1
        value //= 10
        if not value:
            break
    for at in range(length):
        text[at] = reverse[length - 1 - at]
    return length
