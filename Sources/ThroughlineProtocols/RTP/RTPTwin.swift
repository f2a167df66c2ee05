package import ThroughlineCore

/// Fills the losses of one flow from another session that plays the same, its twin.
///
/// Two servers that packetize the same encode alike send the same payloads, but each has its own SSRC, and begins to count
/// sequence numbers and timestamps where it likes. Here the constants by which they differ are found, from payloads that
/// both have sent, and put to the proof with every packet after that; then a packet that the played session lacks is taken
/// from the twin, with the numbers that it would have had. (SMPTE ST 2022-7 does so where both are one sender's and the
/// numbers are equal.)
///
/// Nothing is invented: a packet is taken only where packets before and behind it were seen to be the same on both sides,
/// and the first contradiction ends the agreement; then it is looked for again. Servers that packetize differently never
/// agree, and nothing is filled.
///
/// Memory is bounded by time and bytes. Not thread-safe; the time is passed in.
package struct RTPTwin: Sendable {
    package struct Policy: Hashable, Sendable {
        /// How long a gap may stay open for the twin's sake.
        package var hold: Duration
        /// How long the packets of the twin are kept, and so how far ahead it may be: 10 ms to 10 s.
        package var memory: Duration
        /// Bytes of its packets that are kept, for each flow: at least 65 536.
        package var byteLimit: Int
        /// Distinct payloads that must agree on the constants: 2 to 64.
        package var proofs: Int
        /// How much later than expected a packet of the twin may come.
        package var settling: Duration

        package init(
            hold: Duration = .milliseconds(500), memory: Duration = .seconds(2), byteLimit: Int = 4 << 20,
            proofs: Int = 8, settling: Duration = .milliseconds(40)
        ) {
            self.hold = max(.zero, hold)
            self.memory = max(.milliseconds(10), min(.seconds(10), memory))
            self.byteLimit = max(1 << 16, byteLimit)
            self.proofs = max(2, min(64, proofs))
            self.settling = max(.zero, settling)
        }

        /// What suits a playout buffer of this length: a gap is held open for half of it, and for half a second at most.
        package static func suiting(buffer: Duration) -> Policy {
            Policy(hold: min(.milliseconds(500), buffer / 2))
        }
    }

    package enum Finding: Hashable, Sendable {
        /// The twin sends the same packets, this much later; earlier, where it is negative.
        case agrees(lag: Duration)
        /// It does not any more, or begins to count anew.
        case contradicted
        /// Both have sent much, and no packets that are the same.
        case unlike
    }

    /// What comes of a packet that is missing.
    package enum Answer: Hashable, Sendable {
        /// It was handed out.
        case filled
        /// It may still come: to be asked again when something has come, or at this time.
        case awaited(until: Instant)
        /// It is not to be had.
        case absent
    }

    private let policy: Policy
    private var played = RTPMarkTable()
    private var store: RTPPacketStore
    private var offsets: RTPTwinSearch.Offsets?
    /// Nil while the constants are known.
    private var search: RTPTwinSearch?
    private var playedSSRC: UInt32?
    private var twinSSRC: UInt32?
    /// By payload type of the twin, that of the played session.
    private var payloadTypes: [UInt8: UInt8] = [:]
    /// The latest moment that was told.
    private var latest = Instant(nanoseconds: 0)
    /// How far from a missing packet its neighbours are looked for.
    private static let reach = 1024

    /// How much later a packet comes from the twin, at the most lately.
    private var longestLag: Duration = .zero

    private var findings: [Finding] = []
    private var hasAgreed = false
    private var hasTold = false
    /// What came of each while nothing was found, and since when.
    private var unmatched: (played: Int, twin: Int, since: Instant?) = (0, 0, nil)
    private static let muchCount = 400
    private static let muchTime: Duration = .seconds(3)
    private static let findingLimit = 16

    package init(policy: Policy = Policy()) {
        self.policy = policy
        store = RTPPacketStore(memory: policy.memory, byteLimit: policy.byteLimit)
        search = RTPTwinSearch(proofs: policy.proofs, memory: policy.memory)
    }

    /// How long a gap may stay open for the twin's sake.
    package var hold: Duration { policy.hold }

    /// Whether the twin is known to send the same packets.
    package var agrees: Bool { offsets != nil }

    /// How much later than from the played session a packet comes from the twin; negative where it comes earlier, nil
    /// while they do not agree.
    package var lag: Duration? { offsets == nil ? nil : longestLag }

    /// Bytes that are kept of packets of the twin, with the room for more.
    package var capacity: Int { store.capacity }

    /// What was noticed since the last time, at most 16 findings.
    package mutating func takeFindings() -> [Finding] {
        defer { findings.removeAll() }
        return findings
    }

    // MARK: What comes

    /// A packet of the played session has come, in whatever order.
    package mutating func playedReceived(_ packet: UnsafeRawBufferPointer, at arrival: Instant) {
        guard let header = RTPHeader(packet) else { return }
        if let playedSSRC, playedSSRC != header.ssrc { restart() }
        playedSSRC = header.ssrc
        latest = max(latest, arrival)
        let mark = RTPMark(header, of: packet, at: arrival)
        played[mark.sequence] = mark
        if let offsets {
            if let other = store.mark(of: mark.sequence &+ offsets.sequence, at: latest) {
                check(mark, other, offsets)
            }
        } else {
            look(at: mark, of: .played)
        }
    }

    /// A packet of the twin has come, in whatever order.
    ///
    /// - Parameter arrival: on the clock of the played session's packets; it may lie in the past.
    package mutating func twinReceived(_ packet: UnsafeRawBufferPointer, at arrival: Instant) {
        guard let header = RTPHeader(packet) else { return }
        if let twinSSRC, twinSSRC != header.ssrc { restart() }
        twinSSRC = header.ssrc
        latest = max(latest, arrival)
        let mark = RTPMark(header, of: packet, at: arrival)
        store.keep(packet, mark)
        if let offsets {
            if let other = playedMark(mark.sequence &- offsets.sequence) { check(other, mark, offsets) }
        } else {
            look(at: mark, of: .twin)
        }
    }

    /// One of them begins anew: what was known of their numbers says nothing any more.
    package mutating func restart() {
        played.removeAll()
        store.removeAll()
        offsets = nil
        search = RTPTwinSearch(proofs: policy.proofs, memory: policy.memory)
        payloadTypes = [:]
        longestLag = .zero
        unmatched = (0, 0, nil)
    }

    private func playedMark(_ sequence: UInt16) -> RTPMark? {
        guard let mark = played[sequence], latest - mark.arrival <= policy.memory else { return nil }
        return mark
    }

    // MARK: Search and proof

    private mutating func look(at mark: RTPMark, of side: RTPTwinSearch.Side) {
        if let found = search?.saw(mark, of: side) { adopt(found) }
        guard offsets == nil, !hasTold else { return }
        if side == .played { unmatched.played += 1 } else { unmatched.twin += 1 }
        let since = unmatched.since ?? mark.arrival
        unmatched.since = since
        guard !hasAgreed, min(unmatched.played, unmatched.twin) >= Self.muchCount, latest - since >= Self.muchTime
        else {
            return
        }
        hasTold = true
        note(.unlike)
    }

    /// Takes the constants on, unless anything that both have sent so far speaks against them.
    private mutating func adopt(_ found: RTPTwinSearch.Offsets) {
        longestLag = .seconds(-60)
        var pairs: [RTPMark] = []
        for mark in played.all where latest - mark.arrival <= policy.memory {
            guard let other = store.mark(of: mark.sequence &+ found.sequence, at: latest) else { continue }
            guard agree(mark, other, found) else { return }
            pairs.append(mark)
            learn(mark, other)
        }
        guard pairs.count >= policy.proofs else { return }
        for var mark in pairs {
            mark.isProven = true
            played[mark.sequence] = mark
        }
        offsets = found
        search = nil
        hasAgreed = true
        note(.agrees(lag: longestLag))
    }

    private func agree(_ played: RTPMark, _ twin: RTPMark, _ offsets: RTPTwinSearch.Offsets) -> Bool {
        played.identity == twin.identity && offsets.agrees(with: .init(played: played, twin: twin))
    }

    /// Both have come of a pair that should be the same.
    private mutating func check(_ mark: RTPMark, _ other: RTPMark, _ offsets: RTPTwinSearch.Offsets) {
        guard agree(mark, other, offsets) else {
            restart()
            return note(.contradicted)
        }
        played[mark.sequence]?.isProven = true
        learn(mark, other)
    }

    private mutating func learn(_ mark: RTPMark, _ other: RTPMark) {
        payloadTypes[other.payloadType] = mark.payloadType
        let lag = other.arrival - mark.arrival
        // What is waited for is the slower ones.
        longestLag = max(lag, longestLag - (longestLag - lag) / 16)
    }

    private mutating func note(_ finding: Finding) {
        if findings.count < Self.findingLimit { findings.append(finding) }
    }

    // MARK: Filling

    /// The played session lacks a packet, and one behind it has come.
    ///
    /// - Parameters:
    ///   - limit: the moment until which it can be waited for; nil when it cannot.
    ///   - deliver: is given the packet as the played session would have sent it: with its SSRC, sequence number, timestamp
    ///     and payload type. The bytes are valid during the call only.
    package mutating func fill(
        _ sequence: UInt16, at now: Instant, until limit: Instant?, deliver: (UnsafeRawBufferPointer) -> Void
    ) -> Answer {
        guard let offsets, let ssrc = playedSSRC else { return .absent }
        guard let mark = store.mark(of: sequence &+ offsets.sequence, at: latest) else {
            guard let limit, let due = due(behind: sequence, offsets), due <= limit else { return .absent }
            // It may be a little late, too.
            let patience = min(due + policy.settling, limit)
            return patience > now ? .awaited(until: patience) : .absent
        }
        // The same before and behind: then it is the same in between.
        guard let type = payloadTypes[mark.payloadType], let before = neighbour(of: sequence, isBehind: false) else {
            return .absent
        }
        guard let behind = neighbour(of: sequence, isBehind: true) else {
            guard let limit, limit > now else { return .absent }
            return .awaited(until: limit)
        }
        let timestamp = timestamp(of: mark, between: before, behind, offsets)
        store.withBytes(of: mark.sequence, at: latest) { scratch.replaceAll(with: $0) }
        let isWritten = scratch.withUnsafeMutableBytes { bytes in
            RTPHeader.rewrite(bytes, payloadType: type, sequence: sequence, timestamp: timestamp, ssrc: ssrc)
        }
        guard isWritten else { return .absent }
        scratch.withUnsafeBytes(deliver)
        return .filled
    }

    private var scratch: [UInt8] = []

    /// When the twin should have brought what is missing: the first packet behind it that came from the played session
    /// comes after it.
    private func due(behind sequence: UInt16, _ offsets: RTPTwinSearch.Offsets) -> Instant? {
        for step in 1...Self.reach {
            guard let mark = playedMark(sequence &+ UInt16(step)) else { continue }
            let other = mark.isProven ? store.mark(of: mark.sequence &+ offsets.sequence, at: latest) : nil
            return other?.arrival ?? mark.arrival + longestLag
        }
        return nil
    }

    /// The nearest packet that both have sent.
    private func neighbour(of sequence: UInt16, isBehind: Bool) -> RTPMark? {
        for step in 1...Self.reach {
            let place = isBehind ? sequence &+ UInt16(step) : sequence &- UInt16(step)
            if let mark = playedMark(place), mark.isProven { return mark }
        }
        return nil
    }

    /// Where both round for themselves, the packets of one picture must still have one timestamp.
    private func timestamp(
        of mark: RTPMark, between before: RTPMark, _ behind: RTPMark, _ offsets: RTPTwinSearch.Offsets
    ) -> UInt32 {
        for neighbour in [before, behind] {
            let other = store.mark(of: neighbour.sequence &+ offsets.sequence, at: latest)
            if other?.timestamp == mark.timestamp { return neighbour.timestamp }
        }
        return mark.timestamp &- offsets.timestamp
    }
}

extension [UInt8] {
    fileprivate mutating func replaceAll(with bytes: UnsafeRawBufferPointer) {
        removeAll(keepingCapacity: true)
        append(contentsOf: bytes)
    }
}
