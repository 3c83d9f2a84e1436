# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `jobs`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from slbroker.bus.msgpack cimport Input, put_array, put_bytes, put_head, take_array, take_data, take_number

from slbroker.twins import definition

cdef enum:
    ITEM_HEAD = 10  # bytes: an array of three, and a number of 8 bytes
    ARRAY_HEAD = 3


cdef class Job:
    """Do what `jobs.Job` does."""

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
    """Do what `jobs.number_jobs` does."""
    cdef Job job
    cdef Py_ssize_t size = 0
    for job in jobs:
        job.number = first
        job.queued = now
        first += 1
        size += job.size
    return size


def size_of(list jobs not None):
    """Do what `jobs.size_of` does."""
    cdef Job job
    cdef Py_ssize_t size = 0
    for job in jobs:
        size += job.size
    return size


def give(list jobs not None, account, dict held not None, double now, bytes route not None):
    """Do what `jobs.give` does."""
    cdef Job job
    for job in jobs:
        job.given = now
        job.tries += 1
        job.batch = route
        job.last_worker = account
        PyDict_SetItem(held, job.number, job)


def pack_jobs(list jobs not None):
    """Do what `jobs.pack_jobs` does: measure first, then write into a body of that size."""
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


cdef inline bint is_nil(Input *source) noexcept:
    return source.at < source.end and source.at[0] == 0xc0


cdef bint is_usual(Input source, Py_ssize_t most) noexcept:
    """Return whether a body is an array of pairs, each a number and a bin or nil; or with a bin behind these."""
    cdef uint64_t count = take_array(&source), length, size
    source.failed |= count > <uint64_t>most
    while count and not source.failed:
        count -= 1
        size = take_array(&source)
        source.failed |= size != 2 and size != 3
        take_number(&source)
        if is_nil(&source):
            source.at += 1
        else:
            take_data(&source, &length)
        if size == 3:
            take_data(&source, &length)
    return not source.failed and source.at == source.end


def settle(body, dict held not None, Py_ssize_t most, list memos not None):
    """Do what `account.settle` does: judge all of the body first, then take out; what is unusual is left to that."""
    cdef Input source
    cdef uint64_t count, length, size
    cdef const unsigned char *data
    cdef PyObject *job
    cdef list ended = [], strangers = []
    if not PyBytes_CheckExact(body):
        return definition(settle)(body, held, most, memos)
    data = <const unsigned char *>PyBytes_AS_STRING(body)
    source = Input(data, data + PyBytes_GET_SIZE(body), False)
    if not is_usual(source, most):
        return definition(settle)(body, held, most, memos)
    count = take_array(&source)
    while count:
        count -= 1
        size = take_array(&source)
        number = take_number(&source)
        answer = memo = None
        if is_nil(&source):
            source.at += 1
        else:
            data = take_data(&source, &length)
            answer = PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)
        if size == 3:
            data = take_data(&source, &length)
            memo = PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)
        job = PyDict_GetItem(held, number)
        if job == NULL:
            strangers.append(number)
        else:
            ended.append((<object>job, answer))
            if memo is not None:
                memos.append((<object>job, answer, memo))
            del held[number]
    return ended, strangers
