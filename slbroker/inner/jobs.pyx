# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `pure_jobs` in C, except for `take_in`, which is in `ordinary`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcmp

from slbroker.inner import pure_jobs
from slbroker.inner.msgpack cimport (
    Input, put_array, put_bytes, put_head, take_array, take_bytes, take_data, take_number,
)
from libc.string cimport memcpy

cdef Py_ssize_t MAX_REPLY = pure_jobs.MAX_REPLY

cdef enum:
    ITEM_HEAD = 10  # bytes: an array of three, and a number of 8 bytes
    ARRAY_HEAD = 3


cdef class Job:
    """Do what `pure_jobs.Job` does."""

    def __init__(self, reading, bytes asks not None, choice, Py_ssize_t size, listener=None, reply_to=None, uint64_t key=0):
        self.reading = reading
        self.key = key
        self.asks = asks
        self.choice = choice
        self.size = size
        self.listener = listener
        self.reply_to = reply_to
        self.number = 0
        self.batch = b""


def number_jobs(list jobs not None, unsigned long long first, double now):
    """Do what `pure_jobs.number_jobs` does."""
    cdef Job job
    cdef Py_ssize_t size = 0
    for job in jobs:
        job.number = first
        job.queued = now
        first += 1
        size += job.size
    return size


def size_of(list jobs not None):
    """Do what `pure_jobs.size_of` does."""
    cdef Job job
    cdef Py_ssize_t size = 0
    for job in jobs:
        size += job.size
    return size


def give(list jobs not None, account, dict held not None, double now, bytes route not None):
    """Do what `pure_jobs.give` does."""
    cdef Job job
    for job in jobs:
        job.given = now
        job.tries += 1
        job.batch = route
        job.last_worker = account
        PyDict_SetItem(held, job.number, job)


def pack_jobs(list jobs not None):
    """Do what `pure_jobs.pack_jobs` does: measure first, then write into a body of that size."""
    cdef Job job
    cdef Py_ssize_t count = len(jobs), size = ARRAY_HEAD if count >= 16 else 1
    cdef bytes packed, body
    cdef char *out
    if count > 0xffff:
        raise ValueError("more jobs than a batch can hold")
    for job in jobs:
        size += ITEM_HEAD + len(<bytes?>job.reading.packed)
    body = PyBytes_FromStringAndSize(NULL, size)
    out = put_array(PyBytes_AS_STRING(body), count)
    for job in jobs:
        packed = <bytes>job.reading.packed
        out = put_bytes(put_head(out, 0x93, 0xcf, 1), <uint64_t>job.number, 8)
        memcpy(out, PyBytes_AS_STRING(packed), PyBytes_GET_SIZE(packed))
        out += PyBytes_GET_SIZE(packed)
    return body


cdef inline Input input_of(bytes body) noexcept:
    cdef const unsigned char *data = <const unsigned char *>PyBytes_AS_STRING(body)
    return Input(data, data + PyBytes_GET_SIZE(body), False)


cdef inline bint is_nil(Input *source) noexcept:
    return source.at < source.end and source.at[0] == 0xc0


cdef bint is_usual(Input source, Py_ssize_t most) noexcept:
    """Return whether a body is an array of pairs, each a number and a bin or nil."""
    cdef uint64_t count = take_array(&source), length
    if count > <uint64_t>most:
        return False
    while count and not source.failed:
        count -= 1
        source.failed |= take_array(&source) != 2
        take_number(&source)
        if is_nil(&source):
            take_bytes(&source, 1)
        else:
            take_data(&source, &length)
    return not source.failed and source.at == source.end


def settle(body, dict held not None, Py_ssize_t most):
    """Do what `pure_jobs.settle` says: judge all of the body first, then take out."""
    cdef Input source
    cdef uint64_t count, length
    cdef const unsigned char *data
    cdef PyObject *job
    cdef list ended = [], strangers = []
    if not PyBytes_CheckExact(body):
        return None
    source = input_of(<bytes>body)
    if not is_usual(source, most):
        return None
    count = take_array(&source)
    while count:
        count -= 1
        take_array(&source)
        number = take_number(&source)
        if is_nil(&source):
            take_bytes(&source, 1)
            answer = None
        else:
            data = take_data(&source, &length)
            answer = PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)
        job = PyDict_GetItem(held, number)
        if job == NULL:
            strangers.append(number)
        else:
            ended.append((<object>job, answer))
            del held[number]
    return ended, strangers


cdef inline bint is_reply(bytes reply) noexcept:
    """`pure_jobs.match_status_line`, and the length that goes into a datagram."""
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
    """Do what `pure_jobs.post_replies` does; most of a turn's replies leave by one listener."""
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
