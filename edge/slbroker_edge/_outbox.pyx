"""The twin of `outbox`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
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


cdef int post(object request, object listener, object reply_to, bytes reply, dict outbox, dict arming) except -1:
    """Do what `outbox.post` does."""
    cdef PyObject *box = PyDict_GetItemWithError(outbox, listener)
    if box == NULL:
        outbox[listener] = [(reply, reply_to)]
    else:
        (<list>box).append((reply, reply_to))
    if PyBytes_AS_STRING(reply)[8] != c"1" and request.method == b"INVITE":
        with_own_tag = arming.setdefault(listener, [])
        if request.to_tag:
            with_own_tag.append(request)
    return 0


def post_replies(list ended not None, Py_ssize_t start, dict outbox not None, dict arming not None):
    """Do what `outbox.post_replies` does."""
    cdef Job job
    cdef Py_ssize_t at
    for at in range(start, len(ended)):
        job, answer = <tuple?>ended[at]
        if job.asks or not PyBytes_CheckExact(answer) or not is_reply(<bytes>answer):
            return at
        post(job.reading, job.listener, job.reply_to, <bytes>answer, outbox, arming)
    return len(ended)
