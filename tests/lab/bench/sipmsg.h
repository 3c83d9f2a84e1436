/* sipmsg.h: the SIP text of sipload. No I/O and no clock in here.
 *
 * A request or an ACK is printed once for each slot; before each use only the eight hexadecimal digits of
 * its generation are written over. The generator shares the machine with what it measures, so it must be
 * cheap: an snprintf for each message would cost as much as the whole echo server.
 */
#ifndef SIPMSG_H
#define SIPMSG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sipload.h"

enum {
    TEXT_MAX = 1024,      /* a whole request with long addresses stays under 700 bytes */
    GENERATIONS_MAX = 3,  /* branch, From tag and Call-ID */
    ID_PREFIX = 14,       /* "RRRRRRRR-SSSS-": the run and the slot, in front of the generation */
};

/* A message with places to write the generation into. */
struct text {
    char bytes[TEXT_MAX];
    size_t length;
    size_t cut;  /* in an ACK: where the value of To goes */
    char *generation[GENERATIONS_MAX];
    int generations;
};

/* What sipload wants to know of a reply; `to` points into the datagram. */
struct reply {
    int code;
    uint32_t slot;
    uint32_t generation;
    char *to;
    size_t to_length;
};

static void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void text_print(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text->bytes, sizeof text->bytes, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text->bytes) {
        fprintf(stderr, "sipload: the user name makes the request too long\n");
        exit(2);
    }
    text->length = (size_t)length;
}

static void text_find_generations(struct text *text, const char *prefix)
{
    char *at = text->bytes;

    while (text->generations < GENERATIONS_MAX && (at = strstr(at, prefix)) != NULL) {
        at += ID_PREFIX;
        text->generation[text->generations++] = at;
    }
}

static void text_stamp(struct text *text, uint32_t generation)
{
    char digits[8];

    for (int i = 7; i >= 0; i--, generation >>= 4)
        digits[i] = "0123456789abcdef"[generation & 15];
    for (int i = 0; i < text->generations; i++)
        memcpy(text->generation[i], digits, sizeof digits);
}

static void print_request(struct text *text, const struct parties *with, uint32_t run, uint32_t slot)
{
    char id[32];

    snprintf(id, sizeof id, "%08x-%04x-", run, slot);
    text_print(text,
               "%s sip:%s@%s SIP/2.0\r\n"
               "Via: SIP/2.0/UDP %s;rport;branch=z9hG4bK-%s00000000\r\n"
               "Max-Forwards: 70\r\n"
               "From: \"load\" <sip:load@%s>;tag=%s00000000\r\n"
               "To: <sip:%s@%s>\r\n"
               "Call-ID: %s00000000@sipload\r\n"
               "CSeq: 1 %s\r\n"
               "Contact: <sip:load@%s>\r\n"
               "User-Agent: sipload\r\n"
               "Content-Length: 0\r\n\r\n",
               with->method, with->user, with->remote, with->local, id, with->local, id, with->user,
               with->remote, id, with->method, with->local);
    text_find_generations(text, id);
}

/* The ACK of a final reply other than 2xx: same branch, the To of the reply (RFC 3261 17.1.1.3). */
static void print_ack(struct text *text, const struct parties *with, uint32_t run, uint32_t slot)
{
    char id[32];

    snprintf(id, sizeof id, "%08x-%04x-", run, slot);
    text_print(text,
               "ACK sip:%s@%s SIP/2.0\r\n"
               "Via: SIP/2.0/UDP %s;rport;branch=z9hG4bK-%s00000000\r\n"
               "Max-Forwards: 70\r\n"
               "From: \"load\" <sip:load@%s>;tag=%s00000000\r\n"
               "To:\r\n"
               "Call-ID: %s00000000@sipload\r\n"
               "CSeq: 1 ACK\r\n"
               "Content-Length: 0\r\n\r\n",
               with->user, with->remote, with->local, id, with->local, id, id);
    text->cut = (size_t)(strstr(text->bytes, "\r\nTo:") + 5 - text->bytes);
    text_find_generations(text, id);
}

static bool find_to(char *message, struct reply *reply)
{
    char *name = strstr(message, "\r\nTo:");

    if (name == NULL)
        return false;
    reply->to = name + 5;
    char *end = strstr(reply->to, "\r\n");
    if (end == NULL)
        return false;
    reply->to_length = (size_t)(end - reply->to);
    return true;
}

/* Read a reply to one of this run's requests from a zero-terminated datagram; false when it is not one. */
static bool parse_reply(char *message, uint32_t run, struct reply *reply)
{
    unsigned int its_run;

    if (strncmp(message, "SIP/2.0 ", 8) != 0)
        return false;
    reply->code = (int)strtol(message + 8, NULL, 10);
    if (reply->code < 100 || reply->code > 699)
        return false;
    char *branch = strstr(message, ";branch=z9hG4bK-");
    if (branch == NULL)
        return false;
    if (sscanf(branch + 16, "%8x-%4x-%8x", &its_run, &reply->slot, &reply->generation) != 3)
        return false;
    return its_run == run && find_to(message, reply);
}

#endif
