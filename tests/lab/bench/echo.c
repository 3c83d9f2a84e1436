/* echo: the least that a SIP/UDP server in C can do, as a floor for the benchmark. Linux only.
 *
 * Each request comes back with its request line replaced by a status line: 404 for INVITE, 200 for anything else.
 * ACKs are read and thrown away. Nothing is parsed, no To-tag is added. usage: echo PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { BATCH = 64, DATAGRAM_MAX = 4096, SOCKET_BUFFER = 8 << 20 };

static char datagrams[BATCH][DATAGRAM_MAX];
static struct sockaddr_in sources[BATCH];
static const char ok[] = "SIP/2.0 200 OK", not_found[] = "SIP/2.0 404 Not Found";

static void die(const char *what)
{
    fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(int port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = SOCKET_BUFFER;

    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own))
        die("bind");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static int receive(int fd, struct mmsghdr *messages)
{
    static struct iovec pieces[BATCH];

    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){datagrams[i], DATAGRAM_MAX - 1};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &sources[i], .msg_namelen = sizeof sources[i],
                                              .msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int received = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (received < 0 && errno != EINTR)
        die("recvmmsg");
    return received;
}

/* Point `reply` at a status line and at the rest of the request; 0 when there is nothing to say. */
static int answer(int number, unsigned int length, struct mmsghdr *reply, struct iovec *pieces)
{
    char *message = datagrams[number];

    message[length] = '\0';
    char *rest = strstr(message, "\r\n");
    if (rest == NULL || strncmp(message, "ACK ", 4) == 0)
        return 0;
    if (strncmp(message, "INVITE ", 7) == 0)
        pieces[0] = (struct iovec){(char *)not_found, sizeof not_found - 1};
    else
        pieces[0] = (struct iovec){(char *)ok, sizeof ok - 1};
    pieces[1] = (struct iovec){rest, length - (size_t)(rest - message)};
    reply->msg_hdr = (struct msghdr){.msg_name = &sources[number], .msg_namelen = sizeof sources[number],
                                     .msg_iov = pieces, .msg_iovlen = 2};
    return 1;
}

static void send_all(int fd, struct mmsghdr *replies, int amount)
{
    for (int done = 0; done < amount;) {
        int sent = sendmmsg(fd, replies + done, (unsigned)(amount - done), 0);
        if (sent < 0 && errno != EINTR)
            die("sendmmsg");
        done += sent > 0 ? sent : 0;
    }
}

int main(int argc, char **argv)
{
    static struct mmsghdr requests[BATCH], replies[BATCH];
    static struct iovec pieces[BATCH][2];

    if (argc != 2) {
        fprintf(stderr, "usage: echo PORT\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);  /* never outlive the benchmark */
    int fd = open_socket(atoi(argv[1]));
    for (;;) {
        int received = receive(fd, requests), amount = 0;
        for (int i = 0; i < received; i++)
            amount += answer(i, requests[i].msg_len, &replies[amount], pieces[amount]);
        send_all(fd, replies, amount);
    }
}
