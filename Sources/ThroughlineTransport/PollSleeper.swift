internal import CPosix
internal import Glibc
internal import ThroughlineCore

/// Sleeps in `poll` (poll(2)).
final class PollSleeper: Sleeper, @unchecked Sendable {
    // Unchecked: `entries` is touched by the thread that sleeps alone; the rest is never changed.

    private let abort: AbortSwitch
    private let event: Int32
    /// The first is `event`.
    private var entries: [pollfd]

    init(abort: AbortSwitch) throws(TransportError) {
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

    func wake() { tl_event_signal(event) }

    func watch(_ descriptor: Int32, for interest: SocketWaiter.Interest) {
        precondition(descriptor != event, "descriptor \(descriptor) cannot be watched")
        if let index = index(of: descriptor) {
            entries[index].events = interest.rawValue
        } else {
            entries.append(pollfd(fd: descriptor, events: interest.rawValue, revents: 0))
        }
    }

    func forget(_ descriptor: Int32) {
        if descriptor != event, let index = index(of: descriptor) { entries.remove(at: index) }
    }

    func isReady(_ descriptor: Int32, for interest: SocketWaiter.Interest) -> Bool {
        guard let index = index(of: descriptor) else { return false }
        return entries[index].revents & (interest.rawValue | Int16(POLLERR | POLLHUP | POLLNVAL)) != 0
    }

    private func index(of descriptor: Int32) -> Int? {
        entries.firstIndex { $0.fd == descriptor }
    }

    func wait(until deadline: Instant) throws(TransportError) -> SocketWaiter.Reason {
        try sleep(until: deadline, asking: entries.count)
    }

    func rest(until deadline: Instant) throws(TransportError) -> Bool {
        try sleep(until: deadline, asking: 1).contains(.woken)
    }

    /// - Parameter entryCount: so many of the entries are asked, the first of which is `event`.
    private func sleep(
        until deadline: Instant, asking entryCount: Int
    ) throws(TransportError) -> SocketWaiter.Reason {
        while true {
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            let count = poll(&entries, nfds_t(entryCount), Self.milliseconds(until: deadline))
            if count < 0 {
                guard errno == EINTR else {
                    throw TransportError(.other, "poll: \(String(cString: strerror(errno)))")
                }
                continue
            }
            // Woken by the switch, or both at once.
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            var reason: SocketWaiter.Reason = []
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
