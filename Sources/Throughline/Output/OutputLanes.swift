internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia

/// An output that has joined a stream; it leaves by this.
public struct OutputID: Sendable, Hashable {
    let number: Int
}

/// Who wants to join and to leave while a stream plays. From any thread; taken by the pacer between two batches.
final class OutputLanes: Sendable {
    /// What the pacer has to do.
    struct Changes {
        var lanes: [PacketLane] = []
        var outputs: [(id: OutputID, output: Output)] = []
        var leaving: [OutputID] = []
    }

    private struct State {
        var changes = Changes()
        var number = 0
        /// Something has changed since the pacer last waited.
        var hasNews = false
        /// Nothing is presented any more, and whether all of it was.
        var end: StreamError??
    }

    private let state = Guarded(State())
    private let hasChanges = Atomic<Bool>(false)

    func join(_ lane: PacketLane) {
        let end = state.withLock { state in
            if state.end == nil { state.changes.lanes.append(lane) }
            hasChanges.store(true, ordering: .releasing)
            return state.end
        }
        if let end { lane.end(end) }
    }

    /// - Returns: nil where nothing is presented any more.
    func join(_ output: Output) -> OutputID? {
        state.withLock { state in
            guard state.end == nil else { return nil }
            state.number += 1
            let id = OutputID(number: state.number)
            state.changes.outputs.append((id, output))
            hasChanges.store(true, ordering: .releasing)
            return id
        }
    }

    func leave(_ id: OutputID) {
        state.withLockAndWake { state in
            if let index = state.changes.outputs.firstIndex(where: { $0.id == id }) {
                state.changes.outputs.remove(at: index)
            } else {
                state.changes.leaving.append(id)
            }
            state.hasNews = true
            hasChanges.store(true, ordering: .releasing)
        }
    }

    /// An output has room again, or has ended.
    func outputChanged() { state.withLockAndWake { $0.hasNews = true } }

    /// Waits until an output has changed, or one wants to leave; not at all where that was so since the last call.
    func waitForNews() {
        state.wait { state, _ -> Void? in
            defer { state.hasNews = false }
            return state.hasNews ? () : nil
        }
    }

    /// Costs one load where there are none.
    func takeChanges() -> Changes? {
        guard hasChanges.load(ordering: .acquiring) else { return nil }
        return state.withLock { state in
            hasChanges.store(false, ordering: .relaxed)
            defer { state.changes = Changes() }
            return state.changes
        }
    }

    /// Nothing is presented any more.
    func end(_ error: StreamError?) {
        let lanes = state.withLock { state in
            state.end = .some(error)
            defer { state.changes = Changes() }
            return state.changes.lanes
        }
        for lane in lanes { lane.end(error) }
    }
}
