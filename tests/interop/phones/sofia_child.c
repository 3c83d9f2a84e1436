/* A phone made of Sofia-SIP's nua, the stack of FreeSWITCH:
 *
 *   sofia HOST PORT TRANSPORT PASSWORD REGISTERING TALKING USER... -- NUMBER...     a number with a + before it is put on hold
 *
 * What becomes of registrations and calls is written, a line each.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct task task;
#define NUA_MAGIC_T task
#define SU_ROOT_MAGIC_T task
typedef struct { char const *user; int challenged; } owner;
#define NUA_HMAGIC_T owner

#include <sofia-sip/nua.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su.h>

struct task {
    su_root_t *root;
    nua_t *nua;
    char const *host, *port, *transport, *password;
    owner *caller;
    int state, down;
};

#define SDP(direction) "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=" direction "\r\n"

static void hear(nua_event_t event, int status, char const *phrase, nua_t *nua, task *self, nua_handle_t *handle, owner *own,
                 sip_t const *sip, tagi_t tags[])
{
    (void)nua, (void)sip;
    if ((event == nua_r_register || event == nua_r_invite) && (status == 401 || status == 407)) {
        char credentials[256];
        snprintf(credentials, sizeof credentials, "Digest:\"example.com\":%s:%s", own->user, self->password);
        nua_authenticate(handle, NUTAG_AUTH(credentials), TAG_END());
    }
    if (event == nua_r_register)
        printf("REGISTER %s: %d %s\n", own->user, status, phrase);
    else if (event == nua_r_invite)
        printf("INVITE: %d %s\n", status, phrase);
    else if (event == nua_i_state)
        tl_gets(tags, NUTAG_CALLSTATE_REF(self->state), TAG_END());
    else if (event == nua_r_shutdown && status >= 200)
        self->down = 1;
    fflush(stdout);
}

static void pass(task *self, double seconds)
{
    su_time_t begun = su_now();
    double left;
    while ((left = seconds - su_time_diff(su_now(), begun)) > 0)
        su_root_step(self->root, left < 0.05 ? (su_duration_t)(left * 1000) + 1 : 50);
}

static void enroll(task *self, owner *own)
{
    char address[256], registrar[256];
    snprintf(address, sizeof address, "<sip:%s@%s>", own->user, self->host);
    snprintf(registrar, sizeof registrar, "sip:%s:%s;transport=%s", self->host, self->port, self->transport);
    nua_handle_t *handle = nua_handle(self->nua, own, SIPTAG_FROM_STR(address), SIPTAG_TO_STR(address), TAG_END());
    nua_register(handle, NUTAG_REGISTRAR(registrar), SIPTAG_EXPIRES_STR("600"), TAG_END());
}

static void call(task *self, char const *number, double talking)
{
    char address[256], target[256];
    int hold = number[0] == '+';
    snprintf(address, sizeof address, "<sip:%s@%s>", self->caller->user, self->host);
    snprintf(target, sizeof target, "sip:%s@%s:%s;transport=%s", number + hold, self->host, self->port, self->transport);
    self->state = nua_callstate_init;
    nua_handle_t *handle = nua_handle(self->nua, self->caller, NUTAG_URL(target), SIPTAG_FROM_STR(address), TAG_END());
    nua_invite(handle, SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(SDP("sendrecv")), TAG_END());
    pass(self, talking);
    if (hold && self->state == nua_callstate_ready) {
        nua_invite(handle, SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(SDP("sendonly")), TAG_END());
        pass(self, talking);
    }
    if (self->state >= nua_callstate_completing && self->state <= nua_callstate_ready)
        nua_bye(handle, TAG_END());
    else if (self->state < nua_callstate_completing)
        nua_cancel(handle, TAG_END());
    pass(self, talking);
    nua_handle_destroy(handle);
}

int main(int count, char *words[])
{
    task self[1] = {{0}};
    if (count < 9)
        return 2;
    self->host = words[1], self->port = words[2], self->transport = words[3], self->password = words[4];
    double registering = atof(words[5]), talking = atof(words[6]);
    su_init();
    self->root = su_root_create(self);
    char own[256];
    snprintf(own, sizeof own, "sip:%s:*;transport=%s", self->host, self->transport);
    self->nua = nua_create(self->root, hear, self, NUTAG_URL(own), NUTAG_MEDIA_ENABLE(0), TAG_END());
    if (!self->nua)
        return 1;
    int at = 7;
    for (; at < count && strcmp(words[at], "--"); at++) {
        owner *next = calloc(1, sizeof *next);
        next->user = words[at];
        self->caller = self->caller ? self->caller : next;
        enroll(self, next);
    }
    pass(self, registering);
    for (at++; at < count; at++)
        call(self, words[at], talking);
    nua_shutdown(self->nua);
    for (int turns = 0; !self->down && turns < 100; turns++)
        su_root_step(self->root, 50);
    return 0;
}
