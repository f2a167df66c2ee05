internal import ThroughlineCore

/// Notices that one flow of a session is silent while others run.
///
/// Time counts only while something comes: a silence of all flows is the connection's, and says nothing of any of them.
/// Each flow is held against its own rhythm; one of which little has come yet is not judged.
struct FlowStalls {
    private struct Flow {
        /// When it was heard last, on the clock that runs while something comes.
        var heard: Duration = .zero
        var count = 0
        /// The longest that it was silent, and came back.
        var longest: Duration = .zero
        var isDone = false
    }

    /// Nothing at all for longer than this stops the clock.
    static let commonPause: Duration = .milliseconds(100)
    /// Packets after which a flow has shown its rhythm.
    static let leastCount = 8
    /// Silence shorter than this is never a stall.
    static let shortest: Duration = .milliseconds(500)

    private var flows: [Flow]
    private var clock: Duration = .zero
    private var last: Instant?

    /// - Parameter count: of flows; those that may be silent for as long as they like are to be told as done.
    init(count: Int) { flows = Array(repeating: Flow(), count: count) }

    /// A packet of a flow has come.
    mutating func arrived(_ flow: Int, at now: Instant) {
        guard flows.indices.contains(flow) else { return }
        if let last, now > last { clock += min(now - last, Self.commonPause) }
        last = max(last ?? now, now)
        if flows[flow].count > 0 { flows[flow].longest = max(flows[flow].longest, clock - flows[flow].heard) }
        flows[flow].heard = clock
        flows[flow].count += 1
    }

    /// Nothing more is expected of a flow.
    mutating func ended(_ flow: Int) {
        if flows.indices.contains(flow) { flows[flow].isDone = true }
    }

    /// Another range begins, or a pause: what was heard before says nothing of when the next is due.
    mutating func restart() {
        last = nil
        for index in flows.indices {
            flows[index].count = 0
            flows[index].heard = clock
            flows[index].isDone = false
        }
    }

    /// The flow that has been silent for too long.
    ///
    /// - Parameter bound: the silence that is borne, given the silence so far.
    func stalled(bound: (Duration) -> Duration) -> (flow: Int, silence: Duration)? {
        for (index, flow) in flows.enumerated() where !flow.isDone && flow.count >= Self.leastCount {
            let silence = clock - flow.heard
            guard silence >= Self.shortest, silence >= flow.longest * 3, silence >= bound(silence) else { continue }
            return (index, silence)
        }
        return nil
    }
}
