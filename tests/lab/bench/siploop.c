/* siploop.c: the sockets, the slots and the loop of sipload. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "sipload.h"
#include "sipmsg.h"

#define LOST_AFTER 1.0      /* seconds */
#define EXPIRE_EVERY 0.1    /* seconds between two looks at what is lost */
#define LONGEST_WAIT 0.02   /* seconds: the loop looks at the clock at least so often */

enum { BATCH = 64, DATAGRAM_MAX = 4096 };

struct slot {
    struct text request;
    struct text ack;
    uint32_t generation;
    uint32_t lost;  /* the generation given up last, 0 when it was answered after all */
    bool live;
    double since;
};

/* One connected socket and what waits to be sent on it: at most three pieces a message, nothing copied. */
struct channel {
    int fd;
    struct parties parties;
    int queued;
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH][3];
};

static const struct options *opt;
static struct counters *count;
static struct channel channels[SOCKETS_MAX];
static struct slot *slots;
static int free_slots[WINDOW_MAX], free_count;
static int used;  /* slots from here on were never taken */
static uint32_t run_id;
static double began, ends;  /* of sending */
static bool inviting;
static char datagrams[BATCH][DATAGRAM_MAX];

/* ---- setting up ---- */

void loop_set_up(const struct options *options)
{
    opt = options;
    inviting = strcmp(opt->method, "INVITE") == 0;
    for (int i = 0; i < opt->sockets; i++)
        channels[i].fd = open_socket(opt, &channels[i].parties);
    if (getrandom(&run_id, sizeof run_id, 0) != (ssize_t)sizeof run_id)
        die("getrandom");
    slots = calloc((size_t)opt->window, sizeof *slots);
    if (slots == NULL)
        die("calloc");
    for (int i = opt->window - 1; i >= 0; i--) {
        const struct parties *parties = &channels[i % opt->sockets].parties;
        print_request(&slots[i].request, parties, run_id, (uint32_t)i);
        print_ack(&slots[i].ack, parties, run_id, (uint32_t)i);
        free_slots[free_count++] = i;
    }
    prctl(PR_SET_TIMERSLACK, 1000UL);  /* nanoseconds; the default of 50 us would blur an open loop */
}

static void count_microseconds(uint32_t *by_microseconds, double seconds)
{
    double microseconds = seconds * 1e6;

    by_microseconds[microseconds < LATENCY_MAX ? (int)microseconds : LATENCY_MAX]++;
}

/* ---- sending ---- */

static void flush(struct channel *channel)
{
    int done = 0;

    while (done < channel->queued) {
        int sent = sendmmsg(channel->fd, channel->messages + done, (unsigned)(channel->queued - done), 0);
        if (sent > 0)
            done += sent;
        else if (errno == ECONNREFUSED)
            count->refused++;  /* the news of an earlier datagram; this one is still to be sent */
        else if (errno != EINTR)
            die("sendmmsg");
    }
    channel->queued = 0;
}

static struct iovec *next_message(struct channel *channel, size_t pieces)
{
    if (channel->queued == BATCH)
        flush(channel);
    int at = channel->queued++;
    channel->messages[at].msg_hdr = (struct msghdr){.msg_iov = channel->pieces[at], .msg_iovlen = pieces};
    return channel->pieces[at];
}

static void start_request(int number, double at)
{
    struct slot *slot = &slots[number];

    if (number >= used)
        used = number + 1;
    slot->generation++;
    slot->live = true;
    slot->since = at;
    text_stamp(&slot->request, slot->generation);
    struct iovec *pieces = next_message(&channels[number % opt->sockets], 1);
    pieces[0] = (struct iovec){slot->request.bytes, slot->request.length};
    count->sent++;
}

static void send_ack(const struct reply *reply)
{
    struct text *ack = &slots[reply->slot].ack;
    struct iovec *pieces = next_message(&channels[(int)reply->slot % opt->sockets], 3);

    text_stamp(ack, reply->generation);
    pieces[0] = (struct iovec){ack->bytes, ack->cut};
    pieces[1] = (struct iovec){reply->to, reply->to_length};
    pieces[2] = (struct iovec){ack->bytes + ack->cut, ack->length - ack->cut};
    count->acks++;
}

static double next_due(void)
{
    return opt->rate > 0 ? began + (double)count->sent / opt->rate : 0;
}

/* In an open loop a request counts from when it was due, however late it is sent: nothing is left out that a slow
 * server, or this generator, keeps waiting. */
static void start_due(double until, double time)
{
    while (free_count > 0 && next_due() <= until) {
        double since = opt->rate > 0 ? next_due() : time;
        count_microseconds(count->delays, time - since);
        start_request(free_slots[--free_count], since);
    }
}

/* ---- receiving ---- */

static void finish(int number)
{
    slots[number].live = false;
    free_slots[free_count++] = number;
}

/* A final reply to a request that is no longer waited for. */
static void count_unexpected(struct slot *slot, uint32_t generation)
{
    if (generation == 0 || generation > slot->generation) {
        count->stray++;
    } else if (generation == slot->lost) {
        count->late++;
        slot->lost = 0;
    } else {
        count->duplicates++;
    }
}

static void take_datagram(char *message, double time)
{
    struct reply reply;

    if (!parse_reply(message, run_id, &reply) || reply.slot >= (uint32_t)opt->window) {
        count->stray++;
        return;
    }
    struct slot *slot = &slots[reply.slot];
    if (reply.code < 200) {
        count->provisional++;
    } else if (!slot->live || reply.generation != slot->generation) {
        count_unexpected(slot, reply.generation);
    } else {
        count->ok++;
        count->codes[reply.code]++;
        count_microseconds(count->latencies, time - slot->since);
        if (inviting && reply.code >= 300)
            send_ack(&reply);
        finish((int)reply.slot);
    }
}

static void receive(struct channel *channel)
{
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];

    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){datagrams[i], DATAGRAM_MAX - 1};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int received = recvmmsg(channel->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    double time = now();
    if (received < 0 && errno == ECONNREFUSED)
        count->refused++;
    else if (received < 0 && errno != EAGAIN && errno != EINTR)
        die("recvmmsg");
    for (int i = 0; i < received; i++) {
        datagrams[i][messages[i].msg_len] = '\0';
        take_datagram(datagrams[i], time);
    }
}

static void expire(double time)
{
    for (int i = 0; i < used; i++) {
        if (slots[i].live && time - slots[i].since > LOST_AFTER) {
            count->lost++;
            count_microseconds(count->latencies, time - slots[i].since);
            slots[i].lost = slots[i].generation;
            finish(i);
        }
    }
}

/* ---- the loop ---- */

static void flush_all(void)
{
    for (int i = 0; i < opt->sockets; i++)
        flush(&channels[i]);
}

static void send_all(double time)
{
    if (opt->rate == 0 || time < ends)
        start_due(time, time);
    flush_all();
}

static void wait_readable(struct pollfd *polled, double time)
{
    double wait = LONGEST_WAIT;

    if (opt->rate > 0 && time < ends && free_count > 0 && next_due() - time < wait)
        wait = next_due() > time ? next_due() - time : 0;
    struct timespec timeout = {0, (long)(wait * 1e9)};
    if (ppoll(polled, (nfds_t)opt->sockets, &timeout, NULL) < 0 && errno != EINTR)
        die("ppoll");
}

/* Wait for replies, at most until the next request is due; send what is due and what is to be acknowledged. */
static double turn(double time)
{
    static struct pollfd polled[SOCKETS_MAX];
    static double expired;

    for (int i = 0; i < opt->sockets; i++)
        polled[i] = (struct pollfd){.fd = channels[i].fd, .events = POLLIN};
    wait_readable(polled, time);
    for (int i = 0; i < opt->sockets; i++) {
        if (polled[i].revents == 0)
            continue;
        receive(&channels[i]);
        send_all(now());  /* before the next receive: a queued ACK points into the datagrams */
    }
    time = now();
    if (time - expired > EXPIRE_EVERY) {
        expire(time);
        expired = time;
    }
    send_all(time);
    return time;
}

double loop_run(struct counters *counters)
{
    double time = now();

    count = counters;
    began = time;
    ends = time + opt->seconds;
    send_all(time);
    while (time < ends)
        time = turn(time);
    double elapsed = time - began;
    if (opt->rate > 0)
        start_due(ends - 1e-9, now());  /* what came due while this process was kept from running */
    flush_all();
    while (opt->rate > 0 && free_count < opt->window)  /* what is lost is given up in the end */
        time = turn(time);
    counters->in_flight = opt->window - free_count;
    return elapsed;
}
