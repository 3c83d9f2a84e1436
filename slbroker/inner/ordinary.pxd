cdef bytes method_of(const char *text, Py_ssize_t length)
