internal import CCurl
internal import Glibc

/// The cookies of one origin (RFC 6265), for all clients that read from it, on whatever thread; for as long as it lives.
///
/// A server may set one with a redirect, or with its first answer, and ask for it with every request after that.
package final class CookieJar: @unchecked Sendable {
    // Unchecked: libcurl takes the lock around everything that it does with what is in here.
    let share: UnsafeMutableRawPointer?
    private let lock: UnsafeMutablePointer<pthread_mutex_t>

    package init() {
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        pthread_mutex_init(lock, nil)
        share = CurlHandle.isInitialised ? curl_share_init() : nil
        tl_share_locks(share, lockCookies, unlockCookies, lock)
        tl_share_data(share, CURL_LOCK_DATA_COOKIE)
    }

    deinit {
        if let share { curl_share_cleanup(share) }
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }
}

private func lockCookies(
    _ easy: UnsafeMutableRawPointer?, _ data: curl_lock_data, _ access: curl_lock_access,
    _ context: UnsafeMutableRawPointer?
) {
    if let context { pthread_mutex_lock(context.assumingMemoryBound(to: pthread_mutex_t.self)) }
}

private func unlockCookies(
    _ easy: UnsafeMutableRawPointer?, _ data: curl_lock_data, _ context: UnsafeMutableRawPointer?
) {
    if let context { pthread_mutex_unlock(context.assumingMemoryBound(to: pthread_mutex_t.self)) }
}
