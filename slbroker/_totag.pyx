# cython: language_level=3, boundscheck=False, wraparound=False
"""The twin of `totag`: keyed BLAKE2b (RFC 7693), the same that `totag.Mac` has from hashlib, without its overhead.

By hand, because hashlib called from here takes 0.32 us more (0.42 and 0.74, one machine): 3 to 4 % of an OPTIONS, once
a reply and once an ACK, so twice that of a refused INVITE. A test compares the two on texts of every length.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.tuple cimport PyTuple_GET_ITEM

from slbroker._totag cimport DIGEST, MAX_PREFIX
from slbroker.sip.reading import Reading

cdef enum:
    BLOCK = 128  # bytes
    SECRET = 32
    PERSON = 16
    ROUNDS = 12
    ROOM = 8 * BLOCK  # of the texts that most requests have; longer ones are put together on the heap

# RFC 7693 2.6 and 2.7
cdef uint64_t *IV = [
    <uint64_t>0x6a09e667f3bcc908, <uint64_t>0xbb67ae8584caa73b, <uint64_t>0x3c6ef372fe94f82b,
    <uint64_t>0xa54ff53a5f1d36f1, <uint64_t>0x510e527fade682d1, <uint64_t>0x9b05688c2b3e6c1f,
    <uint64_t>0x1f83d9abfb41bd6b, <uint64_t>0x5be0cd19137e2179,
]
cdef unsigned char[ROUNDS][16] SIGMA = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
]
cdef const char *HEX = b"0123456789abcdef"
cdef Py_ssize_t CALL_ID, FROM_TAG, TO_TAG, CSEQ
CALL_ID, FROM_TAG, TO_TAG, CSEQ = map(Reading._fields.index, ("call_id", "from_tag", "to_tag", "cseq"))


cdef inline uint64_t load(const unsigned char *at) noexcept:
    """Read 8 bytes, the lowest first."""
    cdef uint64_t value = 0
    cdef int place
    for place in range(8):
        value |= <uint64_t>at[place] << 8 * place
    return value


cdef inline uint64_t turn(uint64_t value, int bits) noexcept:
    return value >> bits | value << (64 - bits)


cdef inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) noexcept:
    """RFC 7693 3.1, the function G."""
    v[a] += v[b] + x
    v[d] = turn(v[d] ^ v[a], 32)
    v[c] += v[d]
    v[b] = turn(v[b] ^ v[c], 24)
    v[a] += v[b] + y
    v[d] = turn(v[d] ^ v[a], 16)
    v[c] += v[d]
    v[b] = turn(v[b] ^ v[c], 63)


cdef void compress(uint64_t *state, const unsigned char *block, uint64_t length, bint last) noexcept:
    """RFC 7693 3.2, the function F; `length` counts the bytes up to the end of this block."""
    cdef uint64_t v[16]
    cdef uint64_t m[16]
    cdef const unsigned char *s
    cdef int at
    for at in range(16):
        m[at] = load(block + 8 * at)
    for at in range(8):
        v[at] = state[at]
        v[at + 8] = IV[at]
    v[12] ^= length
    if last:
        v[14] = ~v[14]
    for at in range(ROUNDS):
        s = SIGMA[at]
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]])
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]])
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]])
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]])
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]])
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]])
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]])
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]])
    for at in range(8):
        state[at] ^= v[at] ^ v[at + 8]


cdef inline unsigned char *put_length(unsigned char *at, uint32_t value) noexcept:
    """Write a number in 4 bytes, the highest first."""
    cdef int place
    for place in range(4):
        at[place] = <unsigned char>(value >> 8 * (3 - place))
    return at + 4


cdef inline unsigned char *put_text(unsigned char *at, const char *text, Py_ssize_t length) noexcept:
    at = put_length(at, <uint32_t>length)
    memcpy(at, text, length)
    return at + length


cdef class Mac:
    """Do what `totag.Mac` does."""

    def __init__(self, bytes secret not None, bytes person not None, bytes prefix not None = b""):
        cdef unsigned char block[BLOCK]
        cdef int at
        if len(secret) != SECRET or len(person) > PERSON or len(prefix) > MAX_PREFIX:
            raise ValueError("a secret has 32 bytes, a personalisation and a prefix have 16 at most")
        self.prefix = prefix
        memset(block, 0, BLOCK)
        block[0], block[1], block[2], block[3] = DIGEST, SECRET, 1, 1  # the parameter block, RFC 7693 2.8
        memcpy(block + 48, PyBytes_AS_STRING(person), PyBytes_GET_SIZE(person))
        for at in range(8):
            self.keyed[at] = IV[at] ^ load(block + 8 * at)
        memset(block, 0, BLOCK)
        memcpy(block, PyBytes_AS_STRING(secret), SECRET)
        compress(self.keyed, block, BLOCK, False)  # never the last: a text of 12 bytes and more follows

    def tag(self, bytes call_id not None, bytes from_tag not None, cseq):
        """Do what `totag.Mac.tag` does."""
        cdef char out[MAX_PREFIX + 2 * DIGEST]
        cdef Py_ssize_t length = self.write_tag(
            out, PyBytes_AS_STRING(call_id), PyBytes_GET_SIZE(call_id),
            PyBytes_AS_STRING(from_tag), PyBytes_GET_SIZE(from_tag), checked(cseq),
        )
        return PyBytes_FromStringAndSize(out, length)

    def matches(self, bytes tag not None, bytes call_id not None, bytes from_tag not None, cseq):
        """Do what `totag.Mac.matches` does; every byte is looked at, right or wrong."""
        cdef char right[MAX_PREFIX + 2 * DIGEST]
        cdef const char *given = PyBytes_AS_STRING(tag)
        cdef int wrong = 0
        cdef Py_ssize_t at, length = self.write_tag(
            right, PyBytes_AS_STRING(call_id), PyBytes_GET_SIZE(call_id),
            PyBytes_AS_STRING(from_tag), PyBytes_GET_SIZE(from_tag), checked(cseq),
        )
        if PyBytes_GET_SIZE(tag) != length:
            return False
        for at in range(length):
            wrong |= right[at] ^ given[at]
        return wrong == 0

    cdef Py_ssize_t write_tag(
        self, char *out, const char *call_id, Py_ssize_t call_id_length,
        const char *from_tag, Py_ssize_t from_tag_length, uint32_t cseq,
    ) except -1:
        """Write a tag, MAX_PREFIX + 2 * DIGEST bytes at most; return how many."""
        cdef Py_ssize_t length = PyBytes_GET_SIZE(self.prefix)
        memcpy(out, PyBytes_AS_STRING(self.prefix), length)
        self.write_digits(out + length, call_id, call_id_length, from_tag, from_tag_length, cseq)
        return length + 2 * DIGEST

    cdef int write_digits(
        self, char *out, const char *call_id, Py_ssize_t call_id_length,
        const char *from_tag, Py_ssize_t from_tag_length, uint32_t cseq,
    ) except -1:
        """Write the MAC in hex digits, 2 * DIGEST of them."""
        cdef Py_ssize_t size = 12 + call_id_length + from_tag_length
        cdef unsigned char room[ROOM]
        cdef unsigned char *text = room
        cdef bytes longer
        if size > ROOM:
            longer = PyBytes_FromStringAndSize(NULL, size)
            text = <unsigned char *>PyBytes_AS_STRING(longer)
        put_length(put_text(put_text(text, call_id, call_id_length), from_tag, from_tag_length), cseq)
        self.digest(text, size, out)
        return 0

    cdef void digest(self, const unsigned char *text, Py_ssize_t size, char *out) noexcept:
        cdef uint64_t state[8]
        cdef unsigned char block[BLOCK]
        cdef unsigned char byte
        cdef Py_ssize_t done = 0
        cdef int at
        memcpy(state, self.keyed, sizeof(state))
        while size - done > BLOCK:
            done += BLOCK
            compress(state, text + done - BLOCK, BLOCK + done, False)
        memset(block, 0, BLOCK)
        memcpy(block, text + done, size - done)
        compress(state, block, BLOCK + size, True)
        for at in range(DIGEST):
            byte = <unsigned char>(state[at >> 3] >> 8 * (at & 7))
            out[2 * at] = HEX[byte >> 4]
            out[2 * at + 1] = HEX[byte & 15]


def unsigned(list acks not None, dict macs not None, Py_ssize_t start, Py_ssize_t stop):
    """Do what `totag.unsigned` does."""
    cdef list rest = []
    cdef tuple ack
    cdef object reading
    cdef bytes to_tag
    cdef Mac mac
    for ack in acks:
        reading = ack[0]
        if not isinstance(reading, tuple):
            raise TypeError("an ACK comes with its reading")
        to_tag = <object>PyTuple_GET_ITEM(reading, TO_TAG)
        mac = <Mac>macs.get(to_tag[start:stop])
        if mac is None or not mac.matches(
            to_tag, <object>PyTuple_GET_ITEM(reading, CALL_ID),
            <object>PyTuple_GET_ITEM(reading, FROM_TAG), <object>PyTuple_GET_ITEM(reading, CSEQ),
        ):
            rest.append(ack)
    return rest


cdef uint32_t checked(cseq) except? 0xFFFFFFFF:
    if not 0 <= cseq <= 0xFFFFFFFF:
        raise ValueError(f"CSeq number {cseq} is not within 0 to 4294967295")
    return cseq
