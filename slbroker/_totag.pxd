from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    DIGEST = 12  # bytes, as twice as many hex digits
    MAX_PREFIX = 16  # bytes

cdef class Mac:
    cdef uint64_t keyed[8]  # the state behind the key's block
    cdef bytes prefix

    cdef Py_ssize_t write_tag(
        self, char *out, const char *call_id, Py_ssize_t call_id_length,
        const char *from_tag, Py_ssize_t from_tag_length, uint32_t cseq,
    ) except -1
    cdef int write_digits(
        self, char *out, const char *call_id, Py_ssize_t call_id_length,
        const char *from_tag, Py_ssize_t from_tag_length, uint32_t cseq,
    ) except -1
    cdef void digest(self, const unsigned char *text, Py_ssize_t size, char *out) noexcept
