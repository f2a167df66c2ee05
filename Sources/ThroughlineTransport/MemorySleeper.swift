internal import Synchronization
internal import ThroughlineCore

/// Sleeps in the network of a world.
final class MemorySleeper: Sleeper, @unchecked Sendable {
    // Unchecked: `entries` is touched by the thread that sleeps alone.

    private let network: MemoryNetwork
    private let abort: AbortSwitch
    private let isWoken = Atomic<Bool>(false)
    private var entries: [MemoryInterest] = []

    init(network: MemoryNetwork, abort: AbortSwitch) {
        self.network = network
        self.abort = abort
        abort.register(network)
    }

    func wake() {
        isWoken.store(true, ordering: .releasing)
        network.wake()
    }

    func watch(_ descriptor: Int32, for interest: SocketWaiter.Interest) {
        let index = entries.firstIndex { $0.descriptor == descriptor } ?? entries.endIndex
        if index == entries.endIndex {
            entries.append(MemoryInterest(descriptor: descriptor, wantsInput: false, wantsOutput: false))
        }
        entries[index].wantsInput = interest.contains(.input)
        entries[index].wantsOutput = interest.contains(.output)
    }

    func forget(_ descriptor: Int32) { entries.removeAll { $0.descriptor == descriptor } }

    func isReady(_ descriptor: Int32, for interest: SocketWaiter.Interest) -> Bool {
        guard let entry = entries.first(where: { $0.descriptor == descriptor }) else { return false }
        return interest.contains(.input) && entry.isReadable || interest.contains(.output) && entry.isWritable
    }

    func wait(until deadline: Instant) throws(TransportError) -> SocketWaiter.Reason {
        network.poll(&entries, until: deadline) { abort.isAborted || isWoken.load(ordering: .acquiring) }
        if abort.isAborted { throw TransportError(.aborted, "aborted") }
        var reason: SocketWaiter.Reason = []
        if isWoken.exchange(false, ordering: .acquiringAndReleasing) { reason.insert(.woken) }
        if entries.contains(where: \.isReady) { reason.insert(.socket) }
        return reason
    }

    func rest(until deadline: Instant) throws(TransportError) -> Bool {
        var none: [MemoryInterest] = []
        network.poll(&none, until: deadline) { abort.isAborted || isWoken.load(ordering: .acquiring) }
        if abort.isAborted { throw TransportError(.aborted, "aborted") }
        return isWoken.exchange(false, ordering: .acquiringAndReleasing)
    }
}
