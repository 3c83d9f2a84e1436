from libc.stdint cimport uint64_t

cdef struct Part:
    const char *at
    Py_ssize_t length

cdef uint64_t key_of(Part *parts, int count, uint64_t cseq, uint64_t port) noexcept
