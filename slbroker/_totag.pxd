from libc.stdint cimport uint32_t, uint64_t

from slbroker.sip._grammar cimport Text

cdef class Mac:
    cdef uint64_t keyed[8]  # the state behind the key's block
    cdef bytes prefix
    cdef public unsigned long long verified, refused

    cdef bytes tag_of(self, Text call_id, Text from_tag, uint32_t cseq)
