from slbroker.bus.msgpack cimport Input
from slbroker.sip._grammar cimport Text

cdef int status_of(Text line) except -1
cdef bytes write_reply(Input source, int status, Text line, Text tail, bytes tag)
