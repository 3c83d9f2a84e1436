# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `repeats`: the jobs in flight in the same dictionary, looked at for a hundredth of what a request costs."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_DelItem, PyDict_GetItem, PyDict_SetDefault
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint64_t

from slbroker.bus._jobs cimport Job

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030E0000
    #define slbroker_hash(at, length) ((unsigned long long)Py_HashBuffer(at, length))
    #else
    #define slbroker_hash(at, length) ((unsigned long long)_Py_HashBytes(at, length))
    #endif
    """
    uint64_t hash_bytes "slbroker_hash"(const void *at, Py_ssize_t length) noexcept


cdef uint64_t mix_part(uint64_t key, const char *part, Py_ssize_t length) noexcept:
    """Put one part more into a key: by Python's own hash, whose secret no peer knows; in order, and each with its end."""
    return (key ^ hash_bytes(part, length)) * <uint64_t>0x9E3779B97F4A7C15 + <uint64_t>0xD6E8FEB86659FD93


cdef uint64_t end_key(uint64_t key, uint64_t cseq, uint64_t port) noexcept:
    key = (key ^ cseq ^ port << 32) * <uint64_t>0x9E3779B97F4A7C15
    return key ^ key >> 32 or 1


def request_key(tuple parts not None, unsigned long long cseq, unsigned long long port):
    """Do what `repeats.request_key` does."""
    cdef uint64_t key = 0
    cdef bytes part
    if len(parts) > 8:
        raise ValueError("more parts than a key is made of")
    for part in parts:
        key = mix_part(key, PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part))
    return end_key(key, cseq, port)


def enter_all(dict first not None, list jobs not None, Py_ssize_t start):
    """Do what `repeats.enter_all` does."""
    cdef Job job
    cdef Py_ssize_t at
    for at in range(start, len(jobs)):
        job = <Job?>jobs[at]
        if not job.key or PyDict_SetDefault(first, job.key, job) != <PyObject *>job:
            return at
    return len(jobs)


def leave_all(dict first not None, list ended not None, Py_ssize_t start):
    """Do what `repeats.leave_all` does."""
    cdef Job job
    cdef Py_ssize_t at
    for at in range(start, len(ended)):
        job = <Job?>PyTuple_GET_ITEM(<tuple?>ended[at], 0)
        key = job.key
        if PyDict_GetItem(first, key) != <PyObject *>job:
            return at
        PyDict_DelItem(first, key)
    return len(ended)
