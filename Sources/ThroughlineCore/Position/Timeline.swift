/// How the times of an ingest's packets lead to normal play time (NPT), and what that rests on.
///
///     NPT = time of a packet + shift
///     what the container's own clock shows = time of a packet + anchor
package struct Timeline: Hashable, Sendable {
    /// Where its zero is.
    package enum Basis: Hashable, Sendable {
        /// At the start of the presentation, by the container itself: all origins of the programme agree.
        case fromStart
        /// Where the server says that it is, more or less exactly (RTSP's `Range` and `RTP-Info`).
        case declared
        /// Somewhere on a clock that only this origin has: what is live has no start.
        case live
    }

    package var basis: Basis
    /// What the clock of the container shows at zero; nil where there is no such clock.
    package var anchor: MediaTime?
    /// What is added to its times to make them NPT as it is played, where media that was compared shows that, or the basis
    /// lets it be taken to be nothing; nil where nothing is known.
    package var shift: MediaTime?
    /// The times of each flow stand for themselves: how far one is off says nothing of the others.
    package var flowsCountApart: Bool

    package init(_ basis: Basis, anchor: MediaTime? = nil, flowsCountApart: Bool = false) {
        self.basis = basis
        self.anchor = anchor
        self.flowsCountApart = flowsCountApart
        shift = basis == .live ? nil : .zero
    }

    /// Whether its times can be compared with those of another as they are.
    package var agrees: Bool { basis == .fromStart }
}
