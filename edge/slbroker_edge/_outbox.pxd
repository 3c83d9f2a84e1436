from cpython.array cimport array

cdef int post(object request, object listener, object reply_to, bytes reply, dict outbox, dict arming, array tally) except -1
