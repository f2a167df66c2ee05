internal import CPosix
internal import Glibc
package import ThroughlineCore

/// Sleeps until one of several sockets has something to do, somebody calls `wake`, or a moment comes.
///
/// `wake` may be called from any thread. Everything else belongs to one thread, the one that sleeps.
package final class SocketWaiter: @unchecked Sendable {
    // Unchecked: `entries` is touched by the thread that sleeps alone; the rest is never changed.

    /// What a socket is waited for.
    package struct Interest: OptionSet, Sendable {
        package let rawValue: Int16
        package init(rawValue: Int16) { self.rawValue = rawValue }

        /// There is something to receive: bytes, the end, or an error.
        package static let input = Interest(rawValue: Int16(POLLIN))
        /// Something can be sent.
        package static let output = Interest(rawValue: Int16(POLLOUT))
    }

    /// What ended the sleep; nothing when it was the deadline.
    package struct Reason: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// At least one socket has what it was watched for: ask `isReady`.
        package static let socket = Reason(rawValue: 1)
        /// `wake` was called since the last sleep ended. Many calls count as one.
        package static let woken = Reason(rawValue: 2)
    }

    private let abort: AbortSwitch
    private let event: Int32
    /// The first is `event`.
    private var entries: [pollfd]

    /// - Parameter abort: ends every sleep from the moment it is tripped.
    /// - Throws: `.other` when the process has no descriptor left.
    package init(abort: AbortSwitch) throws(TransportError) {
        event = tl_event_create()
        guard event >= 0 else {
            throw TransportError(.other, "eventfd: \(String(cString: strerror(errno)))")
        }
        self.abort = abort
        entries = [pollfd(fd: event, events: Int16(POLLIN), revents: 0)]
        abort.register(event: event)
    }

    deinit {
        abort.unregister(event: event)
        close(event)
    }

    /// Ends the sleep under way, or the next one, at once. Never blocks.
    package func wake() { tl_event_signal(event) }

    /// Watches a socket from now on, or for something else than before. Level triggered: what is left undone ends the
    /// next sleep at once.
    ///
    /// - Parameter interest: with nothing in it the socket is watched for errors alone.
    package func watch(_ descriptor: Int32, for interest: Interest) {
        precondition(descriptor >= 0 && descriptor != event, "descriptor \(descriptor) cannot be watched")
        if let index = index(of: descriptor) {
            entries[index].events = interest.rawValue
        } else {
            entries.append(pollfd(fd: descriptor, events: interest.rawValue, revents: 0))
        }
    }

    /// Watches a socket no longer. To be called before it is closed: its number may come back as another's.
    package func forget(_ descriptor: Int32) {
        if descriptor != event, let index = index(of: descriptor) { entries.remove(at: index) }
    }

    /// Whether the last sleep ended, among others, for this. True for an error or a closed connection whatever the
    /// socket was watched for: sending or receiving tells which.
    package func isReady(_ descriptor: Int32, for interest: Interest) -> Bool {
        guard let index = index(of: descriptor) else { return false }
        return entries[index].revents & (interest.rawValue | Int16(POLLERR | POLLHUP | POLLNVAL)) != 0
    }

    private func index(of descriptor: Int32) -> Int? {
        entries.firstIndex { $0.fd == descriptor }
    }

    /// Sleeps.
    ///
    /// - Parameter deadline: late by up to a millisecond. With one in the past the sockets are asked without sleeping.
    /// - Returns: the reasons; none when the deadline came first.
    /// - Throws: `.aborted`; `.other` when the system refuses.
    package func wait(until deadline: Instant) throws(TransportError) -> Reason {
        while true {
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            let count = poll(&entries, nfds_t(entries.count), Self.milliseconds(until: deadline))
            if count < 0 {
                guard errno == EINTR else {
                    throw TransportError(.other, "poll: \(String(cString: strerror(errno)))")
                }
                continue
            }
            // Woken by the switch, or both at once.
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            var reason: Reason = []
            if entries[0].revents != 0 {
                tl_event_clear(event)
                reason.insert(.woken)
            }
            if count > reason.rawValue.nonzeroBitCount { reason.insert(.socket) }
            // A sleep is cut at a minute.
            if !reason.isEmpty || Instant.now >= deadline { return reason }
        }
    }

    /// Rounded up, lest the last part of a millisecond be spent spinning; cut at a minute.
    private static func milliseconds(until deadline: Instant) -> Int32 {
        guard deadline != .never else { return 60_000 }
        let nanoseconds = min(max(0, (deadline - .now).wholeNanoseconds), 60_000_000_000)
        return Int32((nanoseconds + 999_999) / 1_000_000)
    }
}
