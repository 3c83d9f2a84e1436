# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `items`: a batch of requests in the usual form, answered from its bytes. What else there is takes Python."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp
cimport cython

from slbroker._totag cimport DIGEST, MAX_PREFIX, Mac
from slbroker.bus.msgpack cimport Input, append, take_array, take_bytes, take_data, take_number
from slbroker.sip._names cimport method_of

from slbroker.bus.envelope import MAX_ARRAY as _MAX_ARRAY
from slbroker.sip.message import Message, Source
from slbroker.sip.reply import echoed_by
from slbroker.twins import definition

cdef enum:
    FIELDS = 8  # of a Message
    MOST_ECHOES = 16
    MOST_HEADERS = 2_048
    STATUSES = 1_000

cdef uint64_t MAX_ARRAY = _MAX_ARRAY
cdef object new_tuple = tuple.__new__
cdef Py_ssize_t METHOD, HEADERS, CALL_ID, FROM_TAG, TO_TAG, CSEQ
METHOD, HEADERS, CALL_ID, FROM_TAG, TO_TAG, CSEQ = map(
    Message._fields.index, ("method", "headers", "call_id", "from_tag", "to_tag", "cseq"))
if len(Message._fields) != FIELDS:
    raise ImportError("_items.pyx has room for another number of fields than a Message has")
if MAX_ARRAY > 2 * MOST_HEADERS:
    raise ImportError("_items.pyx has room for fewer headers than a batch may have")

# What replies echo ----------------------------------------------------------------------------------------------

cdef struct Echo:
    const char *name
    Py_ssize_t length
    const char *prefix
    Py_ssize_t prefix_length
    bint is_to

cdef struct Echoes:  # what the replies of some statuses echo
    int count
    Echo echo[MOST_ECHOES]

cdef Echoes tables[4]
cdef unsigned char table_of[STATUSES]
cdef list mappings = []  # one for each table; their names and prefixes stay


def _fill_tables():
    cdef Echoes *table
    cdef bytes name, prefix
    for status in range(STATUSES):
        mapping = echoed_by(status)
        if mapping not in mappings:
            table = &tables[len(mappings)]
            for name, prefix in mapping.items():
                table.echo[table.count] = Echo(
                    PyBytes_AS_STRING(name), len(name), PyBytes_AS_STRING(prefix), len(prefix), name == b"to")
                table.count += 1
            mappings.append(mapping)
        table_of[status] = mappings.index(mapping)


_fill_tables()


cdef int status_of(const char *text, Py_ssize_t length) except -1:
    """Return the status of a status line."""
    cdef int at
    if length < 11:
        raise ValueError("a status line begins with SIP/2.0 and three digits")
    for at in range(8, 11):
        if not c"0" <= text[at] <= c"9":
            raise ValueError("a status line begins with SIP/2.0 and three digits")
    return (text[8] - c"0") * 100 + (text[9] - c"0") * 10 + text[10] - c"0"


cdef bytes write_reply(
    Input source, int status, const char *line, Py_ssize_t line_length, const char *tail, Py_ssize_t tail_length,
    const char *tag, Py_ssize_t tag_length,
):
    """`reply.join_reply`, with the headers as they are packed: measure first, then write into a reply of that size."""
    cdef Echoes *table = &tables[table_of[status]]
    cdef Echo *echo
    cdef Echo *echoes[MOST_HEADERS]
    cdef uint64_t count = take_array(&source) // 2, at, name_length, length
    cdef const unsigned char *name
    cdef const unsigned char *value
    cdef Py_ssize_t size = line_length + tail_length
    cdef Input again = source
    cdef bytes reply
    cdef char *out
    for at in range(count):
        name = take_data(&source, &name_length)
        take_data(&source, &length)
        echo = echoes[at] = echo_of(table, name, name_length)
        if echo != NULL:
            size += echo.prefix_length + <Py_ssize_t>length
            if echo.is_to and tag_length:
                size += 5 + tag_length
    reply = PyBytes_FromStringAndSize(NULL, size)
    out = append(PyBytes_AS_STRING(reply), line, line_length)
    for at in range(count):
        take_data(&again, &name_length)
        value = take_data(&again, &length)
        echo = echoes[at]
        if echo != NULL:
            out = append(append(out, echo.prefix, echo.prefix_length), value, <Py_ssize_t>length)
            if echo.is_to and tag_length:
                out = append(append(out, b";tag=", 5), tag, tag_length)
    append(out, tail, tail_length)
    return reply


cdef inline Echo *echo_of(Echoes *table, const unsigned char *name, uint64_t length) noexcept:
    """Return how a header is echoed, NULL when it is not."""
    cdef Echo *echo = table.echo
    cdef Echo *end = echo + table.count
    while echo < end:
        if echo.length == <Py_ssize_t>length and not memcmp(echo.name, name, length):
            return echo
        echo += 1
    return NULL

# Taking ---------------------------------------------------------------------------------------------------------

cdef inline bytes take_bin(Input *source):
    cdef uint64_t length
    cdef const unsigned char *data = take_data(source, &length)
    return PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)


cdef inline const unsigned char *take_text(Input *source, uint64_t *length) noexcept:
    """Take a str of ASCII characters; return where it begins."""
    cdef uint64_t kind = take_bytes(source, 1), at
    cdef const unsigned char *data
    length[0] = 0
    if kind & 0xe0 == 0xa0:
        length[0] = kind & 0x1f
    elif kind == 0xd9:
        length[0] = take_bytes(source, 1)
    else:
        source.failed = True
    data = source.at
    if length[0] > <uint64_t>(source.end - source.at):
        source.failed = True
        length[0] = 0
    for at in range(length[0]):
        source.failed |= data[at] > 0x7f
    source.at += length[0]
    return data


cdef inline str take_str(Input *source):
    cdef uint64_t length
    cdef const unsigned char *data = take_text(source, &length)
    return PyUnicode_DecodeASCII(<const char *>data, <Py_ssize_t>length, NULL)


cdef inline void put(tuple row, Py_ssize_t at, object value):
    Py_INCREF(value)  # PyTuple_SET_ITEM takes a reference over
    PyTuple_SET_ITEM(row, at, value)


cdef inline void skip_headers(Input *source) noexcept:
    cdef uint64_t count = take_array(source), length
    source.failed |= count % 2 or count > MAX_ARRAY
    while count and not source.failed:
        take_data(source, &length)
        count -= 1


cdef tuple take_headers(Input *source):
    """Take headers that `skip_headers` has found right."""
    cdef Py_ssize_t count = <Py_ssize_t>take_array(source), at
    cdef tuple headers = PyTuple_New(count)
    for at in range(count):
        put(headers, at, take_bin(source))
    return headers


# Where something lies in an item: from its first byte on.
cdef struct Piece:
    uint32_t at
    uint32_t length


@cython.no_gc  # it holds bytes, and tuples of such: nothing that could hold it
@cython.freelist(256)
cdef class Item:
    """Do what `items.Item` does, with the bytes of the batch; `message` and `source` are made when they are asked for."""

    cdef readonly object number
    cdef readonly bytes method
    cdef bytes body  # what the item lies in
    cdef const unsigned char *begin  # in the body
    cdef uint32_t length, at_source
    cdef Piece pieces[FIELDS]  # of the message; the headers with the array's head, of the CSeq number nothing
    cdef uint64_t cseq
    cdef object made_message, made_source

    @property
    def message(self):
        """Return the request as the edge read it."""
        cdef Input source
        cdef Py_ssize_t at
        cdef tuple fields
        if self.made_message is None:
            fields = PyTuple_New(FIELDS)
            for at in range(FIELDS):
                if at == METHOD:
                    put(fields, at, self.method)
                elif at == CSEQ:
                    put(fields, at, self.cseq)
                elif at == HEADERS:
                    source = self.look(self.pieces[at].at)
                    put(fields, at, take_headers(&source))
                else:
                    put(fields, at, PyBytes_FromStringAndSize(self.text(at), self.pieces[at].length))
            self.made_message = new_tuple(Message, fields)
        return self.made_message

    @property
    def source(self):
        """Return where the request came from."""
        cdef Input source
        if self.made_source is None:
            source = self.look(self.at_source)
            take_array(&source)
            self.made_source = new_tuple(Source, (take_str(&source), take_number(&source), take_str(&source)))
        return self.made_source

    def reply(self, bytes line not None, bytes tail not None, Mac mac not None):
        """Do what `items.Item.reply` does."""
        cdef char tag[MAX_PREFIX + 2 * DIGEST]
        cdef Py_ssize_t tag_length = 0
        cdef int status = status_of(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))
        if status > 100 and not self.pieces[TO_TAG].length:
            tag_length = self.write_tag(tag, mac)
        return write_reply(
            self.look(self.pieces[HEADERS].at), status, PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line),
            PyBytes_AS_STRING(tail), PyBytes_GET_SIZE(tail), tag, tag_length)

    cdef inline const char *text(self, Py_ssize_t field) noexcept:
        return <const char *>self.begin + self.pieces[field].at

    cdef Py_ssize_t write_tag(self, char *out, Mac mac) except -1:
        if self.cseq > 0xffffffff:
            raise ValueError(f"CSeq number {self.cseq} is not within 0 to 4294967295")
        return mac.write_tag(
            out, self.text(CALL_ID), self.pieces[CALL_ID].length,
            self.text(FROM_TAG), self.pieces[FROM_TAG].length, <uint32_t>self.cseq,
        )

    def keep(self):
        """Do what `items.Item.keep` says: hold this request's bytes, and no longer its whole batch."""
        if PyBytes_GET_SIZE(self.body) != <Py_ssize_t>self.length:
            self.body = PyBytes_FromStringAndSize(<const char *>self.begin, self.length)
            self.begin = <const unsigned char *>PyBytes_AS_STRING(self.body)

    cdef inline Input look(self, uint32_t at) noexcept:
        return Input(self.begin + at, self.begin + self.length, False)

    def __iter__(self):
        return iter((self.number, self.message, self.source))

    def __eq__(self, other):
        return tuple(self) == tuple(other) if isinstance(other, (tuple, Item)) else NotImplemented

    def __repr__(self):
        return f"Item(number={self.number!r}, message={self.message!r}, source={self.source!r})"


cdef Item take_item(Input *source, bytes body):
    """Take one item whose form is the usual; whether it was, `source.failed` tells."""
    cdef Item item = Item.__new__(Item)
    cdef const unsigned char *begin = source.at
    cdef const unsigned char *data
    cdef uint64_t length = 0
    cdef Py_ssize_t at
    item.body = body
    item.begin = begin
    source.failed |= take_array(source) != 3
    item.number = take_number(source)
    source.failed |= take_array(source) != FIELDS
    for at in range(FIELDS):
        data = source.at
        if at == HEADERS:
            skip_headers(source)
        elif at == CSEQ:
            item.cseq = take_number(source)
        else:
            data = take_data(source, &length)
            if at == METHOD:
                item.method = method_of(<const char *>data, <Py_ssize_t>length)
        item.pieces[at] = Piece(<uint32_t>(data - begin), <uint32_t>length)
    item.at_source = <uint32_t>(source.at - begin)
    source.failed |= take_array(source) != 3
    take_text(source, &length)
    take_number(source)
    take_text(source, &length)
    item.length = <uint32_t>(source.at - begin)
    return item


cdef list take_items(bytes body):
    """Return the items of a batch whose form is the usual, or None."""
    cdef const unsigned char *begin = <const unsigned char *>PyBytes_AS_STRING(body)
    cdef Input source = Input(begin, begin + PyBytes_GET_SIZE(body), PyBytes_GET_SIZE(body) > 0x7fffffff)
    cdef uint64_t count = take_array(&source)
    cdef list items = []
    source.failed |= count > MAX_ARRAY
    while count and not source.failed:
        count -= 1
        items.append(take_item(&source, body))
    return None if source.failed or source.at != source.end else items


def decode_requests(body):
    """Do what `envelope.decode_requests` does."""
    items = take_items(<bytes>body) if PyBytes_CheckExact(body) else None
    return definition(decode_requests)(body) if items is None else items
