"""The twin of `outbox`."""

from cpython.array cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.string cimport memchr, memcmp

from slbroker.bus._jobs cimport Job
from slbroker.counting import OTHERS as _OTHERS, PLACES, new_tally
from slbroker_edge.outbox import MAX_REPLY as _MAX_REPLY

cdef Py_ssize_t MAX_REPLY = _MAX_REPLY
cdef Py_ssize_t OTHERS = _OTHERS, TALLY = len(new_tally())
cdef dict place_of = PLACES
cdef bytes last_method = b""  # most replies of a turn are to one method, which the reader has as one object
cdef Py_ssize_t last_place = _OTHERS


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


cdef int post(object request, object listener, object reply_to, bytes reply, dict outbox, dict arming, array tally) except -1:
    """Do what `outbox.post` does."""
    cdef PyObject *box = PyDict_GetItemWithError(outbox, listener)
    if box == NULL:
        outbox[listener] = [(reply, reply_to)]
    else:
        (<list>box).append((reply, reply_to))
    cdef const char *text = PyBytes_AS_STRING(reply)
    cdef bytes method = request.method
    if tally is not None:
        count(tally, method, text)
    if text[8] != c"1" and method == b"INVITE":
        with_own_tag = arming.setdefault(listener, [])
        if request.to_tag:
            with_own_tag.append(request)
    return 0


cdef inline void count(array tally, bytes method, const char *reply):
    """Do what `outbox.post` does with the tally, for a reply with a status from 100 to 699."""
    global last_method, last_place
    cdef PyObject *place
    cdef Py_ssize_t at
    if method is not last_method:
        place = PyDict_GetItemWithError(place_of, method)
        last_place = OTHERS if place == NULL else <Py_ssize_t>(<object>place)
        last_method = method
    at = last_place + 100 * (reply[8] - 48) + 10 * (reply[9] - 48) + reply[10] - 48
    if 0 <= at < TALLY:
        tally.data.as_ulonglongs[at] += 1


def post_replies(list ended not None, Py_ssize_t start, dict outbox not None, dict arming not None, array tally=None):
    """Do what `outbox.post_replies` does."""
    cdef Job job
    cdef Py_ssize_t at
    if tally is not None and (tally.ob_descr.typecode != c"Q" or len(tally) != TALLY):
        raise ValueError("that is no tally")
    for at in range(start, len(ended)):
        job, answer = <tuple?>ended[at]
        if job.asks or not PyBytes_CheckExact(answer) or not is_reply(<bytes>answer):
            return at
        post(job.reading, job.listener, job.reply_to, <bytes>answer, outbox, arming, tally)
    return len(ended)
