from libc.stdint cimport uint64_t

from slbroker.sip._grammar cimport Text
from slbroker.sip._parser cimport Parsed

cdef enum:
    TRANSACTION = 24  # hex digits of a branch
    LOOP = 17  # with the dot
    BRANCH_LENGTH = 50
    HASHED = 3_000  # of a message, in a token

cdef bytes keyed_state(bytes secret, bytes person)
cdef char *put_number(char *at, long long value) noexcept
cdef bint write_branch(char *branch, Text sent_by, Parsed *parsed, const Text *routes, Py_ssize_t count) noexcept
cdef char *put_token(char *to, bytes prefix, bytes state, Text flow, const Text *bound, Py_ssize_t count) noexcept
cdef Py_ssize_t write_flow(char *to, bytes head, Text host, long long port) noexcept
cdef Text cseq_of(char *to, long long cseq, Text method) noexcept
cdef bytes opened(dict states, Text token, const Text *bound, Py_ssize_t count)
