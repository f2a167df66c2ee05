internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// One RTSP session as a partner for another that plays the same. It does not keep the session alive.
struct RTSPTwinEnd: Sendable {
    let flows: [FlowFormat]
    let commands: RTSPSource.Commands
    /// Its media comes in datagrams, of which some may be lost.
    let mayLose: Bool

    func isSame(as other: RTSPTwinEnd) -> Bool { commands.isSame(as: other.commands) }
}

/// Has the losses of the session that is played filled from the one that stands by, whichever these are.
///
/// It may be used from any thread. What it was told of last counts: a session that has ended meanwhile gives nothing, and
/// that is all.
final class RTSPTwinLink: Sendable {
    private struct State {
        var played: RTSPTwinEnd?
        var standby: RTSPTwinEnd?
    }

    private let policy: RTPTwin.Policy
    private let state = Guarded(State())

    /// - Parameter buffer: how long the playout buffer is: a gap may be held open for half of it.
    init(buffer: Duration) { policy = .suiting(buffer: buffer) }

    /// This one is played from here on; nil for one that comes not over RTSP. If it stood by so far, nobody does any more.
    func plays(_ end: RTSPTwinEnd?) {
        state.withLock { state in
            if let before = state.played, end.map({ !$0.isSame(as: before) }) ?? true {
                before.commands.give(.merge(nil))
            }
            state.played = end
            if let end, let standby = state.standby, standby.isSame(as: end) { state.standby = nil }
            connect(state)
        }
    }

    /// This one delivers beside what is played; nil when none does that comes over RTSP.
    func standsBy(_ end: RTSPTwinEnd?) {
        state.withLock { state in
            state.standby = end
            connect(state)
        }
    }

    private func connect(_ state: State) {
        // Over the control connection nothing is lost.
        guard let played = state.played, played.mayLose else { return }
        guard let standby = state.standby else { return played.commands.give(.merge(nil)) }
        let feed = RTSPTwinFeed(flows: FlowMapping.map(standby.flows, onto: played.flows), policy: policy)
        played.commands.give(.merge(feed))
        standby.commands.give(.tap(feed))
    }
}
