# cython: language_level=3, boundscheck=False, wraparound=False
"""The header names and methods that messages are made of, found without making an object: there is one for each.

They are those that `grammar` has; all others are left to it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.string cimport memcmp

from slbroker.sip import grammar

cdef enum:
    SLOTS = 512  # a power of two, several times the names, so that most are found at the first look

cdef struct Name:
    const char *spelling  # lower case; NULL in a free slot
    Py_ssize_t length
    PyObject *canonical  # borrowed, like `spelling`, from `kept`

cdef Name names[SLOTS]
cdef dict kept = {name: name for name in [*grammar.COMPACT_FORMS.values(), *map(bytes.lower, grammar.USUAL_NAMES)]}
cdef list METHODS = [*grammar.FREQUENT_METHODS, *sorted(grammar.METHODS)]  # in this order they are looked for


cdef inline unsigned int slot_of(const unsigned char *name, Py_ssize_t length) noexcept:
    """Hash a name that is not empty; which letters are capitals makes no difference."""
    return (<unsigned int>length * 47 + (name[0] | 0x20) * 7 + (name[length // 2] | 0x20) * 29
            + (name[length - 1] | 0x20) * 101) % SLOTS


cdef PyObject *find_name(const unsigned char *name, Py_ssize_t length) noexcept:
    """Return the canonical form of a name that is not empty, borrowed; NULL when it is none of the known ones.

    `| 0x20` folds case exactly: known names are letters and "-", and of the bytes that it makes into those only CR
    is neither, which no line holds.
    """
    cdef unsigned int slot = slot_of(name, length)
    cdef Py_ssize_t at
    while names[slot].spelling:
        if names[slot].length == length:
            at = 0
            while at < length and name[at] | 0x20 == names[slot].spelling[at]:
                at += 1
            if at == length:
                return names[slot].canonical
        slot = (slot + 1) % SLOTS
    return NULL


def _fill():
    cdef bytes spelling
    cdef unsigned int slot
    kept.update({short: kept[name] for short, name in grammar.COMPACT_FORMS.items()})
    if 2 * len(kept) > SLOTS:
        raise ImportError("_names.pyx has less room than the names in grammar.py ask for")
    for spelling, name in kept.items():
        slot = slot_of(spelling, len(spelling))
        while names[slot].spelling:
            slot = (slot + 1) % SLOTS
        names[slot] = Name(PyBytes_AS_STRING(spelling), len(spelling), <PyObject *>name)


_fill()


cdef bytes method_of(const char *text, Py_ssize_t length):
    """Return the method; one object for each that is known."""
    cdef bytes method
    for method in METHODS:
        if PyBytes_GET_SIZE(method) == length and not memcmp(PyBytes_AS_STRING(method), text, length):
            return method
    return PyBytes_FromStringAndSize(text, length)
