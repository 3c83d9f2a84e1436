# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `repeats`: a hash table of the jobs in flight, for a hundredth of what a request costs."""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from slbroker.bus._jobs cimport Job

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
    LEAST = 64  # slots, a power of two
    MAX_PARTS = 8

cdef uint64_t seeds[2]
memcpy(seeds, PyBytes_AS_STRING(<bytes>os.urandom(16)), 16)
seeds[1] |= 1


cdef inline uint64_t eight_at(const char *at) noexcept:
    cdef uint64_t word
    memcpy(&word, at, 8)
    return word


cdef inline uint64_t few_at(const unsigned char *at, Py_ssize_t length) noexcept:
    """Return what fewer than eight bytes are, without a loop; some of them twice."""
    cdef uint32_t first, last
    if length >= 4:
        memcpy(&first, at, 4)
        memcpy(&last, at + length - 4, 4)
        return <uint64_t>first << 32 | last
    return 0 if not length else <uint64_t>at[0] << 16 | <uint64_t>at[length >> 1] << 8 | at[length - 1]


cdef uint64_t key_of(Part *parts, int count, uint64_t cseq, uint64_t port) noexcept:
    """`request_key`: sixteen bytes at a time, each part with its length, so that no two lists read alike."""
    cdef uint64_t seed = seeds[1], state = mix(seeds[0] ^ cseq ^ port << 32, seed), one, two
    cdef const char *at
    cdef Py_ssize_t length
    cdef int part
    for part in range(count):
        at, length = parts[part].at, parts[part].length
        state ^= <uint64_t>length
        while length > 16:
            state = mix(eight_at(at) ^ seed, eight_at(at + 8) ^ state)
            at += 16
            length -= 16
        if parts[part].length >= 16:  # the last sixteen, though some were there already: that takes no branch
            one, two = eight_at(at + length - 16), eight_at(at + length - 8)
        elif length >= 8:
            one, two = eight_at(at), eight_at(at + length - 8)
        else:
            one, two = few_at(<const unsigned char *>at, length), 0
        state = mix(one ^ seed, two ^ state)
    return state or 1


def request_key(tuple parts not None, unsigned long long cseq, unsigned long long port):
    """Do what `repeats.request_key` does."""
    cdef Part given[MAX_PARTS]
    cdef bytes part
    cdef int count = 0
    if len(parts) > MAX_PARTS:
        raise ValueError("more parts than a key is made of")
    for part in parts:
        given[count] = Part(PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part))
        count += 1
    return key_of(given, count, cseq, port)


cdef class Repeats:
    """Do what `repeats.Repeats` does: a job lies at its key's slot, or in the run of jobs that begins there."""

    def __cinit__(self, is_repeat):
        from slbroker_edge.repeats import MOST_ALIKE
        self.most_alike = MOST_ALIKE
        self.is_repeat = is_repeat
        self.slots = <PyObject **>calloc(LEAST, sizeof(PyObject *))
        if self.slots == NULL:
            raise MemoryError
        self.mask = LEAST - 1

    def __dealloc__(self):
        cdef size_t at
        if self.slots != NULL:
            for at in range(self.mask + 1):
                if self.slots[at] != NULL:
                    Py_DECREF(<object>self.slots[at])
            free(self.slots)

    def __len__(self):
        return self.used

    def admit(self, list jobs not None):
        """Do what `repeats.Repeats.admit` does."""
        cdef Job job
        cdef Py_ssize_t at
        cdef list fresh = None
        if 2 * (self.used + <size_t>len(jobs)) > self.mask + 1:
            self.resize(self.used + <size_t>len(jobs))
        for at in range(len(jobs)):
            job = jobs[at]
            if not job.key or self.find_place(job):
                if fresh is not None:
                    fresh.append(job)
            elif fresh is None:
                fresh = jobs[:at]
        return jobs if fresh is None else fresh

    def enter(self, Job job not None):
        """Do what `repeats.Repeats.enter` does."""
        if not job.key:
            return True
        if 2 * (self.used + 1) > self.mask + 1:
            self.resize(self.used + 1)
        return self.find_place(job)

    def has(self, Job job not None):
        """Do what `repeats.Repeats.has` does."""
        return self.knows(job)

    cdef bint knows(self, Job job) except -1:
        cdef size_t at = job.key & self.mask
        cdef PyObject *other = self.slots[at]
        while job.key and other != NULL:
            if (<Job>other).key == job.key and self.is_repeat(job, <Job>other):
                return True
            at = (at + 1) & self.mask
            other = self.slots[at]
        return False

    cdef bint find_place(self, Job job) except -1:
        """Put a job in its place, for which there is room; return False when one that it repeats is there."""
        cdef size_t at = job.key & self.mask
        cdef PyObject *other = self.slots[at]
        cdef int alike = 0
        while other != NULL:
            if (<Job>other).key == job.key:
                if self.is_repeat(job, <Job>other):
                    return False
                alike += 1
                if alike == self.most_alike:
                    job.key = 0
                    return True
            at = (at + 1) & self.mask
            other = self.slots[at]
        Py_INCREF(job)
        self.slots[at] = <PyObject *>job
        self.used += 1
        return True

    cdef int resize(self, size_t most) except -1:
        """Make room for `most` jobs, at half load at most."""
        cdef size_t size = LEAST, at, old = self.mask + 1
        cdef PyObject **slots = self.slots
        cdef PyObject **bigger
        cdef PyObject *job
        while size < 2 * most:
            size *= 2
        bigger = <PyObject **>calloc(size, sizeof(PyObject *))
        if bigger == NULL:
            raise MemoryError
        self.slots, self.mask = bigger, size - 1
        for at in range(old):
            job = slots[at]
            if job != NULL:
                self.slots[self.free_slot((<Job>job).key)] = job
        free(slots)
        return 0

    cdef size_t free_slot(self, uint64_t key) noexcept:
        cdef size_t at = key & self.mask
        while self.slots[at] != NULL:
            at = (at + 1) & self.mask
        return at

    def end(self, Job job not None):
        """Do what `repeats.Repeats.end` does."""
        if job.key:
            self.leave(job)

    def end_all(self, list ended not None):
        """Do what `repeats.Repeats.end_all` does."""
        cdef tuple pair
        cdef Job job
        for pair in ended:
            job = <Job?>PyTuple_GET_ITEM(pair, 0)
            if job.key:
                self.leave(job)

    cdef int leave(self, Job job) except -1:
        cdef size_t at = job.key & self.mask, next, home
        while self.slots[at] != <PyObject *>job:
            if self.slots[at] == NULL:
                return 0
            at = (at + 1) & self.mask
        # Close the gap: whatever would no longer be found behind it moves into it.
        next = (at + 1) & self.mask
        while self.slots[next] != NULL:
            home = (<Job>self.slots[next]).key & self.mask
            if (next - home) & self.mask >= (next - at) & self.mask:
                self.slots[at] = self.slots[next]
                at = next
            next = (next + 1) & self.mask
        self.slots[at] = NULL
        self.used -= 1
        if self.mask >= LEAST and 16 * self.used < self.mask:
            self.resize(2 * self.used)
        Py_DECREF(job)
        return 0
