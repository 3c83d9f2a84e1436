from cpython.object cimport PyObject

from slbroker.sip._grammar cimport Text
from slbroker.sip._parser cimport Parsed

cdef enum:
    MOST_ROUTES = 8  # headers, and addresses of ours

cdef struct Routes:
    Text values[MOST_ROUTES]  # of the headers
    Py_ssize_t count  # of these
    Text cuts[MOST_ROUTES]  # what goes of the message
    Py_ssize_t cut_count
    Text tokens[2 * MOST_ROUTES]  # what may be tokens, of the addresses that are ours
    Py_ssize_t token_count

cdef bint read_routes(Parsed *parsed, PyObject *name, ours, Routes *routes) except -1
cdef bint has_maddr(Text uri) noexcept
cdef bytes flow_of(Parsed *parsed, Routes *routes, dict route, dict path)
cdef Text TO_CALLER, TO_CALLEE
