cdef int post(object request, object listener, object reply_to, bytes reply, dict outbox, dict arming) except -1
