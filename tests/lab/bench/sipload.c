/* sipload: a SIP/UDP load generator that measures a server of stateless replies. Linux only.
 *
 * Closed loop: `window` requests are kept in flight; each final reply is followed at once by the next request.
 * Open loop (--rate): requests go out by the clock, `window` bounds how many may be in flight, and latency counts
 * from the moment a request was due, so that a server that stalls cannot hide it.
 *
 * A final reply other than 2xx to an INVITE is acknowledged with the reply's To; a 2xx is not. A request with
 * no final reply after a second is counted as lost and its slot starts a new one. When time is up:
 * sent == ok + lost + in_flight. Prints one JSON object.
 */
#define _GNU_SOURCE
#include "sipload.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

static struct options opt = {"127.0.0.1", NULL, "OPTIONS", "bob", 4.0, 0.0, 128, 1};
static struct counters count;

void die(const char *what)
{
    fprintf(stderr, "sipload: %s: %s\n", what, strerror(errno));
    exit(1);
}

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void print_address(char *text, size_t size, const struct sockaddr *address, socklen_t length)
{
    char host[48], port[8];

    if (getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        die("getnameinfo");
    snprintf(text, size, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static void enlarge(int fd, int forced, int polite)
{
    int size = 8 << 20;  /* bytes; a full window must fit, or the generator itself loses replies */

    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, polite, &size, sizeof size);
}

int open_socket(const struct options *options, struct parties *parties)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM}, *peer;
    struct sockaddr_storage own;
    socklen_t length = sizeof own;

    if (getaddrinfo(options->host, options->port, &hints, &peer)) {
        fprintf(stderr, "sipload: %s port %s is not a numeric address and a port\n", options->host, options->port);
        exit(2);
    }
    int fd = socket(peer->ai_family, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, peer->ai_addr, peer->ai_addrlen))
        die("connect");
    if (getsockname(fd, (struct sockaddr *)&own, &length))
        die("getsockname");
    enlarge(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    enlarge(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    parties->method = options->method;
    parties->user = options->user;
    print_address(parties->local, sizeof parties->local, (struct sockaddr *)&own, length);
    print_address(parties->remote, sizeof parties->remote, peer->ai_addr, peer->ai_addrlen);
    freeaddrinfo(peer);
    return fd;
}

static double cpu_used(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* Microseconds that `share` of `total` stay below. */
static int percentile(const uint32_t *by_microseconds, long total, double share)
{
    long rank = (long)((double)total * share), seen = 0;

    for (int i = 0; i < LATENCY_MAX; i++) {
        seen += by_microseconds[i];
        if (seen > rank)
            return i;
    }
    return total > 0 ? LATENCY_MAX : 0;
}

/* What was never answered is among the slowest: a server that loses the late ones must not look quick. */
static int latency(double share)
{
    return percentile(count.latencies, count.ok + count.lost, share);
}

static void report(double elapsed, double cpu)
{
    const char *comma = "";
    double behind = opt.rate > 0 ? elapsed * opt.rate - (double)count.sent : 0;

    printf("{\"method\": \"%s\", \"window\": %d, \"rate\": %.0f, \"seconds\": %.6f, \"cpu_s\": %.6f, ", opt.method,
           opt.window, opt.rate, elapsed, cpu);
    printf("\"sent\": %ld, \"ok\": %ld, \"lost\": %ld, \"in_flight\": %d, \"behind\": %.0f, ", count.sent, count.ok,
           count.lost, count.in_flight, behind > 0 ? behind : 0);
    printf("\"late\": %ld, \"duplicates\": %ld, \"stray\": %ld, \"provisional\": %ld, \"acks\": %ld, \"refused\": %ld, ",
           count.late, count.duplicates, count.stray, count.provisional, count.acks, count.refused);
    printf("\"rps\": %.1f, \"p50_us\": %d, \"p99_us\": %d, \"p999_us\": %d, ", (double)count.ok / elapsed, latency(0.5),
           latency(0.99), latency(0.999));
    printf("\"sent_late_p99_us\": %d, \"codes\": {", opt.rate > 0 ? percentile(count.delays, count.sent, 0.99) : 0);
    for (int code = 200; code < 700; code++) {
        if (count.codes[code] == 0)
            continue;
        printf("%s\"%d\": %ld", comma, code, count.codes[code]);
        comma = ", ";
    }
    printf("}}\n");
}

static void usage(void)
{
    fprintf(stderr, "usage: sipload --port PORT [--host 127.0.0.1] [--method OPTIONS|INVITE] [--seconds 4]\n"
                    "               [--window 128] [--rate REQUESTS_PER_SECOND] [--sockets 1] [--user bob]\n");
    exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"host", 1, 0, 'h'},   {"port", 1, 0, 'p'},    {"method", 1, 0, 'm'}, {"seconds", 1, 0, 's'},
        {"window", 1, 0, 'w'}, {"sockets", 1, 0, 'k'}, {"rate", 1, 0, 'r'},   {"user", 1, 0, 'u'},
        {0, 0, 0, 0},
    };

    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (name) {
        case 'h': opt.host = optarg; break;
        case 'p': opt.port = optarg; break;
        case 'm': opt.method = optarg; break;
        case 's': opt.seconds = atof(optarg); break;
        case 'w': opt.window = atoi(optarg); break;
        case 'k': opt.sockets = atoi(optarg); break;
        case 'r': opt.rate = atof(optarg); break;
        case 'u': opt.user = optarg; break;
        default: usage();
        }
    }
    if (strcmp(opt.method, "INVITE") != 0 && strcmp(opt.method, "OPTIONS") != 0)
        usage();
    if (opt.port == NULL || optind < argc || opt.seconds <= 0 || opt.rate < 0 || opt.window < 1 ||
        opt.window > WINDOW_MAX || opt.sockets < 1 || opt.sockets > SOCKETS_MAX)
        usage();
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    loop_set_up(&opt);
    double cpu = cpu_used();
    double elapsed = loop_run(&count);
    report(elapsed, cpu_used() - cpu);
    return 0;
}
