from slbroker.bus.msgpack cimport Input
from slbroker.sip._grammar cimport Text

cdef Input look_at(bytes packed) noexcept

cdef bytes by_python(object read, object reading)

cdef class Fields:
    cdef int count
    cdef int lead  # which of them is in LEADS; below 0 for none
    cdef int what[16]
    cdef int part[16]
    cdef bint walks  # whether any field takes more than what a reading has
    cdef list readers  # names of headers; of other fields what reads them in Python
    cdef dict hosts  # whether they are in the networks that are asked for

    cdef object key(self, object reading)
    cdef bint find(self, int at, object reading, Text *value) noexcept
    cdef bint find_lead(self, object reading, Text *value) noexcept
    cdef bytes is_within(self, int at)
