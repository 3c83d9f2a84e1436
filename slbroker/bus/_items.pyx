"""The twin of `items`: a batch of requests in the usual form, answered from its bytes. What else there is takes Python."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp
cimport cython

from slbroker._totag cimport Mac
from slbroker.bus.msgpack cimport Input, append, begin, take_array, take_bytes, take_data, take_number, take_raw
from slbroker.sip._grammar cimport Text, method_of, text_of
from slbroker.sip._parser cimport CALL_ID, CSEQ, FROM_TAG, HEADERS, METHOD, PARTS, TO_TAG

from slbroker.bus.envelope import MAX_ARRAY as _MAX_ARRAY, unpack_request
from slbroker.sip.reply import echoed_by
from slbroker.twins import definition

cdef enum:
    MOST_ECHOES = 16
    MOST_HEADERS = 2_048
    STATUSES = 1_000

cdef uint64_t MAX_ARRAY = _MAX_ARRAY
if MAX_ARRAY > 2 * MOST_HEADERS:
    raise ImportError("_items.pyx has room for fewer headers than a batch may have")

# What replies echo ----------------------------------------------------------------------------------------------

cdef struct Echo:
    Text name
    Text prefix
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
            if len(mappings) == 4 or len(mapping) > MOST_ECHOES:
                raise ImportError("_items.pyx has room for fewer echoed headers than there are in reply.py")
            table = &tables[len(mappings)]
            for name, prefix in mapping.items():
                table.echo[table.count] = Echo(text_of(name), text_of(prefix), name == b"to")
                table.count += 1
            mappings.append(mapping)
        table_of[status] = mappings.index(mapping)


_fill_tables()


cdef int status_of(Text line) except -1:
    """Return the status of a status line."""
    cdef int at, status = 0
    for at in range(8, 11):
        if line.length < 11 or not c"0" <= line.at[at] <= c"9":
            raise ValueError("a status line begins with SIP/2.0 and three digits")
        status = 10 * status + line.at[at] - c"0"
    return status


cdef bytes write_reply(Input source, int status, Text line, Text tail, bytes tag):
    """`reply.join_reply`, with the headers as they are packed: measure first, then write into a reply of that size."""
    cdef Echoes *table = &tables[table_of[status]]
    cdef Echo *echo
    cdef Echo *echoes[MOST_HEADERS]
    cdef Input again = source
    cdef uint64_t count = take_array(&source) // 2, at, name_length, length
    cdef const unsigned char *name
    cdef const unsigned char *value
    cdef Py_ssize_t size = line.length + tail.length
    cdef bytes reply
    cdef char *out
    if count > MOST_HEADERS:
        raise ValueError("a request has more headers than a batch may have")
    take_array(&again)
    for at in range(count):
        name = take_data(&source, &name_length)
        take_data(&source, &length)
        echo = echoes[at] = echo_of(table, name, name_length)
        if echo != NULL:
            size += echo.prefix.length + <Py_ssize_t>length
            if echo.is_to and tag is not None:
                size += 5 + PyBytes_GET_SIZE(tag)
    reply = PyBytes_FromStringAndSize(NULL, size)
    out = append(PyBytes_AS_STRING(reply), line.at, line.length)
    for at in range(count):
        take_data(&again, &name_length)
        value = take_data(&again, &length)
        echo = echoes[at]
        if echo != NULL:
            out = append(append(out, echo.prefix.at, echo.prefix.length), value, <Py_ssize_t>length)
            if echo.is_to and tag is not None:
                out = append(append(out, b";tag=", 5), PyBytes_AS_STRING(tag), PyBytes_GET_SIZE(tag))
    append(out, tail.at, tail.length)
    return reply


cdef inline Echo *echo_of(Echoes *table, const unsigned char *name, uint64_t length) noexcept:
    """Return how a header is echoed, NULL when it is not."""
    cdef Echo *echo = table.echo
    cdef Echo *end = echo + table.count
    while echo < end:
        if echo.name.length == <Py_ssize_t>length and not memcmp(echo.name.at, name, length):
            return echo
        echo += 1
    return NULL

# Items ----------------------------------------------------------------------------------------------------------

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
    cdef uint32_t length, at_message
    cdef Piece pieces[PARTS]  # of the message; the headers with the array's head, of the CSeq number nothing
    cdef uint64_t cseq
    cdef tuple made  # message and source

    cdef tuple make(self):
        if self.made is None:
            self.made = unpack_request(self.begin[self.at_message:self.length])
        return self.made

    @property
    def message(self):
        """Return the request as the edge read it."""
        return self.make()[0]

    @property
    def source(self):
        """Return where the request came from."""
        return self.make()[1]

    def reply(self, bytes line not None, bytes tail not None, Mac mac not None):
        cdef Input source = Input(self.begin + self.pieces[HEADERS].at, self.begin + self.length, False)
        cdef int status = status_of(text_of(line))
        cdef bytes tag = None
        if status > 100 and not self.pieces[TO_TAG].length:
            if self.cseq > 0xffffffff:
                raise ValueError(f"CSeq number {self.cseq} is not within 0 to 4294967295")
            tag = mac.tag_of(self.text(CALL_ID), self.text(FROM_TAG), <uint32_t>self.cseq)
        return write_reply(source, status, text_of(line), text_of(tail), tag)

    cdef inline Text text(self, Py_ssize_t part) noexcept:
        return Text(<const char *>self.begin + self.pieces[part].at, self.pieces[part].length)

    def keep(self):
        if PyBytes_GET_SIZE(self.body) != <Py_ssize_t>self.length:
            self.body = self.begin[:self.length]
            self.begin = <const unsigned char *>PyBytes_AS_STRING(self.body)

    def __iter__(self):
        return iter((self.number, *self.make()))

    def __eq__(self, other):
        return tuple(self) == tuple(other) if isinstance(other, (tuple, Item)) else NotImplemented

    def __repr__(self):
        return f"Item(number={self.number!r}, message={self.message!r}, source={self.source!r})"

# Taking ---------------------------------------------------------------------------------------------------------


cdef inline void skip_headers(Input *source) noexcept:
    cdef uint64_t count = take_array(source), length
    source.failed |= count % 2 or count > MAX_ARRAY
    while count and not source.failed:
        take_data(source, &length)
        count -= 1


cdef inline void skip_text(Input *source) noexcept:
    """Take a str of ASCII characters, of less than 256."""
    cdef uint64_t kind = take_bytes(source, 1), at, length
    cdef const unsigned char *data
    length = kind & 0x1f if kind & 0xe0 == 0xa0 else take_bytes(source, 1)
    source.failed |= kind & 0xe0 != 0xa0 and kind != 0xd9
    data = take_raw(source, &length)
    for at in range(length):
        source.failed |= data[at] > 0x7f


cdef Item take_item(Input *source, bytes body):
    """Take one item whose form is the usual; whether it was, `source.failed` tells."""
    cdef Item item = Item.__new__(Item)
    cdef const unsigned char *data
    cdef uint64_t length = 0
    cdef Py_ssize_t at
    item.body = body
    item.begin = source.at
    source.failed |= take_array(source) != 3
    item.number = take_number(source)
    item.at_message = <uint32_t>(source.at - item.begin)
    source.failed |= take_array(source) != PARTS
    for at in range(PARTS):
        data = source.at
        if at == HEADERS:
            skip_headers(source)
        elif at == CSEQ:
            item.cseq = take_number(source)
        else:
            data = take_data(source, &length)
            if at == METHOD:
                item.method = method_of(Text(<const char *>data, <Py_ssize_t>length))
        item.pieces[at] = Piece(<uint32_t>(data - item.begin), <uint32_t>length)
    source.failed |= take_array(source) != 3
    skip_text(source)
    take_number(source)
    skip_text(source)
    item.length = <uint32_t>(source.at - item.begin)
    return item


def decode_requests(body):
    cdef Input source
    cdef uint64_t count
    cdef list items = []
    if not PyBytes_CheckExact(body):
        return definition(decode_requests)(body)
    source = begin(<bytes>body)
    count = take_array(&source)
    source.failed |= count > MAX_ARRAY or PyBytes_GET_SIZE(body) > 0x7fffffff
    while count and not source.failed:
        count -= 1
        items.append(take_item(&source, <bytes>body))
    return items if not source.failed and source.at == source.end else definition(decode_requests)(body)
