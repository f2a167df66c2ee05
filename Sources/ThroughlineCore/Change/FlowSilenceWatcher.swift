/// Notices that one flow is silent while others run.
///
/// Each flow is held against its own rhythm (see `ArrivalRhythm`). While all are silent, none is at fault by itself: that
/// is the connection's silence, and when it ends, each flow is given the time that is usual for it to come back too.
/// Sparse flows, such as subtitles, are never silent.
package struct FlowSilenceWatcher: Sendable {
    /// A flow that fell silent.
    package struct Silence: Hashable, Sendable {
        package let flow: Int
        /// The last that came of it.
        package let since: Instant
        /// The silence from which on it is suspicious.
        package let threshold: Duration

        package init(flow: Int, since: Instant, threshold: Duration) {
            self.flow = flow
            self.since = since
            self.threshold = threshold
        }
    }

    /// Flows beyond these are not watched.
    package static let flowLimit = 64

    private struct Flow: Sendable {
        var rhythm: ArrivalRhythm
        var isWatched = true
        var isSilent = false
    }

    private var flows: [Flow]
    /// The last arrival of any watched flow.
    private var last: Instant?

    /// - Parameters:
    ///   - isSparse: for each flow, whether it may be silent for as long as it likes.
    ///   - bounds: what is suspicious of one that may not.
    package init(isSparse: [Bool], bounds: ArrivalRhythm.Bounds = .flow) {
        flows = isSparse.prefix(Self.flowLimit).map {
            var flow = Flow(rhythm: ArrivalRhythm(bounds: bounds))
            flow.isWatched = !$0
            return flow
        }
    }

    /// A packet of a flow came, or several at once.
    ///
    /// - Returns: whether the flow had been told of as silent.
    @discardableResult
    package mutating func arrived(_ flow: Int, at now: Instant) -> Bool {
        guard flows.indices.contains(flow), flows[flow].isWatched else { return false }
        if let last, now - last >= Self.commonPause { restart(at: now) }
        last = now
        defer { flows[flow].isSilent = false }
        flows[flow].rhythm.arrived(at: now)
        flows[flow].rhythm.waitBegan(at: now)
        return flows[flow].isSilent
    }

    /// The flow has ended, or is not wanted.
    package mutating func ended(_ flow: Int) {
        guard flows.indices.contains(flow) else { return }
        flows[flow].isWatched = false
    }

    /// Nothing is wanted for now.
    package mutating func waitEnded() {
        for index in flows.indices { flows[index].rhythm.waitEnded() }
        last = nil
    }

    /// Another origin delivers from now on.
    package mutating func originChanged() {
        last = nil
        for index in flows.indices {
            flows[index].rhythm.originChanged()
            flows[index].isSilent = false
        }
    }

    /// The flows that were found silent by now, each once until it comes back.
    package mutating func check(at now: Instant) -> [Silence] {
        guard let last else { return [] }
        var found: [Silence] = []
        for index in flows.indices where flows[index].isWatched && !flows[index].isSilent {
            let rhythm = flows[index].rhythm
            guard let since = rhythm.waitingSince, rhythm.suspicionBegins <= now, last > since,
                flows.indices.contains(where: { $0 != index && isRunning($0, at: now) })
            else { continue }
            flows[index].isSilent = true
            found.append(Silence(flow: index, since: since, threshold: rhythm.suspicionAfter))
        }
        return found
    }

    /// Whether one flow is silent for longer than is usual, while another runs.
    package func hasLaggard(at now: Instant) -> Bool {
        let lags = flows.map { flow in
            guard flow.isWatched, flow.rhythm.waitingSince != nil else { return false }
            return flow.rhythm.silence(at: now) > max(Self.commonPause, (flow.rhythm.usualPause ?? .zero) * 5 / 4)
        }
        return lags.contains(true) && zip(flows, lags).contains { $0.isWatched && !$1 }
    }

    /// When to check next; `.never` while there is nothing to check.
    package var nextCheck: Instant {
        flows.lazy.filter { $0.isWatched && !$0.isSilent }.map(\.rhythm.suspicionBegins).min() ?? .never
    }

    /// Silence of everything that lasts as long is the connection's. What comes may have been gathered for some pictures.
    private static let commonPause: Duration = .milliseconds(200)

    private mutating func restart(at now: Instant) {
        for index in flows.indices {
            flows[index].rhythm.limitSilence(to: flows[index].rhythm.usualPause ?? .zero, at: now)
        }
    }

    private func isRunning(_ index: Int, at now: Instant) -> Bool {
        let flow = flows[index]
        return flow.isWatched && flow.rhythm.waitingSince != nil && now < flow.rhythm.suspicionBegins
    }
}
