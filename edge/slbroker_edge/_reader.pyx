"""The twin of `reader`: ordinary requests are stamped and packed as they are read; the others are left to that."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, PyTypeObject
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.stdint cimport uint64_t
from libc.string cimport memchr

from slbroker.bus._jobs cimport Job
from slbroker.bus.msgpack cimport append, put_array, put_bin, put_bin_head, put_int, put_str
from slbroker.sip._grammar cimport Text, equal, make, method_of
from slbroker.sip._parser cimport (
    BODY, CALL_ID, CSEQ, FROM_TAG, HEADER_ROOM, HEADERS, METHOD, PARTS, TO_TAG, URI, Parsed, parse_ordinary,
)
from slbroker_edge._repeats cimport begin_key, mix_part

from slbroker.bus.choice import ANY
from slbroker.sip.grammar import MAX_DATAGRAM
from slbroker.sip.reading import Reading
from slbroker.twins import definition
from slbroker_edge.reader import is_answerable

cdef enum:
    LONGEST = 65_535
    # Call-ID and tags are packed twice. A header grows by its long name and two msgpack heads, the Via by its stamp.
    ROOM = 2 * LONGEST + HEADER_ROOM * 40 + 1_024
    NAME_ROOM = 256  # of a listener's name; a host is a quarter of it at most, and packed twice, too

cdef extern from "<Python.h>":
    object PyType_GenericAlloc(PyTypeObject *kind, Py_ssize_t items)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *length) except NULL

cdef bytes NOTHING = b"", ACK = method_of(Text(b"ACK", 3)), CANCEL = method_of(Text(b"CANCEL", 6))
cdef char out[ROOM]
cdef Py_ssize_t FIELDS = len(Reading._fields)
cdef Py_ssize_t field[8]  # where in a Reading these stand
for _at, _name in enumerate(("method", "uri", "call_id", "from_tag", "to_tag", "cseq", "packed", "reply_port")):
    field[_at] = Reading._fields.index(_name)
if MAX_DATAGRAM > LONGEST or FIELDS != 8:
    raise ImportError("_reader.pyx has less room than grammar.py and reading.py ask for")

cdef struct Source:
    Text host
    Text written  # as Via has it: without its zone
    unsigned short port


def read_turn(datagrams, listener, checks):
    """Do what `reader.read_turn` does; most of a turn's datagrams come from one peer, which is judged once."""
    cdef list jobs = [], acks = [], alone = []
    cdef bytes data, method
    cdef tuple address
    cdef unsigned short port
    cdef Parsed parsed
    cdef str listen = listener.name
    cdef Py_ssize_t length
    answerable = None  # the last address that was
    PyUnicode_AsUTF8AndSize(listen, &length)
    if not checks.usual or length > NAME_ROOM:
        return definition(read_turn)(datagrams, listener, checks)
    for pair in datagrams:
        data, address = pair
        if len(address) < 2:
            raise IndexError("an address has a host and a port")
        port = address[1]
        kept = parse_ordinary(data, &parsed)
        method = method_of(parsed.part[METHOD]) if kept is not None else CANCEL
        if method is ACK:
            acks.append((make_reading(&parsed, method, NOTHING, 0), data, address))
        elif method is not CANCEL and (address is answerable or is_usual(address[0], port)):
            answerable = address
            jobs.append(make_job(&parsed, method, data, address, port, listener, listen))
        else:
            its_jobs, its_acks, its_alone = definition(read_turn)((pair,), listener, checks)
            alone += [(len(jobs), *what) for _before, *what in its_alone]
            jobs += its_jobs
            acks += its_acks
    return jobs, acks, alone


cdef bint is_usual(str host, unsigned short port) except -1:
    return 4 * len(host) <= NAME_ROOM and is_answerable(host, port)


cdef Job make_job(Parsed *parsed, bytes method, bytes data, tuple address, unsigned short port, listener, str listen):
    """Return what goes to a worker of a request, with what it has in common with its repeats."""
    cdef Source source
    cdef Job job = Job.__new__(Job)
    source.host.at = PyUnicode_AsUTF8AndSize(address[0], &source.host.length)
    source.written = source.host
    cdef const char *zone = <const char *>memchr(source.host.at, c"%", source.host.length)
    if zone != NULL:
        source.written.length = zone - source.host.at
    source.port = port
    cdef int reply_port = source.port if parsed.rport != NULL else <int>parsed.port
    job.reading = make_reading(parsed, method, pack(parsed, &source, listen), reply_port)
    job.key = repeat_key(parsed, source.port)
    job.number = 0
    job.asks = NOTHING
    job.batch = NOTHING
    job.choice = ANY
    job.size = PyBytes_GET_SIZE(data)
    job.listener = listener
    job.data = data
    job.reply_to = address if reply_port == source.port else (address[0], reply_port, *address[2:])
    return job


cdef object make_reading(Parsed *parsed, bytes method, bytes packed, int reply_port):
    reading = PyType_GenericAlloc(<PyTypeObject *>Reading, FIELDS)
    put(reading, field[0], method)
    put(reading, field[1], make(parsed.part[URI]))
    put(reading, field[2], make(parsed.part[CALL_ID]))
    put(reading, field[3], make(parsed.part[FROM_TAG]))
    put(reading, field[4], make(parsed.part[TO_TAG]))
    put(reading, field[5], parsed.cseq)
    put(reading, field[6], packed)
    put(reading, field[7], reply_port)
    return reading


cdef inline void put(object row, Py_ssize_t at, object value):
    Py_INCREF(value)  # PyTuple_SET_ITEM takes a reference over
    PyTuple_SET_ITEM(row, at, value)


cdef uint64_t repeat_key(Parsed *parsed, uint64_t port) noexcept:
    """`reader.repeat_key`."""
    cdef uint64_t key = mix_part(begin_key(<uint64_t>parsed.cseq, port), parsed.part[CALL_ID])
    if parsed.branch.length:
        return mix_part(key, parsed.branch) or 1
    return mix_part(mix_part(key, parsed.values[parsed.via]), parsed.part[URI]) or 1


cdef bytes pack(Parsed *parsed, Source *source, str listen):
    """Return the request as `envelope.pack_request` packs it: the message, then its source."""
    cdef char *at = put_array(out, PARTS)
    cdef Py_ssize_t part, length
    cdef const char *text = PyUnicode_AsUTF8AndSize(listen, &length)
    for part in range(PARTS):
        if part == HEADERS:
            at = put_headers(at, parsed, source)
        elif part == CSEQ:
            at = put_int(at, <uint64_t>parsed.cseq)
        else:
            at = put_bin(at, parsed.part[part].at, parsed.part[part].length)
    at = put_str(put_array(at, 3), source.host.at, source.host.length)
    at = put_str(put_int(at, <uint64_t>source.port), text, length)
    return PyBytes_FromStringAndSize(out, at - out)


cdef char *put_headers(char *at, Parsed *parsed, Source *source) noexcept:
    cdef Py_ssize_t header
    at = put_array(at, 2 * parsed.count)
    for header in range(parsed.count):
        at = put_bin(at, PyBytes_AS_STRING(<bytes>parsed.names[header]), PyBytes_GET_SIZE(<bytes>parsed.names[header]))
        if header == parsed.via:
            at = put_via(at, parsed, source)
        else:
            at = put_bin(at, parsed.values[header].at, parsed.values[header].length)
    return at


cdef char *put_via(char *at, Parsed *parsed, Source *source) noexcept:
    """Pack the top Via with its stamp (RFC 3261 18.2.1, RFC 3581 4)."""
    cdef Text value = parsed.values[parsed.via]
    cdef char digits[8]
    cdef int first = 8
    cdef unsigned int port = source.port
    cdef Py_ssize_t before = value.length, length = value.length
    cdef bint is_stamped = parsed.rport != NULL or not equal(parsed.host, source.written)
    if parsed.rport != NULL:
        before = parsed.rport - value.at
        while port:
            first -= 1
            digits[first] = <char>(c"0" + port % 10)
            port //= 10
        length += 1 + 8 - first
    if is_stamped:
        length += 10 + source.written.length
    at = append(put_bin_head(at, length), value.at, before)
    if parsed.rport != NULL:
        at = append(append(at, b"=", 1), digits + first, 8 - first)
    if is_stamped:
        at = append(append(at, b";received=", 10), source.written.at, source.written.length)
    return append(at, value.at + before, value.length - before)
