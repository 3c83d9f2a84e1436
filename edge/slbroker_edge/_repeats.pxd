from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from slbroker.bus._jobs cimport Job

cdef struct Part:
    const char *at
    Py_ssize_t length

cdef uint64_t key_of(Part *parts, int count, uint64_t cseq, uint64_t port) noexcept

cdef class Repeats:
    cdef PyObject **slots
    cdef size_t mask, used
    cdef int most_alike
    cdef object is_repeat

    cdef bint knows(self, Job job) except -1
    cdef bint find_place(self, Job job) except -1
    cdef int resize(self, size_t most) except -1
    cdef size_t free_slot(self, uint64_t key) noexcept
    cdef int leave(self, Job job) except -1
