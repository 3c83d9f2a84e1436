# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `reader`: reads the requests that nearly all are, in one pass and without an object for each header.

It either reads what `reader.read_with_key` would, or declines, and then that has to do it: it judges and answers what is
folded, quoted oddly, repeated, escaped or wrong. So there is one grammar, in Python, and this is a strict part of it; a
test compares the two on every message it can think of. The forms are those that `grammar`, `via` and `address` call
ordinary, and so are the classes of characters, names and limits: they are taken from there.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, PyTypeObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcmp, memcpy

from slbroker.bus._jobs cimport Job
from slbroker.bus.msgpack cimport put_array, put_bin, put_bin_head, put_int, put_str
from slbroker.sip._names cimport find_name, method_of
from slbroker_edge._repeats cimport end_key, mix_part

from slbroker.sip import grammar, via as _via
from slbroker.sip.message import Message
from slbroker.sip.reading import Reading
from slbroker.sip.uri import MAX_IPV6 as _MAX_IPV6

cdef enum:
    HEADER_ROOM = 256
    LONGEST = 65_535
    # Call-ID and tags are packed twice. A header grows by its long name and two msgpack heads, the Via by its stamp.
    ROOM = 2 * LONGEST + HEADER_ROOM * 40 + 1_024

cdef Py_ssize_t MAX_HEADERS = min(grammar.MAX_HEADERS, HEADER_ROOM), MAX_IPV6 = _MAX_IPV6
cdef Py_ssize_t MAX_DIGITS = grammar.MAX_DIGITS, MAX_PORT_DIGITS = _via.MAX_PORT_DIGITS
cdef long long MAX_CSEQ = grammar.MAX_CSEQ, MAX_PORT = _via.MAX_PORT
cdef int MAX_VIA_PARAMS = _via.MAX_PARAMS // 2, MAX_URI_PARAMS = grammar.MAX_URI_PARAMS, DEFAULT_PORT = _via.DEFAULT_PORT
cdef object canonical_name = grammar.canonical_name
cdef bytes NOTHING = b"", COOKIE = grammar.COOKIE
cdef bytes ACK = method_of(b"ACK", 3), CANCEL = method_of(b"CANCEL", 6)

cdef extern from "<Python.h>":
    object PyType_GenericAlloc(PyTypeObject *kind, Py_ssize_t items)

cdef Py_ssize_t FIELDS = len(Reading._fields)
cdef Py_ssize_t METHOD, URI, CALL_ID, FROM_TAG, TO_TAG, CSEQ, PACKED, REPLY_PORT
METHOD, URI, CALL_ID, FROM_TAG, TO_TAG, CSEQ, PACKED, REPLY_PORT = map(
    Reading._fields.index, ("method", "uri", "call_id", "from_tag", "to_tag", "cseq", "packed", "reply_port"))
cdef char out[ROOM]

cdef enum:  # the fields of a message, as they are packed; `packing` has their order
    AS_METHOD, AS_URI, AS_HEADERS, AS_BODY, AS_CALL_ID, AS_FROM_TAG, AS_TO_TAG, AS_CSEQ, AS_ALL
cdef int packing[AS_ALL]
for _at, _name in enumerate(("method", "uri", "headers", "body", "call_id", "from_tag", "to_tag", "cseq")):
    packing[Message._fields.index(_name)] = _at

cdef enum:  # the headers that the edge looks at
    VIA, FROM, TO, CALL_ID_HEADER, CSEQ_HEADER, CONTENT_LENGTH, MAX_FORWARDS, REQUIRE, OTHER
    NEEDED = 1 << VIA | 1 << FROM | 1 << TO | 1 << CALL_ID_HEADER | 1 << CSEQ_HEADER
cdef PyObject *looked_at[OTHER]
cdef bytes _header
for _at, _header in enumerate((b"via", b"from", b"to", b"call-id", b"cseq", b"content-length", b"max-forwards", b"require")):
    looked_at[_at] = find_name(<const unsigned char *>PyBytes_AS_STRING(_header), PyBytes_GET_SIZE(_header))

cdef enum:
    TOKEN = 1
    HOST = 2
    URI_USER = 4
    URI_PARAM = 8
    DISPLAY = 16
    ADDR_SPEC = 32
    NAME_ADDR = 64
    VIA_VALUE = 128
cdef unsigned char classes[256]
for _bit, _class in (
    (TOKEN, grammar.TOKEN), (HOST, grammar.HOST), (URI_USER, grammar.URI_USER), (URI_PARAM, grammar.URI_PARAM),
    (DISPLAY, grammar.DISPLAY), (ADDR_SPEC, grammar.ADDR_SPEC), (NAME_ADDR, grammar.NAME_ADDR),
    (VIA_VALUE, grammar.VIA_VALUE),
):
    for _at in grammar.members(_class):
        classes[<int>_at] |= <int>_bit

# The parts of a request -----------------------------------------------------------------------------------------


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

cdef struct Span:
    const char *name
    Py_ssize_t name_length
    const char *value
    Py_ssize_t value_length

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
    user = skip(at, end, URI_USER)
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
        return at + 1 if at < end and at[0] == c"]" and 2 <= at - start - 1 <= MAX_IPV6 else NULL
    at = skip(at, end, HOST)
    return at if at > start else NULL


cdef const char *skip_port(const char *at, const char *end) noexcept:
    """Return where a port ends, five digits at most, and the fifth not for a zero in front; NULL when there is none."""
    cdef const char *start = at
    while at < end and c"0" <= at[0] <= c"9":
        at += 1
    if at == start or (at - start == MAX_PORT_DIGITS and start[0] == c"0"):
        return NULL
    if not 0 <= number(start, at, MAX_PORT_DIGITS) <= MAX_PORT:
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
        at = skip(at, end, DISPLAY)
    if at < end and at[0] == c"<":
        start = at + 1
        at = skip(start, end, NAME_ADDR)
        if at == start or at == end or at[0] != c">":
            return False
        at += 1
    elif at == start or skip(start, at, ADDR_SPEC) != at:
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
    request.cseq = number(header.value, at, MAX_DIGITS)
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
    cdef long long sent_port = DEFAULT_PORT
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
        sent_port = number(start, at, MAX_PORT_DIGITS)
        if not 0 < sent_port <= MAX_PORT:
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
                if at - value > len(COOKIE) and begins(value, at, COOKIE, len(COOKIE)):
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


cdef object read(data, tuple address, str listen, uint64_t *key):
    """Return the `Reading` of an ordinary request that came from `address` on the socket `listen`, or None.

    Write what it has in common with its repeats; 0 of an ACK, which is read for the filter alone: `packed` is empty.
    """
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
        packed = NOTHING
        request.reply_port = 0
        key[0] = 0
    else:
        packed = pack(&request, spans, names, count, host_text, host_length, port, listen)
        key[0] = repeat_key(&request, &spans[request.via], port)
    reading = PyType_GenericAlloc(<PyTypeObject *>Reading, FIELDS)
    put(reading, METHOD, method_of(request.method.at, request.method.length))
    put(reading, URI, make(&request.uri))
    put(reading, CALL_ID, make(&request.call_id))
    put(reading, FROM_TAG, make(&request.from_tag))
    put(reading, TO_TAG, make(&request.to_tag))
    put(reading, CSEQ, request.cseq)
    put(reading, PACKED, packed)
    put(reading, REPLY_PORT, request.reply_port)
    return reading


cdef uint64_t repeat_key(Request *request, Span *via, int port) noexcept:
    """`reader.repeat_key`."""
    cdef uint64_t key = mix_part(0, request.call_id.at, request.call_id.length)
    if request.branch.length:
        key = mix_part(key, request.branch.at, request.branch.length)
    else:
        key = mix_part(mix_part(key, via.value, via.value_length), request.uri.at, request.uri.length)
    return end_key(key, <uint64_t>request.cseq, <uint64_t>port)


cdef inline void put(object row, Py_ssize_t at, object value):
    Py_INCREF(value)  # PyTuple_SET_ITEM takes a reference over
    PyTuple_SET_ITEM(row, at, value)


def take_in(datagrams, listener, str listen not None, choice, is_answerable):
    """Return jobs of the ordinary requests among `datagrams`, its ordinary ACKs, and what takes the whole grammar.

    As `reader.take_in` says; most of a turn's datagrams come from one peer, which is judged once.
    """
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
    """`reader.reply_address`."""
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
    """Cut a header line at its colon; leave out the white space before the colon and around the value."""
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
    cdef int seen = 0, header
    cdef bint is_right
    cdef long long length = -1
    for at in range(count):
        header = 0
        while header < OTHER and names[at] != looked_at[header]:
            header += 1
        is_right = header != REQUIRE
        if header == OTHER or (header == VIA and seen & 1 << VIA):
            continue
        elif header == VIA:
            request.via = at
        elif header == FROM:
            is_right = read_tag(&spans[at], &request.from_tag)
        elif header == TO:
            is_right = read_tag(&spans[at], &request.to_tag)
        elif header == CALL_ID_HEADER:
            request.call_id = Text(spans[at].value, spans[at].value_length)
            is_right = spans[at].value_length > 0
        elif header == CSEQ_HEADER:
            is_right = read_cseq(&spans[at], request)
        elif header == CONTENT_LENGTH:
            length = number(spans[at].value, spans[at].value + spans[at].value_length, MAX_DIGITS)
            is_right = 0 <= length <= request.body.length
        if not is_right or seen & 1 << header:
            return False
        seen |= 1 << header
    if length >= 0:
        request.body.length = length
    return seen & NEEDED == NEEDED


cdef inline Py_ssize_t zoneless(const char *host, Py_ssize_t length) noexcept:
    """Return the length of an address without its zone."""
    cdef const char *zone = <const char *>memchr(host, c"%", length)
    return length if zone == NULL else zone - host


cdef inline bytes make(Text *text):
    return PyBytes_FromStringAndSize(text.at, text.length)


cdef bytes pack(
    Request *request, Span *spans, PyObject **names, Py_ssize_t count,
    const char *host, Py_ssize_t host_length, int port, str listen,
):
    """Return the request as `envelope.pack_request` packs it: the message, then its source."""
    cdef char *at = out
    cdef Py_ssize_t listen_length
    cdef int field
    cdef Text *text
    cdef const char *listen_text = PyUnicode_AsUTF8AndSize(listen, &listen_length)
    at = put_array(at, AS_ALL)
    for field in packing:
        if field == AS_HEADERS:
            at = put_headers(at, request, spans, names, count, host, zoneless(host, host_length), port)
        elif field == AS_CSEQ:
            at = put_int(at, <uint64_t>request.cseq)
        else:
            text = (
                &request.method if field == AS_METHOD else &request.uri if field == AS_URI else
                &request.body if field == AS_BODY else &request.call_id if field == AS_CALL_ID else
                &request.from_tag if field == AS_FROM_TAG else &request.to_tag)
            at = put_bin(at, text.at, text.length)
    at = put_array(at, 3)
    at = put_str(at, host, host_length)
    at = put_int(at, <uint64_t>port)
    at = put_str(at, listen_text, listen_length)
    return PyBytes_FromStringAndSize(out, at - out)


cdef char *put_headers(
    char *at, Request *request, Span *spans, PyObject **names, Py_ssize_t count,
    const char *host, Py_ssize_t host_length, int port,
) noexcept:
    cdef Py_ssize_t header
    at = put_array(at, 2 * count)
    for header in range(count):
        at = put_bin(at, PyBytes_AS_STRING(<bytes>names[header]), PyBytes_GET_SIZE(<bytes>names[header]))
        if header == request.via:
            at = put_via(at, &spans[header], request, host, host_length, port)
        else:
            at = put_bin(at, spans[header].value, spans[header].value_length)
    return at


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
