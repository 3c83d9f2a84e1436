# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `jobs`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_SetItem
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from slbroker.bus.msgpack cimport put_array, put_bytes, put_head

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
