"""The twin of `jobs`, and of what `account` does with a turn's answers."""

from cpython.array cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject

from slbroker.bus.msgpack cimport Input, append, begin, put_array, put_bytes, put_head, take_array, take_data, take_number

from slbroker.counting import BOUNDS as _BOUNDS, STAGES as _STAGES
from slbroker.twins import definition

cdef enum:
    ITEM_HEAD = 10  # bytes: an array of three, and a number of 8 bytes
    ARRAY_HEAD = 3


cdef class Job:

    def __init__(self, reading, bytes asks not None, choice, Py_ssize_t size, listener=None, reply_to=None, uint64_t key=0, bytes data=b""):
        self.reading = reading
        self.key = key
        self.asks = asks
        self.choice = choice
        self.size = size
        self.listener = listener
        self.reply_to = reply_to
        self.number = 0
        self.batch = b""
        self.data = data


def number_jobs(list jobs not None, unsigned long long first, double now):
    cdef Job job
    cdef Py_ssize_t size = 0
    for job in jobs:
        job.number = first
        job.queued = now
        first += 1
        size += job.size
    return size


def give(list jobs not None, account, dict held not None, double now, bytes batch_id not None):
    cdef Job job
    for job in jobs:
        job.given = now
        job.tries += 1
        job.batch = batch_id
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
        out = append(out, PyBytes_AS_STRING(packed), PyBytes_GET_SIZE(packed))
    return body


cdef inline const unsigned char *take_answer(Input *source, uint64_t *length) noexcept:
    """Take a bin, and return where it begins; or nil, and return NULL."""
    if source.at < source.end and source.at[0] == 0xc0:
        source.at += 1
        return NULL
    return take_data(source, length)


cdef inline bytes bytes_at(const unsigned char *data, uint64_t length):
    return None if data == NULL else PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>length)


def settle(body, dict held not None, Py_ssize_t most, list memos not None):
    """Do what `account.settle` does: judge all of the body first, then take out; what is unusual is left to that."""
    cdef Input source, again
    cdef uint64_t count, size, at, length = 0
    cdef const unsigned char *data
    cdef PyObject *job
    cdef list ended = [], strangers = []
    if not PyBytes_CheckExact(body):
        return definition(settle)(body, held, most, memos)
    source = begin(<bytes>body)
    count = take_array(&source)
    again = source
    source.failed |= count > <uint64_t>most
    for at in range(count if not source.failed else 0):
        size = take_array(&source)
        take_number(&source)
        take_answer(&source, &length)
        if size == 3:  # a memo is behind the answer
            take_data(&source, &length)
        source.failed |= not 2 <= size <= 3
        if source.failed:
            break
    if source.failed or source.at != source.end:
        return definition(settle)(body, held, most, memos)
    for at in range(count):
        size = take_array(&again)
        number = take_number(&again)
        data = take_answer(&again, &length)
        answer = bytes_at(data, length)
        data = take_data(&again, &length) if size == 3 else NULL
        memo = bytes_at(data, length)
        job = PyDict_GetItem(held, number)
        if job == NULL:
            strangers.append(number)
        else:
            ended.append((<object>job, answer))
            if memo is not None:
                memos.append((<object>job, answer, memo))
            del held[number]
    return ended, strangers


cdef enum:
    STAGES = 3
    PLACES = 16  # with a bound each
cdef double bounds[PLACES]
for _at, _bound in enumerate(_BOUNDS):
    bounds[_at] = _bound
if len(_BOUNDS) != PLACES or len(_STAGES) != STAGES:
    raise ImportError("_jobs.pyx has another number of places than counting.py")


cdef inline Py_ssize_t place_of(double seconds) noexcept:
    cdef Py_ssize_t at = 0
    while at < PLACES and bounds[at] < seconds:
        at += 1
    return at


def observe(list ended not None, double now, array places not None, array sums not None):
    """Do what `jobs.observe` does; jobs that went out together have the same times."""
    cdef Job job
    cdef double given = -1, queued = -1
    cdef Py_ssize_t in_queue = 0, at_worker = 0, in_all = 0
    if (
        places.ob_descr.typecode != c"Q" or sums.ob_descr.typecode != c"d"
        or len(places) != STAGES * (PLACES + 1) or len(sums) != STAGES
    ):
        raise ValueError("that is no clock")
    for pair in ended:
        job = (<tuple?>pair)[0]
        if job.given != given or job.queued != queued:
            given, queued = job.given, job.queued
            in_queue = place_of(given - queued)
            at_worker = PLACES + 1 + place_of(now - given)
            in_all = 2 * (PLACES + 1) + place_of(now - queued)
        places.data.as_ulonglongs[in_queue] += 1
        places.data.as_ulonglongs[at_worker] += 1
        places.data.as_ulonglongs[in_all] += 1
        sums.data.as_doubles[0] += given - queued
        sums.data.as_doubles[1] += now - given
        sums.data.as_doubles[2] += now - queued
