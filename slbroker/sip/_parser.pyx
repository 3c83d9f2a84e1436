"""The twin of `parser`: parses the requests that nearly all are, in one pass and without an object for each header.

It either reads what `parser.parse` would, or declines, and then that has to do it: it judges and answers what is
folded, quoted oddly, repeated, escaped or wrong. So there is one grammar, in Python, and this is a strict part of it; a
test compares the two on every message it can think of. The forms are those that `grammar`, `via` and `address` call
ordinary, and so are the classes of characters, names and limits: they are taken from there.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp

from slbroker.sip._grammar cimport (
    ADDR_SPEC, BLANK, DIGIT, DISPLAY, HOST, IPV6, NAME_ADDR, PROTOCOL, TOKEN, URI_PARAM, URI_USER, VIA_VALUE, Cursor,
    Text, equal, find_name, inside, make, number, run, take, take_one, text_of, trimmed,
)

from slbroker.sip import grammar, via as _via
from slbroker.sip.message import Message
from slbroker.sip.uri import MAX_IPV6 as _MAX_IPV6

cdef Py_ssize_t LONGEST = grammar.MAX_DATAGRAM, MAX_HEADERS = min(grammar.MAX_HEADERS, HEADER_ROOM)
cdef Py_ssize_t MAX_DIGITS = grammar.MAX_DIGITS, MAX_PORT_DIGITS = _via.MAX_PORT_DIGITS, MAX_IPV6 = _MAX_IPV6
cdef long long MAX_CSEQ = grammar.MAX_CSEQ, MAX_PORT = _via.MAX_PORT, DEFAULT_PORT = _via.DEFAULT_PORT
cdef int MAX_VIA_PARAMS = _via.MAX_PARAMS // 2, MAX_URI_PARAMS = grammar.MAX_URI_PARAMS
cdef object canonical_name = grammar.canonical_name
cdef bytes _COOKIE = grammar.COOKIE
cdef Text COOKIE = text_of(_COOKIE)
cdef Text BRANCH = Text(b"branch", 6), RPORT = Text(b"rport", 5)

METHOD, URI, HEADERS, BODY, CALL_ID, FROM_TAG, TO_TAG, CSEQ = map(
    Message._fields.index, ("method", "uri", "headers", "body", "call_id", "from_tag", "to_tag", "cseq"))
if len(Message._fields) != PARTS:
    raise ImportError("_parser.pxd has room for another number of parts than a Message has")

cdef enum:  # the headers that are looked at; the order is that of `looked_at`
    VIA, FROM, TO, CALL_ID_HEADER, CSEQ_HEADER, CONTENT_LENGTH, MAX_FORWARDS, REQUIRE, OTHER
    NEEDED = 1 << VIA | 1 << FROM | 1 << TO | 1 << CALL_ID_HEADER | 1 << CSEQ_HEADER
cdef PyObject *looked_at[OTHER]
cdef bytes _name
for _at, _name in enumerate((b"via", b"from", b"to", b"call-id", b"cseq", b"content-length", b"max-forwards", b"require")):
    looked_at[_at] = find_name(text_of(_name))


cdef tuple parse_ordinary(bytes data, Parsed *parsed):
    """Parse an ordinary request, and return what keeps its names alive; None for any other."""
    cdef tuple kept = ()
    cdef Text name
    cdef Py_ssize_t count = 0
    cdef const char *line = PyBytes_AS_STRING(data)
    cdef const char *end = line + PyBytes_GET_SIZE(data)
    cdef const char *newline = end_of_line(line, end)
    cdef const char *colon
    if PyBytes_GET_SIZE(data) > LONGEST or newline == NULL or not read_request_line(Cursor(line, newline - 1), parsed):
        return None
    while True:
        line = newline + 1
        if end - line >= 2 and line[0] == c"\r" and line[1] == c"\n":
            break
        newline = end_of_line(line, end)
        colon = <const char *>memchr(line, c":", newline - line) if newline != NULL else NULL
        if colon == NULL or count == MAX_HEADERS:
            return None
        name = trimmed(line, colon)
        if not name.length:
            return None
        parsed.values[count] = trimmed(colon + 1, newline - 1)
        parsed.names[count] = find_name(name)
        if parsed.names[count] == NULL:  # not among the common ones
            canonical = canonical_name(make(name))
            if not canonical:
                return None
            kept += (canonical,)
            parsed.names[count] = <PyObject *>canonical
        count += 1
    parsed.count = count
    parsed.part[BODY] = Text(line + 2, end - line - 2)
    return kept if read_headers(parsed) else None


cdef const char *end_of_line(const char *line, const char *end) noexcept:
    """Return the LF of the CRLF that ends a line which holds no other CR; NULL when it does not end so, or is folded."""
    cdef const char *newline = <const char *>memchr(line, c"\n", end - line)
    if newline == NULL or newline == line or (newline - 1)[0] != c"\r":
        return NULL
    if memchr(line, c"\r", newline - 1 - line) != NULL or (newline + 1 < end and (newline[1] == c" " or newline[1] == c"\t")):
        return NULL
    return newline


cdef bint read_request_line(Cursor cursor, Parsed *parsed) noexcept:
    """`grammar.match_ordinary_request_line`."""
    cdef const char *start
    parsed.part[METHOD] = run(&cursor, TOKEN)
    if not parsed.part[METHOD].length or not take_one(&cursor, c" "):
        return False
    start = cursor.at
    if not take_sip_uri(&cursor):
        return False
    parsed.part[URI] = Text(start, cursor.at - start)
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


cdef bint read_headers(Parsed *parsed) noexcept:
    """Read the headers that are looked at. Those that may stand once do, and all that have to be there are."""
    cdef Py_ssize_t at
    cdef Text value
    cdef int seen = 0, header
    cdef bint is_right
    cdef long long length
    for at in range(parsed.count):
        value = parsed.values[at]
        header = 0
        while header < OTHER and parsed.names[at] != looked_at[header]:
            header += 1
        is_right = header != REQUIRE
        if header == OTHER or (header == VIA and seen & 1 << VIA):
            continue
        elif header == VIA:
            parsed.via = at
            is_right = read_via(value, parsed)
        elif header == FROM:
            is_right = read_tag(value, &parsed.part[FROM_TAG])
        elif header == TO:
            is_right = read_tag(value, &parsed.part[TO_TAG])
        elif header == CALL_ID_HEADER:
            parsed.part[CALL_ID] = value
            is_right = value.length > 0
        elif header == CSEQ_HEADER:
            is_right = read_cseq(value, parsed)
        elif header == CONTENT_LENGTH:
            length = number(value, MAX_DIGITS)
            is_right = 0 <= length <= parsed.part[BODY].length
            parsed.part[BODY].length = length
        if not is_right or seen & 1 << header:
            return False
        seen |= 1 << header
    return seen & NEEDED == NEEDED


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


cdef bint read_cseq(Text value, Parsed *parsed) noexcept:
    """`grammar.match_cseq`, for this request's method."""
    cdef Cursor cursor = inside(value)
    parsed.cseq = number(run(&cursor, DIGIT), MAX_DIGITS)
    if not 0 <= parsed.cseq <= MAX_CSEQ or not run(&cursor, BLANK).length:
        return False
    return equal(Text(cursor.at, cursor.end - cursor.at), parsed.part[METHOD])


cdef bint read_via(Text value, Parsed *parsed) noexcept:
    """`via._match_ordinary`."""
    cdef Cursor cursor = inside(value)
    cdef Text host, name, content
    cdef int params = 0
    cdef bint has_content
    if not take(&cursor, b"SIP/2.0/") or not run(&cursor, PROTOCOL).length or not take_one(&cursor, c" "):
        return False
    host = take_host(&cursor)
    if not host.length:
        return False
    parsed.host = Text(host.at + 1, host.length - 2) if host.at[0] == c"[" else host
    parsed.port = DEFAULT_PORT
    if take_one(&cursor, c":"):
        parsed.port = number(run(&cursor, DIGIT), MAX_PORT_DIGITS)
        if not 0 < parsed.port <= MAX_PORT:
            return False
    parsed.branch = Text(cursor.at, 0)
    parsed.rport = NULL
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
            if has_content or parsed.rport != NULL or not equal(name, RPORT):
                return False
            parsed.rport = cursor.at
        elif not parsed.branch.length and content.length > COOKIE.length and equal(name, BRANCH):
            if not memcmp(content.at, COOKIE.at, COOKIE.length):
                parsed.branch = content
    return True
