from slbroker.bus.msgpack cimport Input

cdef int status_of(const char *text, Py_ssize_t length) except -1
cdef bytes write_reply(
    Input source, int status, const char *line, Py_ssize_t line_length, const char *tail, Py_ssize_t tail_length,
    const char *tag, Py_ssize_t tag_length,
)
