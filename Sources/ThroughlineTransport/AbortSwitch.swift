internal import CCurl
internal import Synchronization
internal import ThroughlineCore

/// Ends the blocking calls of every client made with it, from any thread, and for good.
///
/// A call that sleeps returns within milliseconds, one that begins later returns at once; both throw
/// `TransportError.Code.aborted`.
package final class AbortSwitch: Sendable {
    private let flag = Atomic<Bool>(false)
    /// The `CURLM` handles to wake.
    private let sleepers = Guarded<[UnsafeMutableRawPointer]>([])

    package init() {}

    /// True once `abort` was called. Costs one load: an interrupt callback may ask as often as it likes.
    package var isAborted: Bool { flag.load(ordering: .acquiring) }

    /// Trips the switch. Never blocks.
    package func abort() {
        flag.store(true, ordering: .releasing)
        // Under the lock, so that no handle is freed while it is woken; a wakeup only writes to a pipe.
        sleepers.withLock { handles in
            for handle in handles { curl_multi_wakeup(handle) }
        }
    }

    func register(_ multi: UnsafeMutableRawPointer) {
        sleepers.withLock { $0.append(multi) }
    }

    /// Returns when no wakeup of the handle is under way any more.
    func unregister(_ multi: UnsafeMutableRawPointer) {
        sleepers.withLock { $0.removeAll { $0 == multi } }
    }
}
