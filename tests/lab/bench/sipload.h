/* sipload.h: what the command with its sockets (sipload.c), the text (sipmsg.h) and the loop (siploop.c) share. */
#ifndef SIPLOAD_H
#define SIPLOAD_H

#include <stdint.h>

enum {
    WINDOW_MAX = 8192,
    SOCKETS_MAX = 64,
    LATENCY_MAX = 4 << 20,  /* microseconds; anything slower is counted there */
};

struct options {
    const char *host;
    const char *port;
    const char *method;
    const char *user;
    double seconds;
    double rate;  /* requests/s, 0: closed loop */
    int window;
    int sockets;
};

struct counters {
    long sent, ok, lost, late, duplicates, stray, provisional, acks, refused;
    int in_flight;
    long codes[700];                      /* final replies by status */
    uint32_t latencies[LATENCY_MAX + 1];  /* requests by the microseconds to their final reply, lost ones too */
    uint32_t delays[LATENCY_MAX + 1];     /* open loop: requests by the microseconds that they were sent too late */
};

/* Who talks to whom; the same for all messages of one socket. */
struct parties {
    const char *method;
    const char *user;
    char local[64];  /* host:port, brackets round an IPv6 host */
    char remote[64];
};

/* Print what failed with errno's text and leave with 1. */
void die(const char *what) __attribute__((noreturn));
double now(void);

/* A UDP socket connected to the server under test; fills in `parties`. Leaves with 1 or 2 when it cannot. */
int open_socket(const struct options *options, struct parties *parties);

/* Open the sockets and print the messages. */
void loop_set_up(const struct options *options);

/* Generate load for options->seconds; returns the seconds in which requests were sent. In an open loop it then waits
 * for what is still to be answered, until that is given up as lost. */
double loop_run(struct counters *counters);

#endif
