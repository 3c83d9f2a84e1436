"""The twin of `recall`: finds what is remembered by the bytes of a request as it is packed, and answers from them."""

from cpython.array cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject, PyObject_Hash
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from slbroker._totag cimport Mac
from slbroker.bus._fields cimport Fields, by_python, look_at
from slbroker.bus._items cimport status_of, write_reply
from slbroker.bus._jobs cimport Job
from slbroker.bus.msgpack cimport Input
from slbroker.sip._grammar cimport Text, text_of
from slbroker_edge._outbox cimport post
from slbroker_edge._repeats cimport Repeats, begin_key, mix_part

from slbroker.sip.reading import Reading
from slbroker_edge.recall import AGES as _AGES, GOES_ON as _GOES_ON, HEAD as _HEAD, MARKS as _MARKS, SEEN as _SEEN

cdef Py_ssize_t HEAD = _HEAD, SEEN = _SEEN, GOES_ON = _GOES_ON, MARKS = _MARKS, AGES = _AGES
cdef Py_ssize_t METHOD, CALL_ID, FROM_TAG, TO_TAG, CSEQ, PACKED
METHOD, CALL_ID, FROM_TAG, TO_TAG, CSEQ, PACKED = map(
    Reading._fields.index, ("method", "call_id", "from_tag", "to_tag", "cseq", "packed"))


cdef inline uint64_t number_of(Text lead) noexcept:
    return mix_part(begin_key(0, 0), lead) or 1


cdef class Table:
    """Do what `recall.Table` does."""

    cdef readonly tuple fields
    cdef public dict young, old
    cdef public Py_ssize_t said
    cdef Fields by

    def __init__(self, tuple fields not None):
        self.fields, self.by = fields, Fields(fields)
        self.young, self.old = {}, {}

    def key_of(self, Job job not None):
        """Do what `recall.Table.key_of` does."""
        look_at(job.reading.packed)
        return self.by.key(job.reading)


cdef class Recall:
    """Do what `recall.Recall` does."""

    cdef public dict tables
    cdef object wanted_methods
    cdef bint wants_all
    cdef public double tokens
    cdef public list wanted, onward
    cdef public Py_ssize_t replied, dropped, missed, moved, moved_bytes
    cdef uint64_t *seen
    cdef unsigned char *marks
    cdef Py_ssize_t age

    def __cinit__(self):
        self.seen = <uint64_t *>calloc(SEEN, sizeof(uint64_t))
        self.marks = <unsigned char *>calloc(MARKS, 1)
        if self.seen == NULL or self.marks == NULL:
            raise MemoryError
        self.age = 1
        self.tables, self.wanted, self.onward = {}, [], []
        self.wanted_methods = frozenset()

    def __dealloc__(self):
        free(self.seen)
        free(self.marks)

    @property
    def methods(self):
        """Return the methods of which workers have decisions remembered."""
        return self.wanted_methods

    @methods.setter
    def methods(self, methods):
        self.wanted_methods = methods
        self.wants_all = b"" in methods

    def grow_old(self):
        """Do what `recall.Recall.grow_old` does."""
        self.age = self.age % AGES + 1

    def expect(self, Table table not None, Job job not None):
        """Do what `recall.Recall.expect` does."""
        look_at(job.reading.packed)
        self.mark(table, job.reading)

    cdef int mark(self, Table table, object reading) except -1:
        """Take note of what leads to a decision about the request that is looked at."""
        cdef Text lead
        cdef bytes other
        if table.by.lead < 0:
            return 0
        if not table.by.find_lead(reading, &lead):
            other = by_python(table.by.readers[table.by.lead], reading)
            if other is None:
                return 0
            lead = text_of(other)
        self.marks[number_of(lead) & <uint64_t>(MARKS - 1)] = <unsigned char>self.age
        return 0

    cdef inline bint may_have(self, uint64_t number) noexcept:
        """Return whether a decision may lead with the value of that number."""
        cdef Py_ssize_t mark = self.marks[number & <uint64_t>(MARKS - 1)]
        return mark == self.age or (mark > 0 and mark % AGES + 1 == self.age)

    def say(
        self, list jobs not None, double now, Mac mac not None, Repeats repeats, dict outbox not None,
        dict arming not None, array tally=None,
    ):
        """Do what `recall.Recall.say` does."""
        cdef Py_ssize_t at
        cdef list rest = None
        cdef Job job
        for at in range(len(jobs)):
            job = <Job?>jobs[at]
            if self.say_one(job, now, mac, repeats, outbox, arming, tally):
                if rest is None:
                    rest = jobs[:at]
            elif rest is not None:
                rest.append(job)
        return jobs if rest is None else rest

    cdef bint say_one(
        self, Job job, double now, Mac mac, Repeats repeats, dict outbox, dict arming, array tally
    ) except -1:
        cdef object reading = job.reading, method = <object>PyTuple_GET_ITEM(reading, METHOD), key
        cdef PyObject *found = PyDict_GetItem(self.tables, method)
        cdef PyObject *kept
        cdef Table table
        cdef uint64_t seen = 0, number
        cdef double expires
        cdef Text lead
        cdef Input headers
        if found != NULL and len(<list>found):
            headers = look_at(<bytes>PyTuple_GET_ITEM(reading, PACKED))
            for table in <list>found:
                if table.by.find_lead(reading, &lead):
                    number = number_of(lead)
                    if not self.may_have(number):
                        seen = number
                        continue
                key = table.by.key(reading)
                if key is None:
                    continue
                kept = PyDict_GetItem(table.young, key)
                if kept == NULL and len(table.old):
                    kept = self.rejuvenate(table, key, reading)
                if kept == NULL:
                    seen = <uint64_t>PyObject_Hash(key) ^ <uint64_t>table.by.count or 1
                    continue
                memcpy(&expires, PyBytes_AS_STRING(<bytes>kept), sizeof(double))
                if expires <= now:
                    self.moved -= 1
                    self.moved_bytes -= len(key) + PyBytes_GET_SIZE(<bytes>kept)
                    del table.young[key]
                    seen = <uint64_t>PyObject_Hash(key) ^ <uint64_t>table.by.count or 1
                    continue
                if repeats is not None and repeats.used and repeats.has(job):
                    return False
                table.said += 1
                self.answer(job, reading, headers, <bytes>kept, mac, outbox, arming, tally)
                return True
        self.miss(job, method, seen)
        return False

    cdef PyObject *rejuvenate(self, Table table, bytes key, object reading) except? NULL:
        cdef bytes kept = table.old.pop(key, None)
        if kept is None:
            return NULL
        table.young[key] = kept
        self.mark(table, reading)
        self.moved += 1
        self.moved_bytes += len(key) + len(kept)
        return PyDict_GetItem(table.young, key)

    cdef int answer(
        self, Job job, object reading, Input headers, bytes kept, Mac mac, dict outbox, dict arming, array tally
    ) except -1:
        cdef const char *line = PyBytes_AS_STRING(kept) + HEAD
        cdef unsigned short line_length
        cdef Text status_line
        cdef bytes reply, tag = None
        cdef int status
        memcpy(&line_length, PyBytes_AS_STRING(kept) + sizeof(double), sizeof(line_length))
        if line_length == GOES_ON:
            self.onward.append((job, kept[HEAD:]))
            return 0
        if not line_length:
            self.dropped += 1
            return 0
        status_line = Text(line, line_length)
        status = status_of(status_line)
        if status > 100 and not PyBytes_GET_SIZE(<bytes>PyTuple_GET_ITEM(reading, TO_TAG)):
            tag = mac.tag_of(
                text_of(<bytes>PyTuple_GET_ITEM(reading, CALL_ID)), text_of(<bytes>PyTuple_GET_ITEM(reading, FROM_TAG)),
                <uint32_t><object>PyTuple_GET_ITEM(reading, CSEQ))
        reply = write_reply(
            headers, status, status_line, Text(line + line_length, PyBytes_GET_SIZE(kept) - HEAD - line_length), tag)
        post(reading, job.listener, job.reply_to, reply, outbox, arming, tally)
        self.replied += 1
        return 0

    cdef int miss(self, Job job, object method, uint64_t seen) except -1:
        cdef Py_ssize_t place
        if not self.wants_all and method not in self.wanted_methods:
            return 0
        self.missed += 1
        if self.tokens >= 1:
            self.tokens -= 1
            self.wanted.append(job)
        elif seen:
            place = <Py_ssize_t>(seen & <uint64_t>(SEEN - 1))
            if self.seen[place] == seen:
                self.wanted.append(job)
            else:
                self.seen[place] = seen
        return 0
