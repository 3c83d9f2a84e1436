"""The twin of `plain`: one pass over the bytes, without an object for a header, a hash or a line."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.string cimport memchr, memcmp

from slbroker.bus.msgpack cimport append
from slbroker.proxy._branch cimport (
    BRANCH_LENGTH, HASHED, LOOP, cseq_of, keyed_state, opened, put_number, put_token, write_branch, write_flow,
)
from slbroker.proxy._route cimport MOST_ROUTES, TO_CALLEE, TO_CALLER, Routes, flow_of, has_maddr, read_routes
from slbroker.sip._grammar cimport (
    BLANK, DIGIT, TOKEN, Cursor, Text, find_name, inside, method_of, number, run, take, take_one, text_of, trimmed,
)
from slbroker.sip._parser cimport (
    BODY, CALL_ID, FROM_TAG, METHOD, TO_TAG, URI, Parsed, end_of_line, line_end, line_of, parse_ordinary, read_tag,
)

from slbroker.proxy import flow as _flow
from slbroker.proxy.flow import Flow, listener_id
from slbroker.proxy.record import NO_DIALOG, record_pieces, via_of
from slbroker.sip import grammar, validate
from slbroker.sip.uri import plain_host

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
    ADDED = 4_096  # bytes that a request grows by at most
    WRITTEN = 1_024  # of these, what a lane writes into each
    NAME_ROOM = 256
    CHANGES = MOST_ROUTES + 6

cdef Py_ssize_t MAX_HEADERS = grammar.MAX_HEADERS
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

cdef char made[ADDED]  # what is put in

cdef struct Change:  # what stands from here to there goes, and something comes
    const char *at
    const char *end
    Text put

cdef struct Changes:
    Py_ssize_t count
    Change of[CHANGES]


cdef class Lane:

    cdef readonly str listen
    cdef readonly object hop, listener, address
    cdef readonly bint may_be_tcp, records
    cdef bytes via, flow_head, host, before, between, behind, flow
    cdef unsigned short port
    cdef bint may_be_near  # whether its host may be written in more than one way, by the kernel, too
    cdef bint is_one_side  # where they come in, they leave

    def __init__(self, str listen not None, hop, listener=None, address=None, *, bint may_be_tcp=False, bint records=False):
        if not (listen.startswith("udp:") and hop.listen.startswith("udp:")):
            raise ValueError("a lane is between UDP sockets")
        self.listen, self.hop, self.listener, self.address = listen, hop, listener, address
        self.may_be_tcp, self.records, self.is_one_side = may_be_tcp, records, listen == hop.listen
        self.via = b"Via: %b;branch=" % via_of(hop.listen)
        self.flow_head = b"u%b-" % listener_id(listen)
        self.before, self.between, self.behind = record_pieces(listen, hop.listen)
        self.flow = Flow("udp", listener_id(hop.listen), hop.host, hop.port).write()
        self.host, self.port = plain_host(hop.host).encode(), hop.port  # as the kernel writes a source
        self.may_be_near = ":" in hop.host and (b"." in self.host or b"%" in self.host or self.host[:2] == b"fe")
        if sum(map(len, (self.via, self.before, self.between, self.behind, self.flow))) > WRITTEN:
            raise ValueError("a listen address that no Via has room for")


cdef class Plain:

    cdef dict via, route, path  # the states of the seals' keys by id
    cdef bytes prefix, own_via, own_route
    cdef object ours
    cdef bint usual

    def __init__(self, seals, checks, ours):
        self.ours = ours
        self.usual = checks.usual  # what is ordinary passes these for sure
        self.via = states_of(seals.accepted, _flow.VIA)
        self.route, self.path = states_of(seals.known, _flow.ROUTE), states_of(seals.known, _flow.PATH)
        self.prefix = _flow.VERSION + seals.current.id
        self.own_via = keyed_state(seals.current.secret, _flow.VIA)
        self.own_route = keyed_state(seals.current.secret, _flow.ROUTE)

    def request(self, bytes data not None, tuple address not None, Lane lane, flows not None):
        cdef Parsed parsed
        cdef Routes routes
        cdef Changes changes
        cdef Text host, via, hops, flow, uri
        cdef unsigned short port = address[1]
        cdef Py_ssize_t at, hops_at
        cdef const char *start = PyBytes_AS_STRING(data)
        cdef char *to = made
        cdef char *token
        cdef char branch[64]
        cdef char written[NAME_ROOM]
        cdef char cseq[NAME_ROOM]
        cdef long long left, reply_port
        cdef bint records
        if not self.usual or parse_ordinary(data, &parsed) is None or not parsed.branch.length:
            return None
        uri = parsed.part[URI]
        if not read_routes(&parsed, name_of[ROUTE], self.ours, &routes) or has_maddr(uri):
            return None
        if routes.count:
            flow_written = flow_of(&parsed, &routes, self.route, self.path)
            if flow_written is None or not parsed.part[TO_TAG].length or memmem(uri.at, uri.length, b"lr", 2) != NULL:
                return None
            lane = flows[flow_written]
        if lane is None:
            return None
        host.at = PyUnicode_AsUTF8AndSize(address[0], &host.length)
        reply_port = port if parsed.rport != NULL else parsed.port
        if host.length > 64 or parsed.part[METHOD].length > 64 or is_near(lane, host, port, reply_port):
            return None
        if parsed.part[CALL_ID].length + parsed.part[FROM_TAG].length > HASHED:
            return None
        records = lane.records and not parsed.part[TO_TAG].length and method_of(parsed.part[METHOD]) not in NO_DIALOG
        if records and uri.at[3] != c":":  # sips
            return None
        hops_at = parsed.via  # which is no number
        for at in range(parsed.count):
            if parsed.names[at] == name_of[PROXY_REQUIRE]:
                return None
            if parsed.names[at] == name_of[MAX_FORWARDS]:
                hops_at = at
        via, hops = parsed.values[parsed.via], parsed.values[hops_at]
        left = number(hops, 3)
        if not 0 < left <= MAX_HOPS or not write_branch(branch, sent_by_of(via), &parsed, routes.values, routes.count):
            return None
        for at in range(parsed.count):  # it has been here before
            if parsed.names[at] == name_of[VIA] and memmem(
                parsed.values[at].at, parsed.values[at].length, branch + BRANCH_LENGTH - LOOP, LOOP
            ) != NULL:
                return None
        # What leaves are the bytes as they came, but for these.
        changes.count = 0
        flow = Text(&written[0], write_flow(written, lane.flow_head, host, reply_port))
        if records:
            token = to
            to = self.put_records(to, lane, &parsed, flow)
            change(&changes, line_end(Text(uri.at, uri.length)) + 2, 0, token, to)
        cdef Text *bound = [
            Text(&branch[0], BRANCH_LENGTH), parsed.part[CALL_ID], parsed.part[FROM_TAG],
            cseq_of(cseq, parsed.cseq, parsed.part[METHOD]),
        ]
        token = to
        to = append(append(put_piece(to, lane.via), branch, BRANCH_LENGTH), b";flow=", 6)
        to = append(put_token(to, self.prefix, self.own_via, flow, bound, 4), b"\r\n", 2)
        change(&changes, line_of(via.at), 0, token, to)
        to = put_stamps(to, &changes, via, &parsed, host, port)
        change(&changes, hops.at, line_end(hops) - hops.at, to, put_number(to, left - 1))
        for at in range(routes.cut_count):
            change(&changes, routes.cuts[at].at, routes.cuts[at].length, to, to)
        sent = changed(&changes, start, parsed.part[BODY].at + parsed.part[BODY].length)
        return None if sent is None else (sent, lane)

    cdef char *put_records(self, char *to, Lane lane, Parsed *parsed, Text back) noexcept:
        """`record.record_routes`."""
        cdef Text *by_back = [TO_CALLER, parsed.part[CALL_ID], parsed.part[FROM_TAG]]
        cdef Text *by_on = [TO_CALLEE, parsed.part[CALL_ID], parsed.part[FROM_TAG]]
        cdef int place
        for place in range(2):
            to = put_piece(to, lane.between if place else lane.before)
            if place ^ lane.is_one_side:
                to = put_token(to, self.prefix, self.own_route, back, by_back, 3)
            else:
                to = put_token(to, self.prefix, self.own_route, text_of(lane.flow), by_on, 3)
        return append(put_piece(to, lane.behind), b"\r\n", 2)

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
        cdef Text value, word, method, token, branch, call_id, tag
        cdef char written[NAME_ROOM]
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
                if not 0 < method.length <= 64 or cursor.at != cursor.end:
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
        cdef Text *bound = [branch, call_id, tag, cseq_of(written, cseq, method)]
        flow = opened(self.via, token, bound, 4)
        if flow is None or (length < 0 and flow[:1] != b"u"):  # a stream needs a length, which is put in
            return None
        end = line + 2 + body
        line = PyBytes_AS_STRING(data)
        back = PyBytes_FromStringAndSize(NULL, (via_line - line) + (end - via_end))
        append(append(PyBytes_AS_STRING(back), line, via_line - line), via_end, end - via_end)
        return back, flow

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


cdef Text sent_by_of(Text via) noexcept:
    """`via.identity`, of an ordinary Via with a parameter."""
    cdef const char *start = <const char *>memchr(via.at, c" ", via.length) + 1
    cdef const char *end = <const char *>memchr(start, c";", via.at + via.length - start)
    return Text(start, end - start)


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
    if end == NULL or end == cursor.at or has_marks(Text(cursor.at, cursor.end - cursor.at)):
        return False
    for at in value.at[8:cursor.at - value.at - 1]:
        if not c"A" <= at <= c"Z":
            return False
    cursor.at = end
    if not take(&cursor, b";branch=") or cursor.end - cursor.at < BRANCH_LENGTH:
        return False
    branch[0] = Text(cursor.at, BRANCH_LENGTH)  # whose characters, and those of the token, the MAC judges
    cursor.at += BRANCH_LENGTH
    if not take(&cursor, b";flow="):
        return False
    end = <const char *>memchr(cursor.at, c";", cursor.end - cursor.at)
    token[0] = Text(cursor.at, (cursor.end if end == NULL else end) - cursor.at)
    return True


cdef bint has_marks(Text value) noexcept:
    cdef Py_ssize_t at
    for at in range(value.length):
        if value.at[at] in (c",", c'"', c" ", c"\t"):
            return True
    return False

# Writing ------------------------------------------------------------------------------------------------------------


cdef inline char *put_piece(char *to, bytes piece) noexcept:
    return append(to, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))


cdef char *put_stamps(char *to, Changes *changes, Text via, Parsed *parsed, Text host, unsigned short port) noexcept:
    """Stamp the top Via (RFC 3261 18.2.1, RFC 3581 4); it may need none, and what trails one that does goes."""
    cdef const char *zone = <const char *>memchr(host.at, c"%", host.length)
    cdef Text own = host if zone == NULL else Text(host.at, zone - host.at)
    cdef const char *end = via.at + via.length
    cdef char *start = to
    if parsed.rport != NULL:
        to = append(put_number(append(to, b"=", 1), port), b";received=", 10)
        to = append(to, own.at, own.length)
        change(changes, parsed.rport, 0, start, to)
        change(changes, end, line_end(via) - end, to, to)
    elif parsed.host.length != own.length or memcmp(parsed.host.at, own.at, own.length):
        to = append(append(to, b";received=", 10), own.at, own.length)
        change(changes, end, line_end(via) - end, start, to)
    return to


cdef void change(Changes *changes, const char *at, Py_ssize_t gone, const char *put, const char *put_end) noexcept:
    """Note a change; they stand in the order of the message, those of one place in that in which they came."""
    cdef Py_ssize_t place = changes.count
    while place and changes.of[place - 1].at > at:
        changes.of[place] = changes.of[place - 1]
        place -= 1
    changes.of[place] = Change(at, at + gone, Text(put, put_end - put))
    changes.count += 1


cdef bytes changed(Changes *changes, const char *start, const char *end):
    """Return a message with its changes; None where no datagram holds it."""
    cdef Py_ssize_t at, size = end - start
    cdef Change one
    cdef char *to
    for at in range(changes.count):
        one = changes.of[at]
        size += one.put.length - (one.end - one.at)
    if size > LONGEST:
        return None
    sent = PyBytes_FromStringAndSize(NULL, size)
    to = PyBytes_AS_STRING(sent)
    for at in range(changes.count):
        one = changes.of[at]
        to = append(append(to, start, one.at - start), one.put.at, one.put.length)
        start = one.end
    append(to, start, end - start)
    return sent


cdef dict states_of(keys, bytes person):
    return {key.id: keyed_state(key.secret, person) for key in keys.values()}
