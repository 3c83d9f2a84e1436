from cpython.object cimport PyObject

cdef PyObject *find_name(const unsigned char *name, Py_ssize_t length) noexcept
cdef bytes method_of(const char *text, Py_ssize_t length)
