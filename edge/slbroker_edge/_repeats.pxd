from libc.stdint cimport uint64_t

from slbroker.bus._jobs cimport Job
from slbroker.sip._grammar cimport Text

cdef uint64_t begin_key(uint64_t cseq, uint64_t port) noexcept
cdef uint64_t mix_part(uint64_t key, Text part) noexcept

cdef class Repeats:
    cdef list chains  # the first job of each, or None; its `beside` is the next one
    cdef readonly Py_ssize_t used
    cdef object is_repeat

    cpdef bint has(self, Job job) except -1
    cpdef bint enter(self, Job job) except -1
    cpdef end(self, Job job)
