from libc.stdint cimport uint64_t

cdef class Job:
    cdef public uint64_t key
    cdef public object reading, choice, listener, reply_to, number, last_worker
    cdef public bytes asks, batch, data
    cdef public Py_ssize_t size, tries
    cdef public double queued, given
    cdef Job beside  # the next one in a chain of `repeats`
