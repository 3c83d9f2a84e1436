from cpython.object cimport PyObject

from slbroker.sip._grammar cimport Cursor, Text

cdef enum:
    PARTS = 8  # a message has
    HEADER_ROOM = 256

cdef Py_ssize_t METHOD, URI, HEADERS, BODY, CALL_ID, FROM_TAG, TO_TAG, CSEQ  # where in a `Message` they stand

cdef struct Parsed:  # an ordinary request
    Text part[PARTS]  # by its place in a `Message`; HEADERS and CSEQ have fields of their own
    long long cseq
    Py_ssize_t count  # of headers
    PyObject *names[HEADER_ROOM]  # canonical
    Text values[HEADER_ROOM]
    Py_ssize_t via  # which of them is the top Via
    Text host  # of its sent-by, an IPv6 address without brackets
    long long port  # of its sent-by
    const char *rport  # where its empty rport ends, NULL without one
    Text branch  # with RFC 3261's cookie, empty without

cdef tuple parse_ordinary(bytes data, Parsed *parsed)
cdef const char *end_of_line(const char *line, const char *end) noexcept
cdef bint read_tag(Text value, Text *tag) noexcept
cdef bint take_sip_uri(Cursor *cursor) noexcept


cdef inline const char *line_of(const char *at) noexcept:
    """Return where the line begins that `at` is in; it is not the first."""
    while (at - 1)[0] != c"\n":
        at -= 1
    return at


cdef inline const char *line_end(Text value) noexcept:
    """Return where the line of a value ends: at its CR."""
    cdef const char *at = value.at + value.length
    while at[0] != c"\r":
        at += 1
    return at
