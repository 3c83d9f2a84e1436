from cpython.object cimport PyObject

cdef struct Span:
    const char *name
    Py_ssize_t name_length  # 0 for a line that is no header
    const char *value
    Py_ssize_t value_length

cdef PyObject *find_name(const unsigned char *name, Py_ssize_t length) noexcept
