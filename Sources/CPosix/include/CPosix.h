#ifndef THROUGHLINE_CPOSIX_H
#define THROUGHLINE_CPOSIX_H

// What Swift cannot call of the system: variadic functions, and those that glibc declares for `_GNU_SOURCE` only.
//
// No system header is included here: what it declares would belong to this module, and no longer to Glibc.

#include <stddef.h>

/// Names the calling thread, at most 15 bytes.
void tl_name_thread(const char *name);

/// Nanoseconds on the monotonic clock, since an arbitrary fixed moment.
long long tl_monotonic_nanoseconds(void);

/// Nanoseconds on the clock on the wall, since 1970.
long long tl_wall_nanoseconds(void);

/// `pthread_cond_timedwait` up to a moment in nanoseconds on the clock of the condition: a `pthread_cond_t` and the
/// `pthread_mutex_t` that the caller has locked. 0, or the error.
int tl_condition_wait(void *condition, void *mutex, long long nanoseconds);

/// A new event, to be woken by in `poll`: a descriptor, or -1 and `errno`. Nothing done with it blocks.
int tl_event_create(void);

/// Makes the event readable.
void tl_event_signal(int event);

/// Makes the event unreadable again.
void tl_event_clear(int event);

/// Room for one datagram, and for the address that it comes from.
struct tl_datagram {
    void *bytes;
    size_t capacity;
    /// A `struct sockaddr`, in so many bytes.
    void *sender;
    unsigned int sender_capacity;
    /// The bytes received.
    unsigned int length;
};

/// Most datagrams that are received at once.
#define TL_MOST_DATAGRAMS 64

/// `recvmmsg` without waiting: the number of datagrams received, or -1 and `errno`.
int tl_receive_datagrams(int descriptor, struct tl_datagram *datagrams, unsigned int count);

/// What `tl_set_world_thread` set on the calling thread; null at first.
void *tl_world_thread(void);

/// Remembers something for the calling thread alone.
void tl_set_world_thread(void *thread);

#endif
