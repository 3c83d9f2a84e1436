"""The twin of `recall`: finds what is remembered by the bytes of a request as it is packed, and answers from them.

The values of the usual fields are cut out here where they are written as they usually are; all else is left to the
Python that defines what a value is (`bus.fields`).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject, PyObject_Hash
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy

from slbroker._totag cimport Mac
from slbroker.bus._items cimport status_of, write_reply
from slbroker.bus._jobs cimport Job
from slbroker.bus.msgpack cimport Input, append, put_bytes, take_array, take_bytes, take_data, take_number, take_raw
from slbroker.sip._grammar cimport Text, text_of
from slbroker_edge._outbox cimport post
from slbroker_edge._repeats cimport Repeats

from slbroker.bus.envelope import unpack_request
from slbroker.bus.fields import HEADER, SOURCE_IN, reader_of
from slbroker.bus.memo import MAX_FIELDS as _MAX_FIELDS
from slbroker.errors import Reject
from slbroker.sip.message import Message, Source
from slbroker.sip.reading import Reading
from slbroker_edge.recall import HEAD as _HEAD, MAX_KEY as _MAX_KEY, SEEN as _SEEN

cdef enum:
    FIELD_ROOM = 16
    HEADER_ROOM = 2_048
    KEY_ROOM = 2_048
    MESSAGE_FIELDS = 8
    MAX_HOSTS = 4_096  # of which is known whether they are in a table's networks

cdef Py_ssize_t HEAD = _HEAD, MAX_KEY = _MAX_KEY, SEEN = _SEEN
if _MAX_FIELDS > FIELD_ROOM or MAX_KEY > KEY_ROOM or len(Message._fields) != MESSAGE_FIELDS:
    raise ImportError("_recall.pyx has room for fewer fields than there are")
cdef Py_ssize_t METHOD, URI, CALL_ID, FROM_TAG, TO_TAG, CSEQ, PACKED
METHOD, URI, CALL_ID, FROM_TAG, TO_TAG, CSEQ, PACKED = map(
    Reading._fields.index, ("method", "uri", "call_id", "from_tag", "to_tag", "cseq", "packed"))
cdef Py_ssize_t HEADERS_AT = Message._fields.index("headers"), BODY_AT = Message._fields.index("body")
cdef Py_ssize_t CSEQ_AT = Message._fields.index("cseq")

cdef enum:  # what a value is cut out of, and which part of it
    BY_PYTHON, OF_URI, OF_FROM, OF_TO, OF_HEADER, OF_SOURCE, OF_NETWORKS, IS_INITIAL, IS_BODY
    WHOLE, SCHEME, USER, HOST, PORT, TRANSPORT, LISTEN
_PARTS = {
    "uri": (OF_URI, WHOLE), "uri.scheme": (OF_URI, SCHEME), "uri.user": (OF_URI, USER), "uri.host": (OF_URI, HOST),
    "uri.port": (OF_URI, PORT), "from.uri": (OF_FROM, WHOLE), "from.scheme": (OF_FROM, SCHEME),
    "from.user": (OF_FROM, USER), "from.host": (OF_FROM, HOST), "from.port": (OF_FROM, PORT), "to.uri": (OF_TO, WHOLE),
    "to.scheme": (OF_TO, SCHEME), "to.user": (OF_TO, USER), "to.host": (OF_TO, HOST), "to.port": (OF_TO, PORT),
    "source.host": (OF_SOURCE, HOST), "source.transport": (OF_SOURCE, TRANSPORT), "source.listen": (OF_SOURCE, LISTEN),
    "initial": (IS_INITIAL, 0), "body": (IS_BODY, 0),
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
cdef char room[KEY_ROOM + 8]


cdef void begin(bytes packed) noexcept:
    """Begin to look at a request."""
    global viewed
    cdef const unsigned char *data = <const unsigned char *>PyBytes_AS_STRING(packed)
    cdef Input source = Input(data, data + PyBytes_GET_SIZE(packed), False)
    cdef uint64_t length
    cdef Py_ssize_t at
    view.walked = False
    view.uri.state = view.of_from.state = view.of_to.state = 0
    viewed = None
    take_array(&source)
    for at in range(HEADERS_AT):
        if at == CSEQ_AT:
            take_number(&source)
        else:
            take_data(&source, &length)
    view.headers = source


cdef inline Text take_word(Input *source) noexcept:
    """Take a str."""
    cdef uint64_t kind = take_bytes(source, 1), length = 0
    cdef Text word
    if kind & 0xe0 == 0xa0:
        length = kind & 0x1f
    elif 0xd9 <= kind <= 0xda:
        length = take_bytes(source, <int>kind - 0xd8)
    else:
        source.failed = True
    word.at = <const char *>take_raw(source, &length)
    word.length = <Py_ssize_t>length
    return word


cdef bint walk() noexcept:
    """Look at all of a request; return whether it is packed as expected."""
    cdef Input source = view.headers
    cdef uint64_t count, length
    cdef const unsigned char *data
    cdef Py_ssize_t at
    if view.walked:
        return True
    count = take_array(&source) // 2
    if count > HEADER_ROOM:
        return False
    view.count = <Py_ssize_t>count
    for at in range(view.count):
        data = take_data(&source, &length)
        view.names[at] = Text(<const char *>data, <Py_ssize_t>length)
        data = take_data(&source, &length)
        view.values[at] = Text(<const char *>data, <Py_ssize_t>length)
    for at in range(HEADERS_AT + 1, MESSAGE_FIELDS):
        if at == CSEQ_AT:
            take_number(&source)
            continue
        data = take_data(&source, &length)
        if at == BODY_AT:
            view.body = Text(<const char *>data, <Py_ssize_t>length)
    take_array(&source)
    view.source = take_word(&source)
    take_number(&source)
    view.listen = take_word(&source)
    view.walked = not source.failed
    return view.walked


cdef Text first(const char *name, Py_ssize_t length) noexcept:
    """Return the first value of a header; nothing when there is none."""
    cdef Py_ssize_t at
    for at in range(view.count):
        if view.names[at].length == length and not memcmp(view.names[at].at, name, length):
            return view.values[at]
    return Text(NULL, 0)


cdef inline bint is_of_host(unsigned char one) noexcept:
    return c"a" <= one <= c"z" or c"0" <= one <= c"9" or one == c"." or one == c"-" or one == c"_"


cdef bint cut_uri(Text raw, Parts *parts) noexcept:
    """Cut a sip or sips URI into those parts that are as they are written: `uri.parse_uri` makes the same of it.

    That is: lower case in scheme and host, no escape, no password, no "?", no port beyond five digits.
    """
    cdef const char *at = raw.at
    cdef const char *end = raw.at + raw.length
    cdef const char *found
    cdef long port = 0
    cdef int params = 0
    if raw.length > 4 and not memcmp(at, b"sip:", 4):
        parts.scheme = Text(at, 3)
    elif raw.length > 5 and not memcmp(at, b"sips:", 5):
        parts.scheme = Text(at, 4)
    else:
        return False
    at += parts.scheme.length + 1
    found = at
    while found < end:
        if <unsigned char>found[0] <= 0x20 or <unsigned char>found[0] >= 0x7f:
            return False
        if found[0] == c"%" or found[0] == c"?" or found[0] == c"\\" or found[0] == c'"' or found[0] == c"<" or found[0] == c">":
            return False
        params += found[0] == c";"
        found += 1
    if params > 8:
        return False
    found = <const char *>memchr(at, c"@", end - at)
    parts.user = Text(at, 0)
    if found != NULL:
        parts.user.length = found - at
        if not parts.user.length or memchr(at, c":", parts.user.length) != NULL:
            return False
        at = found + 1
        if memchr(at, c"@", end - at) != NULL:
            return False
    parts.host = Text(at, 0)
    while at < end and is_of_host(<unsigned char>at[0]):
        at += 1
    parts.host.length = at - parts.host.at
    if not parts.host.length or (at - 1)[0] == c".":
        return False
    parts.port = Text(at, 0)
    if at < end and at[0] == c":":
        at += 1
        parts.port.at = at
        while at < end and c"0" <= at[0] <= c"9":
            port = port * 10 + (at[0] - c"0")
            at += 1
            if at - parts.port.at > 5:
                return False
        parts.port.length = at - parts.port.at
        if not parts.port.length or parts.port.at[0] == c"0" or port > 65535:
            return False
    return at == end or at[0] == c";"


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


cdef class Table:
    """Do what `recall.Table` does."""

    cdef readonly tuple fields
    cdef public dict young, old
    cdef public Py_ssize_t said
    cdef int count
    cdef int what[FIELD_ROOM]
    cdef int part[FIELD_ROOM]
    cdef bint walks  # whether any field takes more than what a reading has
    cdef list names  # of headers; or what Python reads a field by
    cdef dict hosts  # whether they are in the networks that are asked for

    def __init__(self, tuple fields not None):
        cdef int at
        if len(fields) > _MAX_FIELDS:
            raise ValueError("more fields than a decision can go by")
        self.fields = fields
        self.young, self.old, self.hosts = {}, {}, {}
        self.count = <int>len(fields)
        self.names = []
        for at in range(self.count):
            reader = reader_of(fields[at])
            self.what[at], self.part[at] = BY_PYTHON, 0
            if fields[at] in _PARTS:
                self.what[at], self.part[at] = _PARTS[fields[at]]
            elif fields[at].startswith(HEADER):
                self.what[at] = OF_HEADER
                reader = fields[at].removeprefix(HEADER).encode()
            elif fields[at].startswith(SOURCE_IN):
                self.what[at] = OF_NETWORKS
            self.names.append(reader)
            self.walks |= self.what[at] != OF_URI and self.what[at] != IS_INITIAL

    def key_of(self, Job job not None):
        """Do what `recall.Table.key_of` does."""
        begin(job.reading.packed)
        return self.key(job.reading)

    cdef object key(self, object reading):
        """Return under which values a request's decision lies, None where it has none; `begin` was called."""
        cdef char *out = room
        cdef char *end = room + MAX_KEY
        cdef Text value, uri
        cdef const char *colon
        cdef bytes other
        cdef int at
        cdef bint is_cut
        if not self.count:
            return b""
        if self.walks and not walk():
            return None
        for at in range(self.count):
            is_cut = True
            if self.what[at] == OF_URI:
                is_cut = find_part(text_of(<bytes>PyTuple_GET_ITEM(reading, URI)), &view.uri, self.part[at], &value)
            elif self.what[at] == OF_FROM:
                is_cut = cut_address(first(b"from", 4), &uri) and find_part(uri, &view.of_from, self.part[at], &value)
            elif self.what[at] == OF_TO:
                is_cut = cut_address(first(b"to", 2), &uri) and find_part(uri, &view.of_to, self.part[at], &value)
            elif self.what[at] == OF_HEADER:
                out = put_header(out, end, text_of(<bytes>self.names[at]))
                if out == NULL:
                    return None
                continue
            elif self.what[at] == OF_SOURCE:
                value = view.source if self.part[at] == HOST else view.listen
                if self.part[at] == TRANSPORT:
                    colon = <const char *>memchr(value.at, c":", value.length)
                    is_cut = colon != NULL
                    value.length = colon - value.at if is_cut else 0
            elif self.what[at] == OF_NETWORKS:
                value = text_of(self.is_within(at))
            elif self.what[at] == IS_INITIAL:
                value = Text(b"0" if PyBytes_GET_SIZE(<bytes>PyTuple_GET_ITEM(reading, TO_TAG)) else b"1", 1)
            elif self.what[at] == IS_BODY:
                value = view.body
            else:
                is_cut = False
            if not is_cut:
                other = self.by_python(at, reading)
                if other is None:
                    return None
                value = text_of(other)
            if end - out < 4 + value.length:
                return None
            out = append(put_bytes(out, <uint64_t>value.length, 4), value.at, value.length)
        return PyBytes_FromStringAndSize(room, out - room)

    cdef bytes is_within(self, int at):
        """Return whether the source is in the networks of a field."""
        cdef bytes host = PyBytes_FromStringAndSize(view.source.at, view.source.length)
        known = PyDict_GetItem(self.hosts, (at, host))
        if known != NULL:
            return <bytes>known
        if len(self.hosts) >= MAX_HOSTS:
            self.hosts.clear()
        answer = self.names[at](None, Source(host.decode(), 0, ""))
        self.hosts[at, host] = answer
        return answer

    cdef bytes by_python(self, int at, object reading):
        """Return the value of a field, as Python reads it; None where it cannot be read."""
        global viewed
        if viewed is None:
            viewed = unpack_request(<object>PyTuple_GET_ITEM(reading, PACKED))
        try:
            return reader_of(self.fields[at])(viewed[0], viewed[1])
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
        if view.names[at].length == name.length and not memcmp(view.names[at].at, name.at, name.length):
            if end - out < 4 + view.values[at].length:
                return NULL
            out = append(put_bytes(out, <uint64_t>view.values[at].length, 4), view.values[at].at, view.values[at].length)
    put_bytes(length_at, <uint64_t>(out - length_at - 4), 4)
    return out


cdef class Recall:
    """Do what `recall.Recall` does."""

    cdef public dict tables
    cdef object wanted_methods
    cdef bint wants_all
    cdef public double tokens
    cdef public list wanted
    cdef public Py_ssize_t replied, dropped, missed, moved, moved_bytes
    cdef uint64_t *seen

    def __cinit__(self):
        self.seen = <uint64_t *>calloc(SEEN, sizeof(uint64_t))
        if self.seen == NULL:
            raise MemoryError
        self.tables, self.wanted = {}, []
        self.wanted_methods = frozenset()

    def __dealloc__(self):
        free(self.seen)

    @property
    def methods(self):
        """Return the methods of which workers have decisions remembered."""
        return self.wanted_methods

    @methods.setter
    def methods(self, methods):
        self.wanted_methods = methods
        self.wants_all = b"" in methods

    def say(self, list jobs not None, double now, Mac mac not None, Repeats repeats, dict outbox not None, dict arming not None):
        """Do what `recall.Recall.say` does."""
        cdef Py_ssize_t at
        cdef list rest = None
        cdef Job job
        for at in range(len(jobs)):
            job = <Job?>jobs[at]
            if self.say_one(job, now, mac, repeats, outbox, arming):
                if rest is None:
                    rest = jobs[:at]
            elif rest is not None:
                rest.append(job)
        return jobs if rest is None else rest

    cdef bint say_one(self, Job job, double now, Mac mac, Repeats repeats, dict outbox, dict arming) except -1:
        cdef object reading = job.reading, method = <object>PyTuple_GET_ITEM(reading, METHOD), key
        cdef PyObject *found = PyDict_GetItem(self.tables, method)
        cdef PyObject *kept
        cdef Table table
        cdef uint64_t seen = 0
        cdef double expires
        if found != NULL and len(<list>found):
            begin(<bytes>PyTuple_GET_ITEM(reading, PACKED))
            for table in <list>found:
                key = table.key(reading)
                if key is None:
                    continue
                kept = PyDict_GetItem(table.young, key)
                if kept == NULL and len(table.old):
                    kept = self.rejuvenate(table, key)
                if kept == NULL:
                    seen = <uint64_t>PyObject_Hash(key) ^ <uint64_t>table.count or 1
                    continue
                memcpy(&expires, PyBytes_AS_STRING(<bytes>kept), sizeof(double))
                if expires <= now:
                    self.moved -= 1
                    self.moved_bytes -= len(key) + PyBytes_GET_SIZE(<bytes>kept)
                    del table.young[key]
                    seen = <uint64_t>PyObject_Hash(key) ^ <uint64_t>table.count or 1
                    continue
                if repeats is not None and repeats.used and repeats.has(job):
                    return False
                table.said += 1
                self.answer(job, reading, <bytes>kept, mac, outbox, arming)
                return True
        self.miss(job, method, seen)
        return False

    cdef PyObject *rejuvenate(self, Table table, bytes key) except? NULL:
        cdef bytes kept = table.old.pop(key, None)
        if kept is None:
            return NULL
        table.young[key] = kept
        self.moved += 1
        self.moved_bytes += len(key) + len(kept)
        return PyDict_GetItem(table.young, key)

    cdef int answer(self, Job job, object reading, bytes kept, Mac mac, dict outbox, dict arming) except -1:
        cdef const char *line = PyBytes_AS_STRING(kept) + HEAD
        cdef unsigned short line_length
        cdef Text status_line
        cdef bytes reply, tag = None
        cdef int status
        memcpy(&line_length, PyBytes_AS_STRING(kept) + sizeof(double), sizeof(line_length))
        if not line_length:
            self.dropped += 1
            return 0
        status_line = Text(line, line_length)
        status = status_of(status_line)
        if status > 100 and not PyBytes_GET_SIZE(<bytes>PyTuple_GET_ITEM(reading, TO_TAG)):
            tag = mac.tag_of(
                text_of(<bytes>PyTuple_GET_ITEM(reading, CALL_ID)), text_of(<bytes>PyTuple_GET_ITEM(reading, FROM_TAG)),
                <uint32_t><object>PyTuple_GET_ITEM(reading, CSEQ))
        reply = write_reply(
            view.headers, status, status_line, Text(line + line_length, PyBytes_GET_SIZE(kept) - HEAD - line_length), tag)
        post(reading, job.listener, job.reply_to, reply, outbox, arming)
        self.replied += 1
        return 0

    cdef int miss(self, Job job, object method, uint64_t seen) except -1:
        cdef Py_ssize_t place
        if not self.wants_all and method not in self.wanted_methods:
            return 0
        self.missed += 1
        if self.tokens >= 1:
            self.tokens -= 1
            self.wanted.append(job)
        elif seen:
            place = <Py_ssize_t>(seen & <uint64_t>(SEEN - 1))
            if self.seen[place] == seen:
                self.wanted.append(job)
            else:
                self.seen[place] = seen
        return 0
