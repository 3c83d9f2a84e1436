from libc.stdint cimport uint64_t

cdef uint64_t mix_part(uint64_t key, const char *part, Py_ssize_t length) noexcept
cdef uint64_t end_key(uint64_t key, uint64_t cseq, uint64_t port) noexcept
