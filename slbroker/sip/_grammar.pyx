"""The classes of characters, header names and methods that `grammar` has, as the compiled twins look for them."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from slbroker.sip import grammar

cdef enum:
    SLOTS = 512  # a power of two, several times the names, so that most are found at the first look

cdef struct Name:
    Text spelling  # lower case; NULL in a free slot
    PyObject *canonical  # borrowed, like `spelling`, from `kept`

cdef Name names[SLOTS]
cdef dict kept = {name: name for name in [*grammar.COMPACT_FORMS.values(), *map(bytes.lower, grammar.USUAL_NAMES)]}
cdef list METHODS = [*grammar.FREQUENT_METHODS, *sorted(grammar.METHODS)]  # in this order they are looked for


cdef inline unsigned int slot_of(const unsigned char *name, Py_ssize_t length) noexcept:
    """Hash a name that is not empty; which letters are capitals makes no difference."""
    return (<unsigned int>length * 47 + (name[0] | 0x20) * 7 + (name[length // 2] | 0x20) * 29
            + (name[length - 1] | 0x20) * 101) % SLOTS


cdef PyObject *find_name(Text name) noexcept:
    """Return the canonical form of a name that is not empty, borrowed; NULL when it is none of the known ones.

    `| 0x20` folds case exactly: known names are letters and "-", and of the bytes that it makes into those only CR
    is neither, which no line holds.
    """
    cdef unsigned int slot = slot_of(<const unsigned char *>name.at, name.length)
    cdef Py_ssize_t at
    while names[slot].canonical:
        if names[slot].spelling.length == name.length:
            at = 0
            while at < name.length and name.at[at] | 0x20 == names[slot].spelling.at[at]:
                at += 1
            if at == name.length:
                return names[slot].canonical
        slot = (slot + 1) % SLOTS
    return NULL


cdef bytes method_of(Text method):
    """Return the method; one object for each that is known."""
    cdef bytes known
    for known in METHODS:
        if PyBytes_GET_SIZE(known) == method.length and not memcmp(PyBytes_AS_STRING(known), method.at, method.length):
            return known
    return make(method)


def _fill():
    cdef bytes spelling
    cdef unsigned int slot
    kept.update({short: kept[name] for short, name in grammar.COMPACT_FORMS.items()})
    if 2 * len(kept) > SLOTS:
        raise ImportError("_grammar.pyx has less room than the names in grammar.py ask for")
    for spelling, name in kept.items():
        slot = slot_of(spelling, len(spelling))
        while names[slot].canonical:
            slot = (slot + 1) % SLOTS
        names[slot] = Name(text_of(spelling), <PyObject *>name)
    for at, members in enumerate((
        grammar.TOKEN, grammar.HOST, grammar.URI_USER, grammar.URI_PARAM, grammar.DISPLAY, grammar.ADDR_SPEC,
        grammar.NAME_ADDR, grammar.VIA_VALUE, grammar.PROTOCOL, grammar.IPV6, b"0-9", b" \t",
    )):
        for member in grammar.members(members):
            classes[<int>member] |= <unsigned short>(1 << <int>at)


_fill()
