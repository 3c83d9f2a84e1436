# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `outbox`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp

from slbroker.bus._jobs cimport Job
from slbroker_edge.outbox import MAX_REPLY as _MAX_REPLY

cdef Py_ssize_t MAX_REPLY = _MAX_REPLY


cdef inline bint is_reply(bytes reply) noexcept:
    """`outbox.match_status_line`, and the length that goes into a datagram."""
    cdef const char *text = PyBytes_AS_STRING(reply)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(reply)
    cdef const char *newline
    if length < 14 or length > MAX_REPLY or memcmp(text, b"SIP/2.0 ", 8):
        return False
    if not (c"1" <= text[8] <= c"6" and c"0" <= text[9] <= c"9" and c"0" <= text[10] <= c"9" and text[11] == c" "):
        return False
    newline = <const char *>memchr(text, c"\n", length)
    return newline != NULL and (newline - 1)[0] == c"\r" and memchr(text, c"\r", newline - 1 - text) == NULL


def post_replies(list ended not None, Py_ssize_t start, dict outbox not None, dict arming not None):
    """Do what `outbox.post_replies` does; most of a turn's replies leave by one listener."""
    cdef Job job
    cdef list box = None
    cdef Py_ssize_t at
    cdef tuple pair
    last = None
    for at in range(start, len(ended)):
        pair = <tuple?>ended[at]
        job, answer = pair
        if job.asks or not PyBytes_CheckExact(answer) or not is_reply(<bytes>answer):
            return at
        if box is None or job.listener is not last:
            last = job.listener
            box = outbox.setdefault(last, [])
        box.append((answer, job.reply_to))
        if PyBytes_AS_STRING(<bytes>answer)[8] != c"1" and job.reading.method == b"INVITE":
            with_own_tag = arming.setdefault(last, [])
            if job.reading.to_tag:
                with_own_tag.append(job.reading)
    return len(ended)
