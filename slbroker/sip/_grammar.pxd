"""Reading on in a text, by the classes of characters that `grammar` has; its names, found without making an object."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.string cimport memcmp, strlen

cdef enum:  # classes of characters, in the order in which `_grammar` fills them in
    TOKEN = 1, HOST = 2, URI_USER = 4, URI_PARAM = 8, DISPLAY = 16, ADDR_SPEC = 32, NAME_ADDR = 64, VIA_VALUE = 128
    PROTOCOL = 256, IPV6 = 512, DIGIT = 1024, BLANK = 2048

cdef struct Text:
    const char *at
    Py_ssize_t length

cdef struct Cursor:
    const char *at
    const char *end

cdef unsigned short classes[256]
cdef PyObject *find_name(Text name) noexcept
cdef bytes method_of(Text method)


cdef inline Text text_of(bytes text) noexcept:
    return Text(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef inline bytes make(Text text):
    return PyBytes_FromStringAndSize(text.at, text.length)


cdef inline bint equal(Text one, Text two) noexcept:
    return one.length == two.length and not memcmp(one.at, two.at, one.length)


cdef inline Cursor inside(Text text) noexcept:
    return Cursor(text.at, text.at + text.length)


cdef inline bint take(Cursor *cursor, const char *word) noexcept:
    """Go behind a word; return whether it was there."""
    cdef Py_ssize_t length = <Py_ssize_t>strlen(word)
    if cursor.end - cursor.at < length or memcmp(cursor.at, word, length):
        return False
    cursor.at += length
    return True


cdef inline bint take_one(Cursor *cursor, char character) noexcept:
    if cursor.at == cursor.end or cursor.at[0] != character:
        return False
    cursor.at += 1
    return True


cdef inline Text run(Cursor *cursor, int members) noexcept:
    """Go behind the characters of these classes, as many as there are, and return them."""
    cdef const char *start = cursor.at
    cdef const char *at = start
    cdef const char *end = cursor.end
    while at < end and classes[<unsigned char>at[0]] & members:
        at += 1
    cursor.at = at
    return Text(start, at - start)


cdef inline Text trimmed(const char *at, const char *end) noexcept:
    while at < end and classes[<unsigned char>at[0]] & BLANK:
        at += 1
    while end > at and classes[<unsigned char>(end - 1)[0]] & BLANK:
        end -= 1
    return Text(at, end - at)


cdef inline long long number(Text digits, Py_ssize_t most) noexcept:
    """Return the number in all of these digits, -1 when it has none, too many, or anything else among them."""
    cdef long long value = 0
    cdef Py_ssize_t at
    if not 0 < digits.length <= most:
        return -1
    for at in range(digits.length):
        if not classes[<unsigned char>digits.at[at]] & DIGIT:
            return -1
        value = value * 10 + (digits.at[at] - c"0")
    return value
