"""The little of msgpack that is read and written in C.

What is put has the shortest form for each value; `at` has room, the caller sees to it. What is taken may have any form.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memcpy


cdef inline char *append(char *at, const void *data, Py_ssize_t length) noexcept:
    memcpy(at, data, length)
    return at + length


cdef inline char *put_bytes(char *at, uint64_t value, int size) noexcept:
    """Write a number in `size` bytes, the highest first."""
    cdef int place
    for place in range(size):
        at[place] = <char>(value >> 8 * (size - 1 - place))
    return at + size


cdef inline char *put_head(char *at, unsigned char kind, uint64_t value, int size) noexcept:
    at[0] = <char>kind
    return put_bytes(at + 1, value, size)


cdef inline char *put_sized(char *at, unsigned char kind, uint64_t value) noexcept:
    """Write `kind` and a number in 1 byte, the kind behind it and 2 bytes, and so on: in as few as hold it."""
    if value < 0x100:
        return put_head(at, kind, value, 1)
    if value < 0x10000:
        return put_head(at, kind + 1, value, 2)
    if value < 0x100000000:
        return put_head(at, kind + 2, value, 4)
    return put_head(at, kind + 3, value, 8)


cdef inline char *put_array(char *at, Py_ssize_t length) noexcept:
    return put_head(at, <unsigned char>(0x90 | length), 0, 0) if length < 16 else put_head(at, 0xdc, length, 2)


cdef inline char *put_bin_head(char *at, Py_ssize_t length) noexcept:
    return put_head(at, 0xc4, length, 1) if length < 0x100 else put_sized(at, 0xc4, length)


cdef inline char *put_bin(char *at, const char *data, Py_ssize_t length) noexcept:
    return append(put_bin_head(at, length), data, length)


cdef inline char *put_str(char *at, const char *data, Py_ssize_t length) noexcept:
    at = put_head(at, <unsigned char>(0xa0 | length), 0, 0) if length < 32 else put_sized(at, 0xd9, length)
    return append(at, data, length)


cdef inline char *put_int(char *at, uint64_t value) noexcept:
    return put_head(at, <unsigned char>value, 0, 0) if value < 0x80 else put_sized(at, 0xcc, value)

# Taking --------------------------------------------------------------------------------------------------------

cdef struct Input:
    const unsigned char *at
    const unsigned char *end
    bint failed  # something is not as it should be, or not all there


cdef inline Input begin(bytes body) noexcept:
    cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(body)
    return Input(at, at + PyBytes_GET_SIZE(body), False)


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


cdef inline uint64_t take_sized(Input *source, uint64_t kind, uint64_t first, int kinds) noexcept:
    """Take a number in 1 byte where `kind` is `first`, in 2 where it is the next one, and so on."""
    if first <= kind < first + kinds:
        return take_bytes(source, 1 << (kind - first))
    source.failed = True
    return 0


cdef inline uint64_t take_array(Input *source) noexcept:
    cdef uint64_t kind = take_bytes(source, 1)
    if kind & 0xf0 == 0x90:
        return kind & 0x0f
    source.failed |= kind != 0xdc
    return take_bytes(source, 2)


cdef inline uint64_t take_number(Input *source) noexcept:
    cdef uint64_t kind = take_bytes(source, 1)
    return kind if kind < 0x80 else take_sized(source, kind, 0xcc, 4)


cdef inline const unsigned char *take_raw(Input *source, uint64_t *length) noexcept:
    """Take so many bytes, or none where there are fewer; return where they begin."""
    cdef const unsigned char *data = source.at
    if length[0] > <uint64_t>(source.end - source.at):
        source.failed = True
        length[0] = 0
    source.at += length[0]
    return data


cdef inline const unsigned char *take_data(Input *source, uint64_t *length) noexcept:
    """Take a bin; return where it begins."""
    if source.end - source.at >= 2 and source.at[0] == 0xc4:  # nearly all: a request has dozens, of few bytes each
        length[0] = source.at[1]
        source.at += 2
    else:
        length[0] = take_sized(source, take_bytes(source, 1), 0xc4, 3)
    return take_raw(source, length)
