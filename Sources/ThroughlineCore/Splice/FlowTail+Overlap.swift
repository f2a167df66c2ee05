extension FlowTail {
    /// Where another origin is to begin at the latest, so that what it sends of this flow can be joined to the tail.
    ///
    /// An origin that delivers in real time is asked for as little as possible of what was received: each moment of it is
    /// one in which nothing new comes. What is needed:
    /// - Of sound, the last two packets, and with them the one in the middle of which the origin begins: three in a row
    ///   prove themselves.
    /// - Of pictures, one that is known and behind the start, so that its time is true. No picture that was not received
    ///   may stand before the start: servers send those too, but under a time that is not theirs.
    ///
    ///     received  0  4  2  1  3  8     decoded at  -2 -1  0  1  2  3     frames
    ///     missing   5, 6, 7, 9 ...       start       4.5
    ///
    /// Nil when there is nothing to join to, or silence of the flow says nothing.
    package var overlapStart: MediaTime? {
        guard !isSparse, let last = packets.last, let end else { return nil }
        guard isEssential else {
            let length = packets.suffix(2).reduce(MediaTime.zero) { $0 + $1.duration }
            return end - length - Self.rounding
        }
        let shown = packets.compactMap(\.pts).sorted()
        guard let furthest = shown.last else { return end - last.duration - Self.rounding }
        let spacing = zip(shown.dropFirst(), shown).lazy.map { $0 - $1 }.filter { $0 > Self.rounding }.min()
        // The durations of single packets may be guesses; a tail of few pictures may have holes only.
        let frame = min(spacing ?? .seconds(1), packets.suffix(8).map(\.duration).max() ?? .seconds(1))
        return min(furthest, whole(shown, frame)) - MediaTime(flicks: frame.flicks / 2) - Self.rounding
    }

    /// Up to where every picture is here: those that are missing are shown then or later.
    ///
    /// Decode times increase and none lies behind its picture, so all up to the last decode time are here. From there on,
    /// those are that follow one another as closely as pictures do.
    private func whole(_ shown: [MediaTime], _ frame: MediaTime) -> MediaTime {
        var reached = packets.last?.dts ?? shown.first ?? .zero
        let reach = frame + MediaTime(flicks: frame.flicks / 4)
        for time in shown where time > reached {
            guard time - reached <= reach else { break }
            reached = time
        }
        return reached + frame
    }

    /// What texts and clocks round away.
    static let rounding: MediaTime = .milliseconds(1)
}

extension Sequence<FlowTail> {
    /// Where another origin is to begin at the latest, so that all of these can be joined.
    package var overlapStart: MediaTime? { compactMap(\.overlapStart).min() }
}
