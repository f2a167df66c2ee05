internal import CCurl
internal import Glibc
internal import ThroughlineCore

/// What all clients of one origin have in common, on whatever thread: cookies, resolved names, TLS sessions, and the
/// connections that nobody uses at the moment.
///
/// A client borrows what carries its requests, with the connections that it keeps, and gives it back when it is closed: one
/// thread has it at a time. So a hundred objects that are read one after the other need one connection.
package final class ConnectionPool: @unchecked Sendable {
    // Unchecked: what lies in `idle` belongs to nobody until it is taken out, under the lock.
    private struct Idle {
        let place: String
        let transfer: any HTTPTransfer
        let since: Instant
    }

    /// More than are used at once when a handoff asks two origins, and a standby a third time.
    private static let most = 4
    /// Servers close what is idle for longer.
    private static let patience: Duration = .seconds(60)

    let share = CurlShare()
    private let idle = Guarded<[Idle]>([])

    package init() {}

    /// What was used last for a place, if nobody else has it.
    ///
    /// - Parameters:
    ///   - place: scheme, host and port.
    ///   - abort: ends its waits from now on.
    func borrow(for place: String, abort: AbortSwitch) -> (any HTTPTransfer)? {
        let now = Instant.now
        let (found, old) = idle.withLock { idle -> (Idle?, [Idle]) in
            let old = idle.filter { now - $0.since > Self.patience }
            idle.removeAll { now - $0.since > Self.patience }
            guard let index = idle.lastIndex(where: { $0.place == place }) else { return (nil, old) }
            return (idle.remove(at: index), old)
        }
        // Closing connections may take a while, and is done outside of the lock.
        _ = consume old
        found?.transfer.belongs(to: abort)
        return found?.transfer
    }

    /// - Parameter transfer: without a request under way, and used by nobody from now on.
    func giveBack(_ transfer: any HTTPTransfer, for place: String) {
        transfer.belongs(to: nil)
        let entry = Idle(place: place, transfer: transfer, since: .now)
        let old = idle.withLock { idle -> Idle? in
            idle.append(entry)
            return idle.count > Self.most ? idle.removeFirst() : nil
        }
        _ = consume old
    }

    /// Ends the connections that nobody uses.
    package func clear() {
        _ = idle.withLock { idle in
            defer { idle = [] }
            return idle
        }
    }
}

/// What libcurl keeps for several handles, each under a lock of its own: cookies (RFC 6265), resolved names, TLS sessions.
///
/// A server may set a cookie with a redirect, or with its first answer, and ask for it with every request after that.
final class CurlShare: @unchecked Sendable {
    // Unchecked: libcurl takes a lock around everything that it does with what is in here.
    let handle: UnsafeMutableRawPointer?
    private let locks: UnsafeMutablePointer<pthread_mutex_t>
    private static let count = Int(CURL_LOCK_DATA_LAST.rawValue)

    init() {
        locks = .allocate(capacity: Self.count)
        for index in 0..<Self.count {
            (locks + index).initialize(to: pthread_mutex_t())
            pthread_mutex_init(locks + index, nil)
        }
        handle = CurlHandle.isInitialised ? curl_share_init() : nil
        tl_share_locks(handle, lockShared, unlockShared, locks)
        for data in [CURL_LOCK_DATA_COOKIE, CURL_LOCK_DATA_DNS, CURL_LOCK_DATA_SSL_SESSION] {
            tl_share_data(handle, data)
        }
    }

    deinit {
        if let handle { curl_share_cleanup(handle) }
        for index in 0..<Self.count { pthread_mutex_destroy(locks + index) }
        locks.deallocate()
    }
}

private func lockShared(
    _ easy: UnsafeMutableRawPointer?, _ data: curl_lock_data, _ access: curl_lock_access,
    _ context: UnsafeMutableRawPointer?
) {
    guard let context else { return }
    pthread_mutex_lock(context.assumingMemoryBound(to: pthread_mutex_t.self) + Int(data.rawValue))
}

private func unlockShared(
    _ easy: UnsafeMutableRawPointer?, _ data: curl_lock_data, _ context: UnsafeMutableRawPointer?
) {
    guard let context else { return }
    pthread_mutex_unlock(context.assumingMemoryBound(to: pthread_mutex_t.self) + Int(data.rawValue))
}
