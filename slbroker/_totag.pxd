from libc.stdint cimport uint32_t, uint64_t

from slbroker.sip._grammar cimport Text

cdef enum:
    BLOCK = 128  # bytes that a hash takes at once

cdef void begin_hash(uint64_t *state, int digest, int key, bytes person) except *
cdef void compress(uint64_t *state, const char *block, uint64_t length, bint last) noexcept
cdef void write_hex(char *at, const uint64_t *state, int size) noexcept

cdef class Mac:
    cdef uint64_t keyed[8]  # the state behind the key's block
    cdef bytes prefix
    cdef public unsigned long long verified, refused

    cdef bytes tag_of(self, Text call_id, Text from_tag, uint32_t cseq)
