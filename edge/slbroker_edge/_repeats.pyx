"""The twin of `repeats`: jobs in flight hang in chains by their keys, for a hundredth of what a request costs."""

import os

from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memcpy

from slbroker.sip._grammar cimport text_of

from slbroker_edge.repeats import MAX_PARTS as _MAX_PARTS, MOST_ALIKE as _MOST_ALIKE

cdef extern from *:
    """
    static inline unsigned long long slbroker_mix(unsigned long long a, unsigned long long b) {
    #ifdef __SIZEOF_INT128__
        unsigned __int128 product = (unsigned __int128)a * b;
        return (unsigned long long)product ^ (unsigned long long)(product >> 64);
    #else
        unsigned long long product = a * b;
        return product ^ product >> 32;
    #endif
    }
    """
    uint64_t mix "slbroker_mix"(uint64_t a, uint64_t b) noexcept

cdef enum:
    CHAINS = 16_384  # a worker's credit is 128: chains are longer than two where hundreds of workers are busy

cdef int MAX_PARTS = _MAX_PARTS, MOST_ALIKE = _MOST_ALIKE
cdef uint64_t seeds[2]
memcpy(seeds, PyBytes_AS_STRING(<bytes>os.urandom(16)), 16)
seeds[1] |= 1


cdef uint64_t begin_key(uint64_t cseq, uint64_t port) noexcept:
    return mix(seeds[0] ^ cseq ^ port << 32, seeds[1])


cdef uint64_t mix_part(uint64_t key, Text part) noexcept:
    """Mix a part into a key, eight bytes at a time; the last ones with its length, so that no two lists read alike."""
    cdef uint64_t seed = seeds[1], word
    cdef const char *at = part.at
    cdef const char *end = at + part.length
    while end - at >= 8:
        memcpy(&word, at, 8)
        key = mix(key ^ word, seed)
        at += 8
    word = 0
    memcpy(&word, at, end - at)
    return mix(key ^ word ^ <uint64_t>part.length << 56, seed)


def request_key(tuple parts not None, unsigned long long cseq, unsigned long long port):
    cdef uint64_t key = begin_key(cseq, port)
    cdef bytes part
    if len(parts) > MAX_PARTS:
        raise ValueError("more parts than a key is made of")
    for part in parts:
        key = mix_part(key, text_of(part))
    return key or 1


cdef class Repeats:

    def __init__(self, is_repeat):
        self.chains = [None] * CHAINS
        self.is_repeat = is_repeat

    def __len__(self):
        return self.used

    def admit(self, list jobs not None):
        cdef list fresh = [job for job in jobs if self.enter(job)]
        return jobs if len(fresh) == len(jobs) else fresh

    cpdef bint has(self, Job job) except -1:
        cdef Job other = self.chains[job.key % CHAINS] if job.key else None
        while other is not None:
            if other.key == job.key and self.is_repeat(job, other):
                return True
            other = other.beside
        return False

    cpdef bint enter(self, Job job) except -1:
        cdef Py_ssize_t at = job.key % CHAINS
        cdef Job first = self.chains[at], other = first
        cdef int alike = 0
        if not job.key:
            return True
        while other is not None:
            if other.key == job.key:
                if self.is_repeat(job, other):
                    return False
                alike += 1
            other = other.beside
        if alike >= MOST_ALIKE:
            job.key = 0
            return True
        job.beside = first
        self.chains[at] = job
        self.used += 1
        return True

    cpdef end(self, Job job):
        cdef Py_ssize_t at = job.key % CHAINS
        cdef Job other = self.chains[at]
        if other is job:
            self.chains[at] = job.beside
        else:
            while other is not None and other.beside is not job:
                other = other.beside
            if other is None:
                return
            other.beside = job.beside
        job.beside = None
        self.used -= 1

    def end_all(self, list ended not None):
        cdef tuple pair
        for pair in ended:
            self.end(pair[0])
