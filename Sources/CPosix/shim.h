#ifndef THROUGHLINE_CPOSIX_SHIM_H
#define THROUGHLINE_CPOSIX_SHIM_H

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Names the calling thread, at most 15 bytes (`prctl` is variadic, which Swift cannot call).
static inline void tl_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/// A new event, to be woken by in `poll`: a descriptor, or -1 and `errno`. Nothing done with it blocks.
static inline int tl_event_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/// Makes the event readable.
static inline void tl_event_signal(int event) { (void)eventfd_write(event, 1); }

/// Makes the event unreadable again.
static inline void tl_event_clear(int event) {
    eventfd_t signals;
    (void)eventfd_read(event, &signals);
}

/// The kernel's `struct mmsghdr`, which glibc declares with `_GNU_SOURCE` only.
struct tl_message {
    /// Where the datagram goes.
    struct msghdr header;
    /// The bytes received.
    unsigned int length;
};

/// `recvmmsg`, which glibc declares with `_GNU_SOURCE` only: the number of datagrams received, or -1 and `errno`. Does
/// not wait. (`MSG_DONTWAIT` is named here, for in Swift it is not found when this module is built before Glibc's.)
static inline int tl_receive_messages(int descriptor, struct tl_message *messages, unsigned int count) {
    return (int)syscall(SYS_recvmmsg, descriptor, messages, count, MSG_DONTWAIT, (void *)0);
}

#endif
