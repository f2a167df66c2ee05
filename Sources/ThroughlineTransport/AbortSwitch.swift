internal import CCurl
internal import CPosix
internal import Synchronization
internal import ThroughlineCore

/// Ends the blocking calls of every client made with it, from any thread, and for good.
///
/// A call that sleeps returns within milliseconds, one that begins later returns at once; both throw
/// `TransportError.Code.aborted`.
package final class AbortSwitch: Sendable {
    /// What to wake.
    private struct Sleepers {
        /// `CURLM` handles.
        var multis: [UnsafeMutableRawPointer] = []
        /// Events of `tl_event_create`.
        var events: [Int32] = []
        /// Where those sleep that are in a world.
        var networks: [MemoryNetwork] = []
        var children: [Child] = []
    }

    private struct Child {
        weak var abort: AbortSwitch?
    }

    private let flag = Atomic<Bool>(false)
    private let nudge = Atomic<Bool>(false)
    private let sleepers = Guarded(Sleepers())

    /// What trips this one, too.
    private let parent: AbortSwitch?

    package init() { parent = nil }

    /// A switch that is tripped together with another one, or by itself.
    package init(parent: AbortSwitch) {
        self.parent = parent
        parent.sleepers.withLock { $0.children.append(Child(abort: self)) }
        // It may have been tripped before this one was known to it.
        if parent.isAborted { abort() }
    }

    deinit {
        // By now this one is nil there.
        parent?.sleepers.withLock { $0.children.removeAll { $0.abort == nil } }
    }

    /// True once `abort` was called. Costs one load: an interrupt callback may ask as often as it likes.
    package var isAborted: Bool { flag.load(ordering: .acquiring) }

    /// Trips the switch. Never blocks.
    package func abort() {
        flag.store(true, ordering: .releasing)
        wakeSleepers()
        for child in sleepers.withLock({ $0.children }) { child.abort?.abort() }
    }

    /// Has whoever waits for bytes, now or the next time, ask anew until when. From any thread; never blocks.
    package func askAnew() {
        nudge.store(true, ordering: .releasing)
        wakeSleepers()
        for child in sleepers.withLock({ $0.children }) { child.abort?.askAnew() }
    }

    /// Whether whoever sleeps in a world is to wake up.
    var isNudged: Bool { nudge.load(ordering: .acquiring) }

    /// Whoever was to wake up has: what is to be asked is asked before the next sleep.
    func nudged() { if isNudged { nudge.store(false, ordering: .releasing) } }

    private func wakeSleepers() {
        // Under the lock, so that nothing is freed while it is woken; a wakeup only writes to a pipe.
        let networks = sleepers.withLock { sleepers in
            for multi in sleepers.multis { curl_multi_wakeup(multi) }
            for event in sleepers.events { tl_event_signal(event) }
            return sleepers.networks
        }
        for network in networks { network.wake() }
    }

    func register(_ multi: UnsafeMutableRawPointer) {
        sleepers.withLock { $0.multis.append(multi) }
    }

    /// Returns when no wakeup of the handle is under way any more.
    func unregister(_ multi: UnsafeMutableRawPointer) {
        sleepers.withLock { $0.multis.removeAll { $0 == multi } }
    }

    /// Wakes whoever sleeps there.
    func register(_ network: MemoryNetwork) {
        sleepers.withLock { if $0.networks.isEmpty { $0.networks.append(network) } }
    }

    /// Registers an event of `tl_event_create`. Whoever sleeps on it asks for `isAborted` between this and its first sleep.
    func register(event: Int32) {
        sleepers.withLock { $0.events.append(event) }
    }

    /// Returns when nothing is being written to the descriptor any more.
    func unregister(event: Int32) {
        sleepers.withLock { $0.events.removeAll { $0 == event } }
    }
}
