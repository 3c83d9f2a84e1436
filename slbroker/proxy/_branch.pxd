from libc.stdint cimport uint64_t

from slbroker.sip._grammar cimport Text
from slbroker.sip._parser cimport Parsed

cdef enum:
    TRANSACTION = 24  # hex digits of a branch
    LOOP = 17  # with the dot
    MAC = 24
    BRANCH_LENGTH = 50

cdef Text PREFIX
cdef bytes keyed_state(bytes secret)
cdef char *put_number(char *at, long long value) noexcept
cdef bint write_branch(char *branch, Text sent_by, Parsed *parsed) noexcept
cdef bint write_mac(
    char *mac, const uint64_t *keyed, Text flow, Text branch, Text call_id, Text tag, long long cseq, Text method
) noexcept
