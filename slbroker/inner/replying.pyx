# cython: language_level=3, boundscheck=False, wraparound=False
"""The worker's share of the innermost functions: unpack a batch of requests, join the bytes of a reply."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy
cimport cython

from slbroker.inner.compiled cimport find_name
from slbroker.inner.msgpack cimport Input, take_array, take_bytes, take_data, take_number
from slbroker.inner.ordinary cimport method_of
from slbroker.inner.signing cimport DIGEST, MAX_PREFIX, Mac
from slbroker.sip.message import Message, Source

cdef object new_tuple = tuple.__new__

# unpack_requests ------------------------------------------------------------------------------------------------

cdef inline bytes take_bin(Input *source):
    cdef uint64_t length
    cdef const unsigned char *data = take_data(source, &length)
    return PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)


cdef inline object take_name(Input *source):
    """Take a header's name; a common name is always the same object."""
    cdef uint64_t length
    cdef const unsigned char *data = take_data(source, &length)
    cdef PyObject *known = find_name(data, <Py_ssize_t>length) if length else NULL
    # A compact form is found too, and is another name here: names on the bus are long already, and methods are no names.
    if known != NULL and PyBytes_GET_SIZE(<bytes>known) == <Py_ssize_t>length:
        if not memcmp(PyBytes_AS_STRING(<bytes>known), data, length):
            return <object>known
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


cdef inline uint64_t skip_headers(Input *source, Py_ssize_t most) noexcept:
    """Pass over headers; return how many names and values they are."""
    cdef uint64_t count = take_array(source), length, at
    if count % 2 or count > <uint64_t>most:
        source.failed = True
        return 0
    for at in range(count):
        take_data(source, &length)
        if source.failed:
            return 0
    return count


cdef tuple take_headers(Input *source):
    """Take headers that `skip_headers` has found right."""
    cdef Py_ssize_t count = <Py_ssize_t>take_array(source), at
    cdef tuple headers = PyTuple_New(count)
    for at in range(0, count, 2):
        put(headers, at, take_name(source))
        put(headers, at + 1, take_bin(source))
    return headers


# Where something lies in an item: from its first byte on.
cdef struct Piece:
    uint32_t at
    uint32_t length


@cython.no_gc  # it holds bytes, and tuples of such: nothing that could hold it
@cython.freelist(256)
cdef class Item:
    """Do what `pure.Item` does, with the bytes of the batch; `message` and `source` are made when they are asked for."""

    cdef readonly object number
    cdef readonly bytes method
    cdef bytes body  # what the item lies in
    cdef const unsigned char *begin  # in the body
    cdef uint32_t length, at_message, at_headers, at_source
    cdef Piece call_id, from_tag, to_tag
    cdef uint64_t cseq
    cdef object made_message, made_source

    @property
    def message(self):
        """Return the request as the edge read it."""
        cdef Input source
        cdef uint64_t length
        if self.made_message is None:
            source = self.look(self.at_message)
            take_array(&source)
            take_data(&source, &length)
            self.made_message = new_tuple(Message, (
                self.method, take_bin(&source), take_headers(&source), take_bin(&source),
                take_bin(&source), take_bin(&source), take_bin(&source), self.cseq,
            ))
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
        """Do what `pure.Item.reply` does: measure first, then write into a reply of that size."""
        cdef int status = status_of(line)
        cdef int special = special_of(status), echo
        cdef Input source = self.look(self.at_headers)
        cdef uint64_t count = take_array(&source), at, name_length, length
        cdef const unsigned char *name
        cdef const unsigned char *value
        cdef Py_ssize_t size = PyBytes_GET_SIZE(line) + PyBytes_GET_SIZE(tail), tag_length = 0
        cdef char tag[MAX_PREFIX + 2 * DIGEST]
        cdef Input again = source
        cdef bytes reply
        cdef char *out
        if status > 100 and not self.to_tag.length:
            tag_length = self.write_tag(tag, mac)
        for at in range(0, count, 2):
            name = take_data(&source, &name_length)
            take_data(&source, &length)
            echo = echo_of(<const char *>name, <Py_ssize_t>name_length, special)
            if echo >= 0:
                size += ECHOES[echo].prefix_length + <Py_ssize_t>length
                if echo == TO and tag_length:
                    size += 5 + tag_length
        reply = PyBytes_FromStringAndSize(NULL, size)
        out = append(PyBytes_AS_STRING(reply), line)
        for at in range(0, count, 2):
            name = take_data(&again, &name_length)
            value = take_data(&again, &length)
            echo = echo_of(<const char *>name, <Py_ssize_t>name_length, special)
            if echo >= 0:
                out = append_echo(out, echo, <const char *>value, <Py_ssize_t>length, tag, tag_length)
        append(out, tail)
        return reply

    cdef Py_ssize_t write_tag(self, char *out, Mac mac) except -1:
        if self.cseq > 0xffffffff:
            raise ValueError(f"CSeq number {self.cseq} is not within 0 to 4294967295")
        return mac.write_tag(
            out, <const char *>self.begin + self.call_id.at, self.call_id.length,
            <const char *>self.begin + self.from_tag.at, self.from_tag.length, <uint32_t>self.cseq,
        )

    def keep(self):
        """Do what `pure.Item.keep` says: hold this request's bytes, and no longer its whole batch."""
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


cdef inline Piece take_piece(Input *source, const unsigned char *begin) noexcept:
    cdef uint64_t length
    cdef const unsigned char *data = take_data(source, &length)
    return Piece(<uint32_t>(data - begin), <uint32_t>length)


cdef Item take_item(Input *source, bytes body, Py_ssize_t most):
    """Take one item whose form is the usual; whether it was, `source.failed` tells."""
    cdef Item item = Item.__new__(Item)
    cdef const unsigned char *begin = source.at
    cdef const unsigned char *data
    cdef uint64_t length
    item.body = body
    item.begin = begin
    source.failed |= take_array(source) != 3
    item.number = take_number(source)
    item.at_message = <uint32_t>(source.at - begin)
    source.failed |= take_array(source) != 8
    data = take_data(source, &length)
    item.method = method_of(<const char *>data, <Py_ssize_t>length)
    take_data(source, &length)
    item.at_headers = <uint32_t>(source.at - begin)
    skip_headers(source, most)
    take_data(source, &length)
    item.call_id = take_piece(source, begin)
    item.from_tag = take_piece(source, begin)
    item.to_tag = take_piece(source, begin)
    item.cseq = take_number(source)
    item.at_source = <uint32_t>(source.at - begin)
    source.failed |= take_array(source) != 3
    take_text(source, &length)
    take_number(source)
    take_text(source, &length)
    item.length = <uint32_t>(source.at - begin)
    return item


def unpack_requests(body, Py_ssize_t most):
    """Do what `pure.unpack_requests` says: return the items of a batch whose form is the usual, or None."""
    cdef Input source
    cdef uint64_t count
    cdef list items = []
    if not PyBytes_CheckExact(body) or PyBytes_GET_SIZE(body) > 0x7fffffff:
        return None
    source.at = <const unsigned char *>PyBytes_AS_STRING(body)
    source.end = source.at + PyBytes_GET_SIZE(body)
    source.failed = False
    count = take_array(&source)
    if count > <uint64_t>most:
        return None
    while count and not source.failed:
        count -= 1
        items.append(take_item(&source, body, most))
    return None if source.failed or source.at != source.end else items

# join_reply -----------------------------------------------------------------------------------------------------

cdef struct Echo:
    const char *name
    Py_ssize_t length
    const char *prefix
    Py_ssize_t prefix_length

cdef Echo ECHOES[7]
ECHOES[0] = Echo(b"via", 3, b"\r\nVia: ", 7)
ECHOES[1] = Echo(b"from", 4, b"\r\nFrom: ", 8)
ECHOES[2] = Echo(b"to", 2, b"\r\nTo: ", 6)
ECHOES[3] = Echo(b"call-id", 7, b"\r\nCall-ID: ", 11)
ECHOES[4] = Echo(b"cseq", 4, b"\r\nCSeq: ", 8)
ECHOES[5] = Echo(b"timestamp", 9, b"\r\nTimestamp: ", 13)  # in a 100 alone
ECHOES[6] = Echo(b"record-route", 12, b"\r\nRecord-Route: ", 16)  # in 101 to 299 alone

cdef enum:
    TO = 2
    ALWAYS = 5
    TIMESTAMP = 5
    RECORD_ROUTE = 6
    MOST_HEADERS = 2_048  # an array on the bus has 4,096 elements at most


cdef int status_of(bytes line) except -1:
    """Return the status of a status line."""
    cdef const char *text = PyBytes_AS_STRING(line)
    cdef int at
    if PyBytes_GET_SIZE(line) < 11:
        raise ValueError("a status line begins with SIP/2.0 and three digits")
    for at in range(8, 11):
        if not c"0" <= text[at] <= c"9":
            raise ValueError("a status line begins with SIP/2.0 and three digits")
    return (text[8] - c"0") * 100 + (text[9] - c"0") * 10 + text[10] - c"0"


cdef inline int special_of(int status) noexcept:
    """Return which header is echoed beside the usual five, -1 for none."""
    return -1 if status >= 300 else RECORD_ROUTE if status > 100 else TIMESTAMP


cdef inline int echo_of(const char *name, Py_ssize_t length, int special) noexcept:
    """Return which of ECHOES a header is, -1 for none; `special` is the one beyond the usual five."""
    cdef int at
    for at in range(ALWAYS):
        if ECHOES[at].length == length and not memcmp(ECHOES[at].name, name, length):
            return at
    if special >= 0 and ECHOES[special].length == length and not memcmp(ECHOES[special].name, name, length):
        return special
    return -1


cdef inline char *append(char *at, bytes data) noexcept:
    memcpy(at, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return at + PyBytes_GET_SIZE(data)


cdef inline char *append_echo(
    char *at, int echo, const char *value, Py_ssize_t length, const char *tag, Py_ssize_t tag_length
) noexcept:
    memcpy(at, ECHOES[echo].prefix, ECHOES[echo].prefix_length)
    at += ECHOES[echo].prefix_length
    memcpy(at, value, length)
    at += length
    if echo == TO and tag_length:
        memcpy(at, b";tag=", 5)
        memcpy(at + 5, tag, tag_length)
        at += 5 + tag_length
    return at


def join_reply(bytes line not None, tuple headers not None, int status, bytes tag not None, bytes tail not None):
    """Do what `pure.join_reply` does: measure first, then write into a reply of that size."""
    cdef signed char echoes[MOST_HEADERS]
    cdef Py_ssize_t count = len(headers) // 2, at
    cdef Py_ssize_t size = PyBytes_GET_SIZE(line) + PyBytes_GET_SIZE(tail), tag_length = PyBytes_GET_SIZE(tag)
    cdef int special = special_of(status), echo
    cdef bytes name, value, reply
    cdef char *out
    if count > MOST_HEADERS:
        raise ValueError("more headers than a batch can hold")
    for at in range(count):
        name = <bytes?>headers[2 * at]
        echo = echo_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), special)
        echoes[at] = <signed char>echo
        if echo >= 0:
            value = <bytes?>headers[2 * at + 1]
            size += ECHOES[echo].prefix_length + PyBytes_GET_SIZE(value)
            if echo == TO and tag_length:
                size += 5 + tag_length
    reply = PyBytes_FromStringAndSize(NULL, size)
    out = append(PyBytes_AS_STRING(reply), line)
    for at in range(count):
        if echoes[at] >= 0:
            value = <bytes>headers[2 * at + 1]
            out = append_echo(
                out, echoes[at], PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), PyBytes_AS_STRING(tag), tag_length
            )
    append(out, tail)
    return reply
