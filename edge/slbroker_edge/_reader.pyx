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
from libc.string cimport memchr, memcmp, strlen

from slbroker.bus._jobs cimport Job
from slbroker.bus.msgpack cimport append, put_array, put_bin, put_bin_head, put_int, put_str
from slbroker.sip._names cimport find_name, method_of
from slbroker_edge._repeats cimport Part, key_of

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
cdef bytes NOTHING = b"", _COOKIE = grammar.COOKIE
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
    PROTOCOL = 256
    IPV6 = 512
    DIGIT = 1024
    BLANK = 2048
cdef unsigned short classes[256]
for _bit, _class in (
    (TOKEN, grammar.TOKEN), (HOST, grammar.HOST), (URI_USER, grammar.URI_USER), (URI_PARAM, grammar.URI_PARAM),
    (DISPLAY, grammar.DISPLAY), (ADDR_SPEC, grammar.ADDR_SPEC), (NAME_ADDR, grammar.NAME_ADDR),
    (VIA_VALUE, grammar.VIA_VALUE), (PROTOCOL, grammar.PROTOCOL), (IPV6, grammar.IPV6), (DIGIT, b"0-9"), (BLANK, b" \t"),
):
    for _at in grammar.members(_class):
        classes[<int>_at] |= <int>_bit

# Reading on -----------------------------------------------------------------------------------------------------

cdef struct Text:
    const char *at
    Py_ssize_t length

cdef struct Cursor:
    const char *at
    const char *end

cdef Text COOKIE = Text(PyBytes_AS_STRING(_COOKIE), PyBytes_GET_SIZE(_COOKIE))
cdef Text BRANCH = Text(b"branch", 6), RPORT = Text(b"rport", 5)


cdef inline bint take(Cursor *cursor, const char *word) noexcept:
    """Go behind a word; return whether it was there."""
    cdef Py_ssize_t length = <Py_ssize_t>strlen(word)
    if cursor.end - cursor.at < length or memcmp(cursor.at, word, length):
        return False
    cursor.at += length
    return True


cdef inline bint take_one(Cursor *cursor, char character) noexcept:
    if cursor.at == cursor.end or cursor.at[0] != character:
        return False
    cursor.at += 1
    return True


cdef inline Text run(Cursor *cursor, int members) noexcept:
    """Go behind the characters of these classes, as many as there are, and return them."""
    cdef const char *start = cursor.at
    cdef const char *at = start
    cdef const char *end = cursor.end
    while at < end and classes[<unsigned char>at[0]] & members:
        at += 1
    cursor.at = at
    return Text(start, at - start)


cdef inline Cursor inside(Text text) noexcept:
    return Cursor(text.at, text.at + text.length)


cdef inline bint equal(Text one, Text two) noexcept:
    return one.length == two.length and not memcmp(one.at, two.at, one.length)


cdef inline long long number(Text digits, Py_ssize_t most) noexcept:
    """Return the number in all of these digits, -1 when it has none, too many, or anything else among them."""
    cdef long long value = 0
    cdef Py_ssize_t at
    if not 0 < digits.length <= most:
        return -1
    for at in range(digits.length):
        if not classes[<unsigned char>digits.at[at]] & DIGIT:
            return -1
        value = value * 10 + (digits.at[at] - c"0")
    return value

# The parts of a request -----------------------------------------------------------------------------------------

cdef struct Header:
    Text name
    Text value

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


cdef bint read_request_line(Cursor cursor, Request *request) noexcept:
    """`grammar.match_ordinary_request_line`."""
    cdef const char *start
    request.method = run(&cursor, TOKEN)
    if not request.method.length or not take_one(&cursor, c" "):
        return False
    start = cursor.at
    if not take_sip_uri(&cursor):
        return False
    request.uri = Text(start, cursor.at - start)
    return take(&cursor, b" SIP/2.0") and cursor.at == cursor.end


cdef bint take_sip_uri(Cursor *cursor) noexcept:
    """Go behind an ordinary sip or sips URI."""
    cdef Cursor user
    cdef Text port
    cdef int params = 0
    if not take(cursor, b"sip:") and not take(cursor, b"sips:"):
        return False
    user = cursor[0]
    if run(&user, URI_USER).length and take_one(&user, c"@"):
        cursor[0] = user
    if not take_host(cursor).length:
        return False
    if take_one(cursor, c":"):
        port = run(cursor, DIGIT)  # of five digits, the first is no zero
        if not 0 <= number(port, MAX_PORT_DIGITS) <= MAX_PORT or (port.length == MAX_PORT_DIGITS and port.at[0] == c"0"):
            return False
    while take_one(cursor, c";"):
        params += 1
        run(cursor, URI_PARAM)
    return params <= MAX_URI_PARAMS


cdef Text take_host(Cursor *cursor) noexcept:
    """Go behind a host name, an IPv4 address or a bracketed IPv6 address, and return it; nothing when there is none."""
    cdef const char *start = cursor.at
    cdef Text host
    if not take_one(cursor, c"["):
        return run(cursor, HOST)
    host = run(cursor, IPV6)
    return Text(start, host.length + 2 if 2 <= host.length <= MAX_IPV6 and take_one(cursor, c"]") else 0)


cdef bint read_tag(Text value, Text *tag) noexcept:
    """`address._match_ordinary`: the value of From or To."""
    cdef Cursor cursor = inside(value), bare = cursor
    if take_one(&cursor, c'"'):
        cursor.at = <const char *>memchr(cursor.at, c'"', cursor.end - cursor.at)
        if cursor.at == NULL or memchr(value.at, c"\\", cursor.at - value.at) != NULL:
            return False
        cursor.at += 1
        run(&cursor, BLANK)
        if cursor.at == cursor.end or cursor.at[0] != c"<":
            return False
    else:
        run(&cursor, DISPLAY)
    if take_one(&cursor, c"<"):
        if not run(&cursor, NAME_ADDR).length or not take_one(&cursor, c">"):
            return False
    elif not run(&bare, ADDR_SPEC).length or bare.at != cursor.at:
        return False
    tag[0] = Text(cursor.at, 0)
    if cursor.at == cursor.end:
        return True
    if not take(&cursor, b";tag="):
        return False
    tag[0] = run(&cursor, TOKEN)
    return tag.length and cursor.at == cursor.end


cdef bint read_cseq(Text value, Request *request) noexcept:
    """`grammar.match_cseq`, for this request's method."""
    cdef Cursor cursor = inside(value)
    request.cseq = number(run(&cursor, DIGIT), MAX_DIGITS)
    if not 0 <= request.cseq <= MAX_CSEQ or not run(&cursor, BLANK).length:
        return False
    return equal(Text(cursor.at, cursor.end - cursor.at), request.method)


cdef bint read_via(Text value, Text source, int port, Request *request) noexcept:
    """`via._match_ordinary`, and where the reply goes."""
    cdef Cursor cursor = inside(value)
    cdef Text host, name, content
    cdef int params = 0
    cdef bint has_content
    cdef long long sent_port = DEFAULT_PORT
    if not take(&cursor, b"SIP/2.0/") or not run(&cursor, PROTOCOL).length or not take_one(&cursor, c" "):
        return False
    host = take_host(&cursor)
    if not host.length:
        return False
    if host.at[0] == c"[":  # the source is written without
        host = Text(host.at + 1, host.length - 2)
    request.differs = not equal(host, source)
    if take_one(&cursor, c":"):
        sent_port = number(run(&cursor, DIGIT), MAX_PORT_DIGITS)
        if not 0 < sent_port <= MAX_PORT:
            return False
    request.branch = Text(cursor.at, 0)
    request.rport = NULL
    while cursor.at < cursor.end:
        params += 1
        if params > MAX_VIA_PARAMS or not take_one(&cursor, c";"):
            return False
        name = run(&cursor, TOKEN)
        has_content = take_one(&cursor, c"=")
        content = run(&cursor, VIA_VALUE if has_content else 0)
        if not name.length:
            return False
        if name.at[0] | 0x20 == c"r":
            if has_content or request.rport != NULL or not equal(name, RPORT):
                return False
            request.rport = cursor.at
        elif not request.branch.length and content.length > COOKIE.length and equal(name, BRANCH):
            if not memcmp(content.at, COOKIE.at, COOKIE.length):
                request.branch = content
    request.reply_port = port if request.rport != NULL else <int>sent_port
    return True

# The whole ------------------------------------------------------------------------------------------------------


cdef object read(data, tuple address, str listen, uint64_t *key):
    """Return the `Reading` of an ordinary request that came from `address` on the socket `listen`, or None.

    Write what it has in common with its repeats; 0 of an ACK, which is read for the filter alone: `packed` is empty.
    """
    cdef Header headers[HEADER_ROOM]
    cdef PyObject *names[HEADER_ROOM]
    cdef list kept = None  # names that are not among the common ones
    cdef Request request
    cdef Text host, source
    cdef Py_ssize_t count = 0
    cdef const char *line
    cdef const char *end
    cdef const char *newline
    if not PyBytes_CheckExact(data) or not 0 < PyBytes_GET_SIZE(data) <= LONGEST:
        return None
    if len(address) < 2:
        raise IndexError("an address has a host and a port")
    host.at = PyUnicode_AsUTF8AndSize(address[0], &host.length)
    cdef int port = address[1]
    if not 0 <= port <= MAX_PORT:
        return None
    line = PyBytes_AS_STRING(data)
    end = line + PyBytes_GET_SIZE(data)
    newline = end_of_line(line, end)
    if newline == NULL or not read_request_line(Cursor(line, newline - 1), &request):
        return None
    while True:
        line = newline + 1
        if end - line >= 2 and line[0] == c"\r" and line[1] == c"\n":
            break
        newline = end_of_line(line, end)
        if newline == NULL or count == MAX_HEADERS or not cut(line, newline - 1, &headers[count]):
            return None
        names[count] = find_name(<const unsigned char *>headers[count].name.at, headers[count].name.length)
        if names[count] == NULL:
            name = canonical_name(make(headers[count].name))
            if not name:
                return None
            if kept is None:
                kept = []
            kept.append(name)
            names[count] = <PyObject *>name
        count += 1
    request.body = Text(line + 2, end - line - 2)
    if not read_headers(headers, names, count, &request):
        return None
    source = host  # as Via has it: without its zone
    line = <const char *>memchr(host.at, c"%", host.length)
    if line != NULL:
        source.length = line - host.at
    if not read_via(headers[request.via].value, source, port, &request):
        return None
    if request.method.length == 3 and not memcmp(request.method.at, b"ACK", 3):
        packed = NOTHING
        request.reply_port = 0
        key[0] = 0
    else:
        packed = pack(&request, headers, names, count, host, source, port, listen)
        key[0] = repeat_key(&request, headers[request.via].value, port)
    reading = PyType_GenericAlloc(<PyTypeObject *>Reading, FIELDS)
    put(reading, METHOD, method_of(request.method.at, request.method.length))
    put(reading, URI, make(request.uri))
    put(reading, CALL_ID, make(request.call_id))
    put(reading, FROM_TAG, make(request.from_tag))
    put(reading, TO_TAG, make(request.to_tag))
    put(reading, CSEQ, request.cseq)
    put(reading, PACKED, packed)
    put(reading, REPLY_PORT, request.reply_port)
    return reading


cdef inline bytes make(Text text):
    return PyBytes_FromStringAndSize(text.at, text.length)


cdef uint64_t repeat_key(Request *request, Text via, int port) noexcept:
    """`reader.repeat_key`."""
    cdef Part parts[3]
    parts[0] = Part(request.call_id.at, request.call_id.length)
    parts[1] = Part(request.branch.at, request.branch.length)
    if request.branch.length:
        return key_of(parts, 2, <uint64_t>request.cseq, <uint64_t>port)
    parts[1] = Part(via.at, via.length)
    parts[2] = Part(request.uri.at, request.uri.length)
    return key_of(parts, 3, <uint64_t>request.cseq, <uint64_t>port)


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
    if memchr(line, c"\r", newline - 1 - line) != NULL or (newline + 1 < end and (newline[1] == c" " or newline[1] == c"\t")):
        return NULL
    return newline


cdef inline bint cut(const char *line, const char *end, Header *header) noexcept:
    """Cut a header line at its colon; leave out the white space before the colon and around the value."""
    cdef const char *colon = <const char *>memchr(line, c":", end - line)
    if colon == NULL:
        return False
    header.name = trimmed(line, colon)
    header.value = trimmed(colon + 1, end)
    return header.name.length > 0


cdef inline Text trimmed(const char *at, const char *end) noexcept:
    while at < end and classes[<unsigned char>at[0]] & BLANK:
        at += 1
    while end > at and classes[<unsigned char>(end - 1)[0]] & BLANK:
        end -= 1
    return Text(at, end - at)


cdef bint read_headers(Header *headers, PyObject **names, Py_ssize_t count, Request *request) noexcept:
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
            is_right = read_tag(headers[at].value, &request.from_tag)
        elif header == TO:
            is_right = read_tag(headers[at].value, &request.to_tag)
        elif header == CALL_ID_HEADER:
            request.call_id = headers[at].value
            is_right = headers[at].value.length > 0
        elif header == CSEQ_HEADER:
            is_right = read_cseq(headers[at].value, request)
        elif header == CONTENT_LENGTH:
            length = number(headers[at].value, MAX_DIGITS)
            is_right = 0 <= length <= request.body.length
        if not is_right or seen & 1 << header:
            return False
        seen |= 1 << header
    if length >= 0:
        request.body.length = length
    return seen & NEEDED == NEEDED


cdef bytes pack(
    Request *request, Header *headers, PyObject **names, Py_ssize_t count, Text host, Text source, int port, str listen,
):
    """Return the request as `envelope.pack_request` packs it: the message, then its source."""
    cdef char *at = put_array(out, AS_ALL)
    cdef int field
    cdef Text *text
    cdef Py_ssize_t listen_length
    cdef const char *listen_text = PyUnicode_AsUTF8AndSize(listen, &listen_length)
    for field in packing:
        if field == AS_HEADERS:
            at = put_headers(at, request, headers, names, count, source, port)
        elif field == AS_CSEQ:
            at = put_int(at, <uint64_t>request.cseq)
        else:
            text = (
                &request.method if field == AS_METHOD else &request.uri if field == AS_URI else
                &request.body if field == AS_BODY else &request.call_id if field == AS_CALL_ID else
                &request.from_tag if field == AS_FROM_TAG else &request.to_tag)
            at = put_bin(at, text.at, text.length)
    at = put_str(put_array(at, 3), host.at, host.length)
    at = put_str(put_int(at, <uint64_t>port), listen_text, listen_length)
    return PyBytes_FromStringAndSize(out, at - out)


cdef char *put_headers(
    char *at, Request *request, Header *headers, PyObject **names, Py_ssize_t count, Text source, int port
) noexcept:
    cdef Py_ssize_t header
    at = put_array(at, 2 * count)
    for header in range(count):
        at = put_bin(at, PyBytes_AS_STRING(<bytes>names[header]), PyBytes_GET_SIZE(<bytes>names[header]))
        if header == request.via:
            at = put_via(at, headers[header].value, request, source, port)
        else:
            at = put_bin(at, headers[header].value.at, headers[header].value.length)
    return at


cdef char *put_via(char *at, Text value, Request *request, Text source, unsigned int port) noexcept:
    """Pack the top Via with its stamp (RFC 3261 18.2.1, RFC 3581 4)."""
    cdef char digits[8]
    cdef int first = 8
    cdef Py_ssize_t before = value.length, length = value.length
    if request.rport != NULL:
        before = request.rport - value.at
        while first == 8 or port:
            first -= 1
            digits[first] = <char>(c"0" + port % 10)
            port //= 10
        length += 1 + 8 - first
    if request.rport != NULL or request.differs:
        length += 10 + source.length
    at = append(put_bin_head(at, length), value.at, before)
    if request.rport != NULL:
        at = append(append(at, b"=", 1), digits + first, 8 - first)
    if request.rport != NULL or request.differs:
        at = append(append(at, b";received=", 10), source.at, source.length)
    return append(at, value.at + before, value.length - before)
