# cython: language_level=3, boundscheck=False, wraparound=False
"""The worker's share of the innermost functions: unpack a batch of requests, join the bytes of a reply."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

from slbroker.inner.compiled cimport find_name
from slbroker.sip.message import Message, Source

cdef object new_tuple = tuple.__new__

# unpack_requests ------------------------------------------------------------------------------------------------

cdef struct Input:
    const unsigned char *at
    const unsigned char *end
    bint failed  # something is not as it should be, or not all there


cdef inline uint64_t take_bytes(Input *source, int size) noexcept:
    """Take a number of `size` bytes, the highest first."""
    cdef uint64_t value = 0
    cdef int place
    if source.end - source.at < size:
        source.failed = True
        return 0
    for place in range(size):
        value = value << 8 | source.at[place]
    source.at += size
    return value


cdef inline uint64_t take_array(Input *source) noexcept:
    cdef uint64_t kind = take_bytes(source, 1)
    if kind & 0xf0 == 0x90:
        return kind & 0x0f
    if kind == 0xdc:
        return take_bytes(source, 2)
    source.failed = True
    return 0


cdef inline uint64_t take_number(Input *source) noexcept:
    cdef uint64_t kind = take_bytes(source, 1)
    if kind < 0x80:
        return kind
    if 0xcc <= kind <= 0xcf:
        return take_bytes(source, 1 << (kind - 0xcc))
    source.failed = True
    return 0


cdef inline const unsigned char *take_data(Input *source, uint64_t *length) noexcept:
    """Take a bin; return where it begins."""
    cdef uint64_t kind = take_bytes(source, 1)
    cdef const unsigned char *data
    if not 0xc4 <= kind <= 0xc6:
        source.failed = True
        length[0] = 0
        return source.at
    length[0] = take_bytes(source, 1 << (kind - 0xc4))
    data = source.at
    if length[0] > <uint64_t>(source.end - source.at):
        source.failed = True
        length[0] = 0
    source.at += length[0]
    return data


cdef inline bytes take_bin(Input *source):
    cdef uint64_t length
    cdef const unsigned char *data = take_data(source, &length)
    return PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)


cdef inline object take_name(Input *source):
    """Take a header's name; a common one is always the same object."""
    cdef uint64_t length
    cdef const unsigned char *data = take_data(source, &length)
    cdef PyObject *known = find_name(data, <Py_ssize_t>length) if length else NULL
    # A compact form is found too, and is another name here: names on the bus are long already, and methods are no names.
    if known != NULL and PyBytes_GET_SIZE(<bytes>known) == <Py_ssize_t>length:
        if not memcmp(PyBytes_AS_STRING(<bytes>known), data, length):
            return <object>known
    return PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)


cdef str take_str(Input *source):
    cdef uint64_t kind = take_bytes(source, 1), length = 0
    cdef const unsigned char *data
    if kind & 0xe0 == 0xa0:
        length = kind & 0x1f
    elif kind == 0xd9:
        length = take_bytes(source, 1)
    else:
        source.failed = True
    data = source.at
    if length > <uint64_t>(source.end - source.at):
        source.failed = True
        return ""
    source.at += length
    return PyUnicode_DecodeUTF8(<const char *>data, <Py_ssize_t>length, NULL)


cdef inline void put(tuple row, Py_ssize_t at, object value):
    Py_INCREF(value)  # PyTuple_SET_ITEM takes a reference over
    PyTuple_SET_ITEM(row, at, value)


cdef tuple take_headers(Input *source, Py_ssize_t most):
    cdef uint64_t count = take_array(source)
    cdef tuple headers
    cdef Py_ssize_t at
    if source.failed or count % 2 or count > <uint64_t>most:
        source.failed = True
        return ()
    headers = PyTuple_New(<Py_ssize_t>count)
    for at in range(0, <Py_ssize_t>count, 2):
        put(headers, at, take_name(source))
        put(headers, at + 1, take_bin(source))
    return headers


def unpack_requests(body, Py_ssize_t most):
    """Do what `pure.unpack_requests` says: return the items of a batch whose form is the usual, or None."""
    cdef Input source
    cdef uint64_t count, number
    cdef list items = []
    cdef tuple message, origin
    if not PyBytes_CheckExact(body):
        return None
    source.at = <const unsigned char *>PyBytes_AS_STRING(body)
    source.end = source.at + PyBytes_GET_SIZE(body)
    source.failed = False
    count = take_array(&source)
    if count > <uint64_t>most:
        return None
    while count and not source.failed:
        count -= 1
        if take_array(&source) != 3:
            return None
        number = take_number(&source)
        if take_array(&source) != 8:
            return None
        try:
            message = (
                take_name(&source), take_bin(&source), take_headers(&source, most), take_bin(&source),
                take_bin(&source), take_bin(&source), take_bin(&source), take_number(&source),
            )
            if take_array(&source) != 3:
                return None
            origin = (take_str(&source), take_number(&source), take_str(&source))
        except UnicodeDecodeError:
            return None
        items.append((number, new_tuple(Message, message), new_tuple(Source, origin)))
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


cdef inline int echo_of(bytes name, int special) noexcept:
    """Return which of ECHOES a header is, -1 for none; `special` is the one beyond the usual five."""
    cdef Py_ssize_t length = PyBytes_GET_SIZE(name)
    cdef const char *text = PyBytes_AS_STRING(name)
    cdef int at
    for at in range(ALWAYS):
        if ECHOES[at].length == length and not memcmp(ECHOES[at].name, text, length):
            return at
    if special >= 0 and ECHOES[special].length == length and not memcmp(ECHOES[special].name, text, length):
        return special
    return -1


cdef inline char *append(char *at, bytes data) noexcept:
    memcpy(at, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return at + PyBytes_GET_SIZE(data)


def join_reply(bytes line not None, tuple headers not None, int status, bytes tag not None, bytes tail not None):
    """Do what `pure.join_reply` does: measure first, then write into a reply of that size."""
    cdef signed char echoes[MOST_HEADERS]
    cdef Py_ssize_t count = len(headers) // 2, at
    cdef Py_ssize_t size = PyBytes_GET_SIZE(line) + PyBytes_GET_SIZE(tail)
    cdef int special = -1 if status >= 300 else RECORD_ROUTE if status > 100 else TIMESTAMP
    cdef int echo
    cdef bytes value, reply
    cdef char *out
    if count > MOST_HEADERS:
        raise ValueError("more headers than a batch can hold")
    for at in range(count):
        echo = echo_of(<bytes?>headers[2 * at], special)
        echoes[at] = <signed char>echo
        if echo >= 0:
            value = <bytes?>headers[2 * at + 1]
            size += ECHOES[echo].prefix_length + PyBytes_GET_SIZE(value)
            if echo == TO and PyBytes_GET_SIZE(tag):
                size += 5 + PyBytes_GET_SIZE(tag)
    reply = PyBytes_FromStringAndSize(NULL, size)
    out = append(PyBytes_AS_STRING(reply), line)
    for at in range(count):
        echo = echoes[at]
        if echo >= 0:
            memcpy(out, ECHOES[echo].prefix, ECHOES[echo].prefix_length)
            out = append(out + ECHOES[echo].prefix_length, <bytes>headers[2 * at + 1])
            if echo == TO and PyBytes_GET_SIZE(tag):
                memcpy(out, b";tag=", 5)
                out = append(out + 5, tag)
    append(out, tail)
    return reply
