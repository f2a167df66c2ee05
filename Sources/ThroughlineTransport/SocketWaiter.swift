internal import Glibc
package import ThroughlineCore

/// Sleeps until one of several sockets has something to do, somebody calls `wake`, or a moment comes.
///
/// `wake` may be called from any thread. Everything else belongs to one thread, the one that sleeps.
package final class SocketWaiter: Sendable {
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

    private let sleeper: any Sleeper

    /// - Parameter abort: ends every sleep from the moment it is tripped.
    /// - Throws: `.other` when the process has no descriptor left.
    package init(abort: AbortSwitch) throws(TransportError) {
        if let network = MemoryNetwork.current {
            sleeper = MemorySleeper(network: network, abort: abort)
        } else {
            sleeper = try PollSleeper(abort: abort)
        }
    }

    /// Ends the sleep under way, or the next one, at once. Never blocks.
    package func wake() { sleeper.wake() }

    /// Watches a socket from now on, or for something else than before. Level triggered: what is left undone ends the
    /// next sleep at once.
    ///
    /// - Parameter interest: with nothing in it the socket is watched for errors alone.
    package func watch(_ descriptor: Int32, for interest: Interest) {
        precondition(descriptor >= 0, "descriptor \(descriptor) cannot be watched")
        sleeper.watch(descriptor, for: interest)
    }

    /// Watches a socket no longer. To be called before it is closed: its number may come back as another's.
    package func forget(_ descriptor: Int32) { sleeper.forget(descriptor) }

    /// Whether the last sleep ended, among others, for this. True for an error or a closed connection whatever the
    /// socket was watched for: sending or receiving tells which.
    package func isReady(_ descriptor: Int32, for interest: Interest) -> Bool {
        sleeper.isReady(descriptor, for: interest)
    }

    /// Sleeps.
    ///
    /// - Parameter deadline: late by up to a millisecond. With one in the past the sockets are asked without sleeping.
    /// - Returns: the reasons; none when the deadline came first.
    /// - Throws: `.aborted`; `.other` when the system refuses.
    package func wait(until deadline: Instant) throws(TransportError) -> Reason { try sleeper.wait(until: deadline) }

    /// Sleeps, whatever the sockets have to do.
    ///
    /// - Returns: whether `wake` was called before the deadline.
    /// - Throws: as `wait`.
    package func rest(until deadline: Instant) throws(TransportError) -> Bool { try sleeper.rest(until: deadline) }
}

/// What sleeps for a `SocketWaiter`: the kernel's `poll`, or the network of a world.
protocol Sleeper: AnyObject, Sendable {
    func wake()
    func watch(_ descriptor: Int32, for interest: SocketWaiter.Interest)
    func forget(_ descriptor: Int32)
    func isReady(_ descriptor: Int32, for interest: SocketWaiter.Interest) -> Bool
    func wait(until deadline: Instant) throws(TransportError) -> SocketWaiter.Reason
    func rest(until deadline: Instant) throws(TransportError) -> Bool
}
