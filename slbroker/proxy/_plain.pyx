"""The twin of `plain`: one pass over the bytes, without an object for a header, a hash or a line."""

from hmac import compare_digest

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcmp, memcpy

from slbroker.bus.msgpack cimport append
from slbroker.proxy._branch cimport BRANCH_LENGTH, LOOP, MAC, PREFIX, keyed_state, put_number, write_branch, write_mac
from slbroker.sip._grammar cimport (
    BLANK, DIGIT, PROTOCOL, TOKEN, Cursor, Text, classes, find_name, inside, make, number, run, take, take_one, text_of,
    trimmed,
)
from slbroker.sip._parser cimport BODY, CALL_ID, FROM_TAG, METHOD, URI, Parsed, end_of_line, parse_ordinary, read_tag

from slbroker.proxy import flow as _flow
from slbroker.proxy.record import via_of
from slbroker.proxy.flow import listener_id
from slbroker.sip import grammar, validate

cdef extern from "<Python.h>":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *length) except NULL

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <string.h>
    extern void *memmem(const void *, size_t, const void *, size_t);
    """
    void *memmem(const void *hay, size_t size, const void *needle, size_t length) noexcept

cdef enum:
    LONGEST = 65_535
    ADDED = 1_024  # bytes that a request grows by at most: our Via, what is stamped, a digit less
    NAME_ROOM = 256

cdef Py_ssize_t MAX_TOKEN = _flow.MAX_TOKEN, MAX_HEADERS = grammar.MAX_HEADERS
cdef Py_ssize_t MAX_DIGITS = grammar.MAX_DIGITS
cdef long long MAX_CSEQ = grammar.MAX_CSEQ, MAX_HOPS = validate.MAX_HOPS
if grammar.MAX_DATAGRAM > LONGEST:
    raise ImportError("_plain.pyx has less room than the limit in grammar.py asks for")

cdef PyObject *name_of[9]
cdef enum:
    VIA, FROM, CALL_ID_HEADER, CSEQ_HEADER, CONTENT_LENGTH, MAX_FORWARDS, ROUTE, PROXY_REQUIRE, NAMES
cdef bytes _name
cdef int _at
for _at, _name in enumerate((
    b"via", b"from", b"call-id", b"cseq", b"content-length", b"max-forwards", b"route", b"proxy-require",
)):
    name_of[_at] = find_name(text_of(_name))

cdef char out[LONGEST + ADDED]


cdef class Lane:

    cdef readonly str listen
    cdef readonly object hop, listener, address
    cdef readonly bint may_be_tcp
    cdef bytes via, flow_head, host
    cdef unsigned short port
    cdef bint may_be_near  # whether its host may be written in more than one way

    def __init__(self, str listen not None, hop, listener=None, address=None, *, bint may_be_tcp=False):
        if not (listen.startswith("udp:") and hop.listen.startswith("udp:")):
            raise ValueError("a lane is between UDP sockets")
        self.listen, self.hop, self.listener, self.address = listen, hop, listener, address
        self.may_be_tcp = may_be_tcp
        self.via = b"Via: %b;branch=" % via_of(hop.listen)
        self.flow_head = b"u%b-" % listener_id(listen)
        self.host, self.port = hop.host.encode(), hop.port
        self.may_be_near = ":" in hop.host
        if len(self.via) > ADDED // 4:
            raise ValueError("a listen address that no Via has room for")


cdef class Plain:

    cdef uint64_t own[8]
    cdef dict keyed
    cdef bytes prefix
    cdef object checks
    cdef bint usual

    def __init__(self, seals, checks):
        self.checks = checks
        self.usual = checks.usual  # what is ordinary passes these for sure
        self.keyed = {key.id: keyed_state(key.secret) for key in seals.accepted.values()}
        self.prefix = _flow.VERSION + seals.current.id
        state = keyed_state(seals.current.secret)
        memcpy(self.own, PyBytes_AS_STRING(state), sizeof(self.own))

    def request(self, bytes data not None, tuple address not None, Lane lane not None):
        cdef Parsed parsed
        cdef Text host, via, hops, sent_by, value
        cdef unsigned short port = address[1]
        cdef Py_ssize_t at, hops_at = -1, length
        cdef const char *start = PyBytes_AS_STRING(data)
        cdef const char *via_line
        cdef const char *end
        cdef char *to
        cdef char branch[64]
        cdef char mac[MAC]
        cdef char flow[NAME_ROOM]
        cdef Py_ssize_t flow_length
        cdef long long left
        cdef bint is_stamped
        if not self.usual or parse_ordinary(data, &parsed) is None or not parsed.branch.length:
            return None
        host.at = PyUnicode_AsUTF8AndSize(address[0], &host.length)
        cdef long long reply_port = port if parsed.rport != NULL else parsed.port
        if host.length > 64 or is_near(lane, host, port, reply_port) or has_maddr(parsed.part[URI]):
            return None
        for at in range(parsed.count):
            if parsed.names[at] == name_of[ROUTE] or parsed.names[at] == name_of[PROXY_REQUIRE]:
                return None
            if parsed.names[at] == name_of[MAX_FORWARDS]:
                hops_at = at
        left = number(parsed.values[hops_at], 3) if hops_at >= 0 else -1
        if not 0 < left <= MAX_HOPS:
            return None
        via = parsed.values[parsed.via]
        sent_by = sent_by_of(via)
        if not write_branch(branch, sent_by, &parsed):
            return None
        for at in range(parsed.count):  # it has been here before
            value = parsed.values[at]
            if parsed.names[at] == name_of[VIA] and memmem(
                value.at, value.length, branch + BRANCH_LENGTH - LOOP, LOOP
            ) != NULL:
                return None
        flow_length = write_flow(flow, lane, host, reply_port)
        if not write_mac(mac, self.own, Text(&flow[0], flow_length), Text(&branch[0], BRANCH_LENGTH), parsed.part[CALL_ID],
                         parsed.part[FROM_TAG], parsed.cseq, parsed.part[METHOD]):
            return None
        # What leaves: the lines as they came, but for three places; the two later ones in the order of the lines.
        via_line = line_of(via.at, start)
        hops = parsed.values[hops_at]
        end = parsed.part[BODY].at + parsed.part[BODY].length
        to = out
        if hops.at < via_line:
            to = put_hops(to, &start, hops, left)
        to = append(to, start, via_line - start)
        start = via_line
        to = append(to, PyBytes_AS_STRING(lane.via), PyBytes_GET_SIZE(lane.via))
        to = append(append(to, branch, BRANCH_LENGTH), b";flow=", 6)
        to = append(to, PyBytes_AS_STRING(self.prefix), PyBytes_GET_SIZE(self.prefix))
        to = append(append(append(append(to, mac, MAC), b"-", 1), flow, flow_length), b"\r\n", 2)
        to = put_via(to, &start, via, &parsed, host, port)
        if hops.at > via.at:
            to = put_hops(to, &start, hops, left)
        to = append(to, start, end - start)
        if to - out > LONGEST:
            return None
        return PyBytes_FromStringAndSize(out, to - out)

    def reply(self, bytes data not None):
        cdef const char *line = PyBytes_AS_STRING(data)
        cdef const char *end = line + PyBytes_GET_SIZE(data)
        cdef const char *newline = end_of_line(line, end)
        cdef const char *colon
        cdef const char *via_line = NULL
        cdef const char *via_end = NULL
        cdef Py_ssize_t count = 0, body
        cdef int seen = 0, which
        cdef PyObject *name
        cdef Text value, word, branch, token, call_id, tag, method
        cdef long long cseq = 0, length = -1
        cdef Cursor cursor
        cdef bint has_more = False
        if PyBytes_GET_SIZE(data) > LONGEST or newline == NULL or not is_status(line, newline - 1):
            return None
        while True:
            line = newline + 1
            if end - line >= 2 and line[0] == c"\r" and line[1] == c"\n":
                break
            newline = end_of_line(line, end)
            count += 1
            if newline == NULL or count > MAX_HEADERS:
                return None
            colon = <const char *>memchr(line, c":", newline - line)
            if colon == NULL:
                continue
            word = trimmed(line, colon)
            if not word.length or word.at != line:
                continue
            name = find_name(word)
            which = 0
            while which <= CONTENT_LENGTH and name != name_of[which]:
                which += 1
            if which > CONTENT_LENGTH or name == NULL:
                continue
            if seen & 1 << which:
                has_more |= which == VIA
                continue
            seen |= 1 << which
            value = trimmed(colon + 1, newline - 1)
            if which == VIA:
                via_line, via_end = line, newline + 1
                if not read_ours(value, &branch, &token):
                    return None
            elif which == FROM:
                if not read_tag(value, &tag):
                    return None
            elif which == CALL_ID_HEADER:
                call_id = value
            elif which == CSEQ_HEADER:
                cursor = inside(value)
                cseq = number(run(&cursor, DIGIT), MAX_DIGITS)
                if not 0 <= cseq <= MAX_CSEQ or not run(&cursor, BLANK).length:
                    return None
                method = run(&cursor, TOKEN)
                if not method.length or cursor.at != cursor.end:
                    return None
            else:
                length = number(value, MAX_DIGITS)
                if length < 0:
                    return None
        body = end - line - 2
        if seen & 0xF != 0xF or not has_more or length > body:
            return None
        if length >= 0:
            body = length
        flow = self.opened(token, branch, call_id, tag, cseq, method)
        if flow is None or (length < 0 and flow[:1] != b"u"):  # a stream needs a length, which is put in
            return None
        end = line + 2 + body
        line = PyBytes_AS_STRING(data)
        back = PyBytes_FromStringAndSize(NULL, (via_line - line) + (end - via_end))
        append(append(PyBytes_AS_STRING(back), line, via_line - line), via_end, end - via_end)
        return back, flow

    cdef bytes opened(self, Text token, Text branch, Text call_id, Text tag, long long cseq, Text method):
        """`flow.Seal.open`: the flow in a token, None where it is not for this."""
        cdef char mac[MAC]
        cdef Text flow = Text(token.at + 31, token.length - 31)
        cdef bytes state
        cdef uint64_t keyed[8]
        if not 31 < token.length <= MAX_TOKEN or token.at[0] != c"f" or token.at[1] != c"1" or token.at[30] != c"-":
            return None
        state = self.keyed.get(token.at[2:6])
        if state is None:
            return None
        memcpy(keyed, PyBytes_AS_STRING(state), sizeof(keyed))
        if not write_mac(mac, keyed, flow, branch, call_id, tag, cseq, method):
            return None
        return make(flow) if compare_digest(mac[:MAC], token.at[6:30]) else None

# Reading ------------------------------------------------------------------------------------------------------------


cdef bint is_near(Lane lane, Text host, unsigned short port, long long reply_port) noexcept:
    """Return whether a request may have come from where it would go."""
    if lane.port != port and lane.port != reply_port:
        return False
    if lane.may_be_near or is_mapped(host):
        return True
    return host.length == PyBytes_GET_SIZE(lane.host) and not memcmp(host.at, PyBytes_AS_STRING(lane.host), host.length)


cdef inline bint is_mapped(Text host) noexcept:
    """Return whether an address may be one of IPv4 in IPv6's clothes (RFC 4291 2.5.5.2)."""
    return host.length > 7 and not memcmp(host.at, b"::ffff:", 7)


cdef bint has_maddr(Text uri) noexcept:
    """Return whether "maddr" may be in a URI: something that begins as it does, and has its length."""
    cdef Py_ssize_t at
    for at in range(uri.length - 4):
        if uri.at[at] | 0x20 == c"m" and uri.at[at + 1] | 0x20 == c"a" and uri.at[at + 2] | 0x20 == c"d":
            return True
    return False


cdef Text sent_by_of(Text via) noexcept:
    """`via.identity`, of an ordinary Via with a parameter."""
    cdef const char *start = <const char *>memchr(via.at, c" ", via.length) + 1
    cdef const char *end = <const char *>memchr(start, c";", via.at + via.length - start)
    return Text(start, end - start)


cdef inline const char *line_of(const char *at, const char *first) noexcept:
    """Return where the line begins that `at` is in; it is not the first."""
    while (at - 1)[0] != c"\n":
        at -= 1
    return at


cdef bint is_status(const char *line, const char *end) noexcept:
    """`backward._match_status`, in capitals."""
    cdef Cursor cursor = Cursor(line, end)
    cdef Text digits
    if not take(&cursor, b"SIP/2.0 "):
        return False
    digits = run(&cursor, DIGIT)
    if digits.length != 3 or not c"1" <= digits.at[0] <= c"6":
        return False
    return cursor.at == cursor.end or cursor.at[0] == c" "


cdef bint read_ours(Text value, Text *branch, Text *token) noexcept:
    """`backward._match_ours`, of which nothing but parameters that the next element has added follows."""
    cdef Cursor cursor = inside(value)
    cdef const char *end
    if not take(&cursor, b"SIP/2.0/") or not run(&cursor, TOKEN).length or not take_one(&cursor, c" "):
        return False
    end = <const char *>memchr(cursor.at, c";", cursor.end - cursor.at)
    if end == NULL or has_marks(Text(cursor.at, cursor.end - cursor.at)):
        return False
    for at in value.at[8:cursor.at - value.at - 1]:
        if not c"A" <= at <= c"Z":
            return False
    if end == cursor.at:
        return False
    cursor.at = end
    if not take(&cursor, b";branch=") or cursor.end - cursor.at < BRANCH_LENGTH:
        return False
    branch[0] = Text(cursor.at, BRANCH_LENGTH)
    if memcmp(cursor.at, PREFIX.at, PREFIX.length):
        return False
    cursor.at += BRANCH_LENGTH
    for at in branch.at[PREFIX.length:BRANCH_LENGTH]:
        if not (c"0" <= at <= c"9" or c"a" <= at <= c"f" or at == c"."):
            return False
    if not take(&cursor, b";flow="):
        return False
    token[0] = Text(cursor.at, 0)
    while cursor.at < cursor.end and is_of_token(cursor.at[0]):
        cursor.at += 1
    token.length = cursor.at - token.at
    return token.length and (cursor.at == cursor.end or cursor.at[0] == c";")


cdef bint has_marks(Text value) noexcept:
    cdef Py_ssize_t at
    for at in range(value.length):
        if value.at[at] in (c",", c'"', c" ", c"\t"):
            return True
    return False


cdef inline bint is_of_token(char at) noexcept:
    return c"0" <= at <= c"9" or c"a" <= at | 0x20 <= c"z" or at in (c".", c"_", c"~", c"-")

# Writing ------------------------------------------------------------------------------------------------------------


cdef Py_ssize_t write_flow(char *to, Lane lane, Text host, long long port) noexcept:
    """`flow.Flow.write`."""
    cdef Py_ssize_t at
    cdef bint is_zone = False
    cdef char *end = append(to, PyBytes_AS_STRING(lane.flow_head), PyBytes_GET_SIZE(lane.flow_head))
    end = append(put_number(end, port), b"--", 2)
    for at in range(host.length):
        end[at] = host.at[at]
        if not is_zone and host.at[at] == c":":
            end[at] = c"_"
        elif not is_zone and host.at[at] == c"%":
            end[at] = c"~"
            is_zone = True
    return end + host.length - to


cdef char *put_hops(char *to, const char **start, Text hops, long long left) noexcept:
    """Go on to the end of the line with Max-Forwards, one hop less in it."""
    to = put_number(append(to, start[0], hops.at - start[0]), left - 1)
    start[0] = line_end(hops)
    return to


cdef inline const char *line_end(Text value) noexcept:
    """Return where the line of a value ends: at its CR."""
    cdef const char *at = value.at + value.length
    while at[0] != c"\r":
        at += 1
    return at


cdef char *put_via(char *to, const char **start, Text via, Parsed *parsed, Text host, unsigned short port) noexcept:
    """Go on to the end of the top Via's line, with its stamps (RFC 3261 18.2.1, RFC 3581 4); it may need none."""
    cdef const char *zone = <const char *>memchr(host.at, c"%", host.length)
    cdef Text written = host if zone == NULL else Text(host.at, zone - host.at)
    cdef const char *rport = parsed.rport
    if rport == NULL and parsed.host.length == written.length and not memcmp(parsed.host.at, written.at, written.length):
        return to
    if rport != NULL:
        to = append(append(to, start[0], rport - start[0]), b"=", 1)
        to = append(append(put_number(to, port), b";received=", 10), written.at, written.length)
        start[0] = rport
        to = append(to, rport, via.at + via.length - rport)
    else:
        to = append(to, start[0], via.at + via.length - start[0])
        to = append(append(to, b";received=", 10), written.at, written.length)
    start[0] = line_end(via)
    return to
