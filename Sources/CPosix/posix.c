#define _GNU_SOURCE
#include "CPosix.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

void tl_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

static long long nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

long long tl_monotonic_nanoseconds(void) { return nanoseconds(CLOCK_MONOTONIC); }

long long tl_wall_nanoseconds(void) { return nanoseconds(CLOCK_REALTIME); }

int tl_condition_wait(void *condition, void *mutex, long long nanoseconds) {
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return pthread_cond_timedwait(condition, mutex, &time);
}

static __thread void *world_thread;

void *tl_world_thread(void) { return world_thread; }

void tl_set_world_thread(void *thread) { world_thread = thread; }

int tl_event_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void tl_event_signal(int event) { (void)eventfd_write(event, 1); }

void tl_event_clear(int event) {
    eventfd_t signals;
    (void)eventfd_read(event, &signals);
}

int tl_receive_datagrams(int descriptor, struct tl_datagram *datagrams, unsigned int count) {
    struct mmsghdr messages[TL_MOST_DATAGRAMS];
    struct iovec vectors[TL_MOST_DATAGRAMS];
    if (count > TL_MOST_DATAGRAMS) count = TL_MOST_DATAGRAMS;
    memset(messages, 0, sizeof messages[0] * count);
    for (unsigned int i = 0; i < count; i++) {
        vectors[i].iov_base = datagrams[i].bytes;
        vectors[i].iov_len = datagrams[i].capacity;
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = datagrams[i].sender;
        messages[i].msg_hdr.msg_namelen = datagrams[i].sender_capacity;
    }
    int received = recvmmsg(descriptor, messages, count, MSG_DONTWAIT, NULL);
    for (int i = 0; i < received; i++) datagrams[i].length = messages[i].msg_len;
    return received;
}
