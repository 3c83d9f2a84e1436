"""The twin of `fields`: takes the values of fields out of a request as it is packed, one request at a time.

Those of the usual fields are cut out here where they are written as they usually are; all else is left to the Python
that defines what a value is.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint64_t
from libc.string cimport memchr

from slbroker.bus.msgpack cimport Input, append, begin, put_bytes, take_array, take_bytes, take_data, take_number, take_raw
from slbroker.sip._grammar cimport DIGIT, Cursor, Text, equal, inside, make, number, run, take, take_one, text_of
from slbroker.sip._parser cimport BODY, CSEQ, HEADERS, PARTS

from slbroker.bus.envelope import unpack_request
from slbroker.bus.fields import HEADER, LEADS, SOURCE_IN, reader_of
from slbroker.bus.memo import MAX_FIELDS as _MAX_FIELDS, MAX_KEY as _MAX_KEY
from slbroker.errors import Reject
from slbroker.sip.message import Source
from slbroker.sip.reading import Reading

cdef enum:
    HEADER_ROOM = 2_048
    KEY_ROOM = 2_048
    MAX_HOSTS = 4_096  # of which is known whether they are in the networks of a field

cdef Py_ssize_t MAX_FIELDS = _MAX_FIELDS, MAX_KEY = _MAX_KEY
if MAX_FIELDS > 16 or MAX_KEY > KEY_ROOM:
    raise ImportError("_fields.pyx has room for fewer fields than memo.py allows")
cdef Py_ssize_t AT_URI, AT_TO_TAG, AT_PACKED
AT_URI, AT_TO_TAG, AT_PACKED = map(Reading._fields.index, ("uri", "to_tag", "packed"))

cdef enum:  # what a value is cut out of, and which part of it
    BY_PYTHON, OF_URI, OF_FROM, OF_TO, OF_HEADER, OF_SOURCE, OF_NETWORKS, IS_INITIAL, IS_BODY
    WHOLE, SCHEME, USER, HOST, PORT, TRANSPORT, LISTEN
_USUAL = {
    **{f"{name}.{part}": (what, at) for name, what in (("uri", OF_URI), ("from", OF_FROM), ("to", OF_TO))
       for part, at in (("uri", WHOLE), ("scheme", SCHEME), ("user", USER), ("host", HOST), ("port", PORT))},
    "uri": (OF_URI, WHOLE), "source.host": (OF_SOURCE, HOST), "source.transport": (OF_SOURCE, TRANSPORT),
    "source.listen": (OF_SOURCE, LISTEN), "initial": (IS_INITIAL, WHOLE), "body": (IS_BODY, WHOLE),
}

# A request, as far as it has been looked at --------------------------------------------------------------------

cdef struct Parts:  # of a URI
    int state  # 0: not looked at, 1: cut, -1: not written as they usually are
    Text scheme
    Text user
    Text host
    Text port

cdef struct View:
    bint walked
    Input headers  # where they begin
    Py_ssize_t count
    Text names[HEADER_ROOM]
    Text values[HEADER_ROOM]
    Text body
    Text source
    Text listen
    Parts uri
    Parts of_from
    Parts of_to

cdef View view  # of the request that is looked at; there is one at a time
cdef object viewed = None  # as Python reads it, where that was needed
cdef char room[KEY_ROOM]
cdef char usual[256]  # characters in a URI whose parts are as they are written
for _at in set(range(0x21, 0x7F)).difference(b'%?\\"<>'):
    usual[<int>_at] = True


cdef Input look_at(bytes packed) noexcept:
    """Begin to look at a request; return where its headers begin."""
    global viewed
    cdef Input source = begin(packed)
    cdef uint64_t length
    cdef Py_ssize_t part
    view.walked = False
    view.uri.state = view.of_from.state = view.of_to.state = 0
    viewed = None
    take_array(&source)
    for part in range(HEADERS):
        if part == CSEQ:
            take_number(&source)
        else:
            take_data(&source, &length)
    view.headers = source
    return source


cdef inline Text take_text(Input *source) noexcept:
    """Take a bin."""
    cdef uint64_t length = 0
    cdef const unsigned char *data = take_data(source, &length)
    return Text(<const char *>data, <Py_ssize_t>length)


cdef inline Text take_word(Input *source) noexcept:
    """Take a str."""
    cdef uint64_t kind = take_bytes(source, 1), length = 0
    cdef const unsigned char *data
    if kind & 0xe0 == 0xa0:
        length = kind & 0x1f
    elif 0xd9 <= kind <= 0xda:
        length = take_bytes(source, <int>kind - 0xd8)
    else:
        source.failed = True
    data = take_raw(source, &length)
    return Text(<const char *>data, <Py_ssize_t>length)


cdef bint walk() noexcept:
    """Look at all of a request; return whether it is packed as expected."""
    cdef Input source = view.headers
    cdef uint64_t count
    cdef Py_ssize_t at
    if view.walked:
        return True
    count = take_array(&source) // 2
    if count > HEADER_ROOM:
        return False
    view.count = <Py_ssize_t>count
    for at in range(view.count):
        view.names[at] = take_text(&source)
        view.values[at] = take_text(&source)
    for at in range(HEADERS + 1, PARTS):
        if at == CSEQ:
            take_number(&source)
        elif at == BODY:
            view.body = take_text(&source)
        else:
            take_text(&source)
    take_array(&source)
    view.source = take_word(&source)
    take_number(&source)
    view.listen = take_word(&source)
    view.walked = not source.failed
    return view.walked


cdef Text first(Text name) noexcept:
    """Return the first value of a header; nothing when there is none."""
    cdef Py_ssize_t at
    for at in range(view.count):
        if equal(view.names[at], name):
            return view.values[at]
    return Text(NULL, 0)


cdef inline bint is_of_host(unsigned char one) noexcept:
    return c"a" <= one <= c"z" or c"0" <= one <= c"9" or one == c"." or one == c"-" or one == c"_"


cdef bint cut_uri(Text raw, Parts *parts) noexcept:
    """Cut a sip or sips URI into those parts that are as they are written: `uri.parse_uri` makes the same of it.

    That is: lower case in scheme and host, no escape, no password, no "?", no port beyond five digits.
    """
    cdef Cursor cursor = inside(raw), each = cursor
    cdef const char *at_sign
    cdef int params = 0
    while each.at < each.end:
        if not usual[<unsigned char>each.at[0]]:
            return False
        params += each.at[0] == c";"
        each.at += 1
    parts.scheme = Text(raw.at, 3 if take(&cursor, b"sip:") else 4)
    if params > 8 or (parts.scheme.length == 4 and not take(&cursor, b"sips:")):
        return False
    parts.user = Text(cursor.at, 0)
    at_sign = <const char *>memchr(cursor.at, c"@", cursor.end - cursor.at)
    if at_sign != NULL:
        parts.user.length = at_sign - cursor.at
        cursor.at = at_sign + 1
        if not parts.user.length or memchr(parts.user.at, c":", parts.user.length) != NULL:
            return False
        if memchr(cursor.at, c"@", cursor.end - cursor.at) != NULL:
            return False
    parts.host = Text(cursor.at, 0)
    while cursor.at < cursor.end and is_of_host(<unsigned char>cursor.at[0]):
        cursor.at += 1
    parts.host.length = cursor.at - parts.host.at
    if not parts.host.length or (cursor.at - 1)[0] == c".":
        return False
    parts.port = Text(cursor.at, 0)
    if take_one(&cursor, c":"):
        parts.port = run(&cursor, DIGIT)
        if not 0 < number(parts.port, 5) <= 65535 or parts.port.at[0] == c"0":
            return False
    return cursor.at == cursor.end or cursor.at[0] == c";"


cdef bint cut_address(Text value, Text *uri) noexcept:
    """Cut out the URI in a value of From or To that has one pair of <>, and no quotes but around its display name."""
    cdef const char *begin = value.at
    cdef const char *after = value.at + value.length
    cdef const char *end
    if not value.length or memchr(begin, c"\\", value.length) != NULL:
        return False
    if begin[0] == c'"':
        begin = <const char *>memchr(begin + 1, c'"', value.length - 1)
        if begin == NULL:
            return False
        begin += 1
    if memchr(begin, c'"', after - begin) != NULL:
        return False
    begin = <const char *>memchr(begin, c"<", after - begin)
    if begin == NULL:
        return False
    begin += 1
    end = <const char *>memchr(begin, c">", after - begin)
    if end == NULL or memchr(begin, c"<", after - begin) != NULL:
        return False
    uri[0] = Text(begin, end - begin)
    return memchr(begin, c" ", end - begin) == NULL and memchr(begin, c"\t", end - begin) == NULL


cdef bint find_part(Text raw, Parts *parts, int part, Text *value) noexcept:
    """Find a part of a URI; return whether it is written as it usually is."""
    if part == WHOLE:
        value[0] = raw
        return True
    if not parts.state:
        parts.state = 1 if cut_uri(raw, parts) else -1
    if parts.state < 0:
        return False
    value[0] = parts.scheme if part == SCHEME else parts.user if part == USER else parts.host if part == HOST else parts.port
    return True


cdef bint find_source(int part, Text *value) noexcept:
    """Find the source's host, the name of the listener, or the transport that this begins with."""
    cdef const char *colon
    value[0] = view.source if part == HOST else view.listen
    if part != TRANSPORT:
        return True
    colon = <const char *>memchr(value.at, c":", value.length)
    value.length = colon - value.at if colon != NULL else 0
    return colon != NULL

# Values --------------------------------------------------------------------------------------------------------


cdef class Fields:
    """Fields that decisions go by, and how the value of each is found."""

    def __init__(self, tuple fields not None):
        cdef int at
        if len(fields) > MAX_FIELDS:
            raise ValueError("more fields than a decision can go by")
        self.hosts = {}
        self.count = <int>len(fields)
        self.lead = next((fields.index(field) for field in LEADS if field in fields), -1)
        self.readers = [reader_of(field) for field in fields]
        for at in range(self.count):
            self.what[at], self.part[at] = _USUAL.get(fields[at], (BY_PYTHON, WHOLE))
            if fields[at].startswith(HEADER):
                self.what[at] = OF_HEADER
                self.readers[at] = fields[at].removeprefix(HEADER).encode()
            elif fields[at].startswith(SOURCE_IN):
                self.what[at] = OF_NETWORKS
            self.walks |= self.what[at] != OF_URI and self.what[at] != IS_INITIAL

    cdef object key(self, object reading):
        """Return the values of the request that is looked at, as `fields.key_of` has them; None where it has none.

        It has none either where they are longer than is remembered.
        """
        cdef char *out = room
        cdef char *end = room + MAX_KEY
        cdef Text value
        cdef bytes other
        cdef int at
        if self.walks and not walk():
            return None
        for at in range(self.count):
            if self.what[at] == OF_HEADER:
                out = put_header(out, end, text_of(<bytes>self.readers[at]))
                if out == NULL:
                    return None
                continue
            if self.what[at] == OF_NETWORKS:
                value = text_of(self.is_within(at))
            elif not self.find(at, reading, &value):
                other = by_python(self.readers[at], reading)
                if other is None:
                    return None
                value = text_of(other)
            if end - out < 4 + value.length:
                return None
            out = append(put_bytes(out, <uint64_t>value.length, 4), value.at, value.length)
        return PyBytes_FromStringAndSize(room, out - room)

    cdef bint find(self, int at, object reading, Text *value) noexcept:
        """Find the value of a field; return whether it is written as it usually is."""
        cdef int what = self.what[at], part = self.part[at]
        cdef Text uri
        if what == OF_URI:
            return find_part(text_of(<bytes>PyTuple_GET_ITEM(reading, AT_URI)), &view.uri, part, value)
        if what == OF_FROM:
            return cut_address(first(Text(b"from", 4)), &uri) and find_part(uri, &view.of_from, part, value)
        if what == OF_TO:
            return cut_address(first(Text(b"to", 2)), &uri) and find_part(uri, &view.of_to, part, value)
        if what == OF_SOURCE:
            return find_source(part, value)
        if what == IS_INITIAL:
            value[0] = Text(b"0" if PyBytes_GET_SIZE(<bytes>PyTuple_GET_ITEM(reading, AT_TO_TAG)) else b"1", 1)
        elif what == IS_BODY:
            value[0] = view.body
        return what != BY_PYTHON

    cdef bint find_lead(self, object reading, Text *value) noexcept:
        """Find what `fields.lead_of` has of the request that is looked at; return whether there is such a value."""
        cdef Text uri = text_of(<bytes>PyTuple_GET_ITEM(reading, AT_URI))
        return self.lead >= 0 and find_part(uri, &view.uri, self.part[self.lead], value)

    cdef bytes is_within(self, int at):
        """Return whether the source is in the networks of a field."""
        cdef bytes host = make(view.source)
        known = PyDict_GetItem(self.hosts, (at, host))
        if known != NULL:
            return <bytes>known
        if len(self.hosts) >= MAX_HOSTS:
            self.hosts.clear()
        answer = self.readers[at](None, Source(host.decode(), 0, ""))
        self.hosts[at, host] = answer
        return answer


cdef bytes by_python(object read, object reading):
    """Return the value of a field, as Python reads it; None where it cannot be read."""
    global viewed
    if viewed is None:
        viewed = unpack_request(<object>PyTuple_GET_ITEM(reading, AT_PACKED))
    try:
        return read(viewed[0], viewed[1])
    except Reject:
        return None


cdef char *put_header(char *out, char *end, Text name) noexcept:
    """Write the values of all headers called `name` as one value; return NULL when there is no room."""
    cdef char *length_at = out
    cdef Py_ssize_t at
    if end - out < 4:
        return NULL
    out += 4
    for at in range(view.count):
        if equal(view.names[at], name):
            if end - out < 4 + view.values[at].length:
                return NULL
            out = append(put_bytes(out, <uint64_t>view.values[at].length, 4), view.values[at].at, view.values[at].length)
    put_bytes(length_at, <uint64_t>(out - length_at - 4), 4)
    return out
