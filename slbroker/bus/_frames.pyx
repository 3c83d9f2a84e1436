"""The twin of `frames`: libzmq's functions called as they are, those of the library that pyzmq has made the socket with.

Where they are not found there is no twin, and pyzmq's own methods serve.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR
from libc.stdint cimport uint64_t, uintptr_t

import sys

import zmq
from zmq.backend import Socket as _Backend

from slbroker.bus.frames import EVENTS, NOBLOCK, NOBLOCK_MORE, POLLIN, POLLOUT

cdef extern from "dlfcn.h" nogil:
    enum: RTLD_LAZY, RTLD_NOLOAD
    void *dlopen(const char *, int)
    void *dlsym(void *, const char *)

cdef struct Part:  # zmq_msg_t, which only libzmq looks into
    uint64_t opaque[8]

cdef int (*msg_init)(Part *) noexcept nogil
cdef int (*msg_recv)(Part *, void *, int) noexcept nogil
cdef void *(*msg_data)(Part *) noexcept nogil
cdef size_t (*msg_size)(const Part *) noexcept nogil
cdef int (*msg_more)(const Part *) noexcept nogil
cdef int (*msg_close)(Part *) noexcept nogil
cdef int (*send_bytes)(void *, const void *, size_t, int) noexcept nogil
cdef int (*get_option)(void *, int, void *, size_t *) noexcept nogil
cdef int (*error_of)() noexcept nogil

cdef int events_option = EVENTS, no_wait = NOBLOCK, no_wait_more = NOBLOCK_MORE, can_read = POLLIN, can_write = POLLOUT


cdef bint find_functions() except -1:
    """Find libzmq's functions through the module that has it; return whether all are there."""
    global msg_init, msg_recv, msg_data, msg_size, msg_more, msg_close, send_bytes, get_option, error_of
    path = getattr(sys.modules[_Backend.__module__], "__file__", None)
    if path is None:
        return False
    cdef bytes name = path.encode()
    cdef void *library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD)
    if library == NULL:
        return False
    msg_init = <int (*)(Part *) noexcept nogil>dlsym(library, b"zmq_msg_init")
    msg_recv = <int (*)(Part *, void *, int) noexcept nogil>dlsym(library, b"zmq_msg_recv")
    msg_data = <void *(*)(Part *) noexcept nogil>dlsym(library, b"zmq_msg_data")
    msg_size = <size_t (*)(const Part *) noexcept nogil>dlsym(library, b"zmq_msg_size")
    msg_more = <int (*)(const Part *) noexcept nogil>dlsym(library, b"zmq_msg_more")
    msg_close = <int (*)(Part *) noexcept nogil>dlsym(library, b"zmq_msg_close")
    send_bytes = <int (*)(void *, const void *, size_t, int) noexcept nogil>dlsym(library, b"zmq_send")
    get_option = <int (*)(void *, int, void *, size_t *) noexcept nogil>dlsym(library, b"zmq_getsockopt")
    error_of = <int (*)() noexcept nogil>dlsym(library, b"zmq_errno")
    return (msg_init != NULL and msg_recv != NULL and msg_data != NULL and msg_size != NULL and msg_more != NULL
            and msg_close != NULL and send_bytes != NULL and get_option != NULL and error_of != NULL)


cdef class _Frames:
    """Do what `frames.Frames` does."""

    cdef object zsocket
    cdef void *handle  # libzmq's socket, NULL when it is closed

    def __init__(self, zsocket):
        self.zsocket = zsocket
        self.handle = <void *><uintptr_t>zsocket.underlying

    cdef int events(self) except -1:
        cdef int found = 0
        cdef size_t size = sizeof(found)
        if self.handle != NULL and get_option(self.handle, events_option, &found, &size):
            raise zmq.ZMQError(error_of())
        return found

    def has_message(self):
        """Return whether a message has come."""
        return self.events() & can_read != 0

    def has_room(self):
        """Return whether a message can be sent."""
        return self.events() & can_write != 0

    def receive(self):
        """Return the next message that has come, None where there is none."""
        cdef Part part
        cdef list frames = None
        cdef int more = 1, error
        if self.handle == NULL:
            return None
        while more:
            msg_init(&part)
            if msg_recv(&part, self.handle, no_wait) < 0:
                error = error_of()
                msg_close(&part)
                if error == EAGAIN and frames is None:
                    return None
                if error != EINTR:
                    raise zmq.ZMQError(error)
                PyErr_CheckSignals()
                continue
            if frames is None:
                frames = []
            try:
                frames.append(PyBytes_FromStringAndSize(<const char *>msg_data(&part), <Py_ssize_t>msg_size(&part)))
                more = msg_more(&part)
            finally:
                msg_close(&part)
        return frames

    def send(self, frames):
        """Send a message; return whether that could be."""
        cdef object frame
        cdef Py_ssize_t at, last = len(frames) - 1
        if self.handle == NULL:
            return False
        for at in range(last + 1):
            frame = frames[at]
            if not PyBytes_CheckExact(frame):
                raise TypeError(f"a frame is bytes, not {frame!r:.80}")
            while send_bytes(self.handle, PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame),
                             no_wait if at == last else no_wait_more) < 0:
                if error_of() != EINTR:
                    return False
                PyErr_CheckSignals()
        return True

    def close(self):
        """Close the socket."""
        self.handle = NULL
        self.zsocket.close()


if find_functions():
    Frames = _Frames
