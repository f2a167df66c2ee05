internal import ThroughlineCore

/// Keeping the buffer full: an origin that delivers in real time never makes up for what a handoff took, unless it is asked
/// to deliver faster for a while.
extension Session {
    /// How often the level is looked at.
    static let lookInterval: Duration = .milliseconds(30)
    /// An origin that begins so much before what it was asked for begins at key frames.
    static let exactness: MediaTime = .milliseconds(150)

    /// Another origin goes on: what it took to join it tells what it will take again.
    ///
    /// - Parameter isAtOnce: nothing was received while it was opened.
    func noteJoin(
        _ ingest: any Ingest, _ grade: SpliceGrade, opening: Duration, joining: Duration, atOnce isAtOnce: Bool = true
    ) {
        isJoinedExactly = grade == .packetExact
        let joining = isAtOnce ? untilNew(ingest, position, joining: joining) : joining
        // Joining anew takes two rounds with the server, PAUSE and PLAY; a session that stands ready is asked once, and
        // another one at least four times, from the connection on.
        var cost: Duration? = joining + (ingest.standby == .warm ? opening * 2 : opening / 2)
        // What was in memory already tells nothing of what comes over the network.
        if ingest.standby == .hot { cost = nil }
        // How far the next key frame is, the last one does not tell.
        if let wanted = ingest.askedFrom, (ingest.playedFrom ?? .zero) < wanted - Self.exactness { cost = nil }
        refill.joined(ingest.origin, cost: cost)
    }

    /// How long it takes until something new comes: what was received up to a position, and is recognised before all of it
    /// has come again, is delivered first.
    private func untilNew(_ ingest: any Ingest, _ position: NPT?, joining: Duration) -> Duration {
        guard let position, let from = ingest.askedFrom else { return joining }
        return max(joining, (position - from).duration)
    }

    /// Looks at the level.
    ///
    /// - Returns: what is to be done about it, for which the ingest must stand still.
    func keepFull(_ runner: Runner) -> BufferRefill.Order? {
        lastLook = lastFlush
        // Key frames alone take no faster delivery to be there in time, and nothing of them is compared.
        guard !isBackward, isJoinedExactly, !hasPending, !isPlanned, staysUntil == .never, playedRate == .normal,
            runner.mayHurry,
            let level, let position, let duration = runner.duration,
            // Where the times are made up nothing would show that they stay right.
            standings.values.allSatisfy({ $0.position.basis != .ledger })
        else { return nil }
        let end = configuration.to.map { min($0, duration) } ?? duration
        let facts = BufferRefill.Facts(
            origin: runner.origin, level: level, left: max(.zero, end - position).duration)
        return refill.measured(facts, at: .now)
    }

    /// Asks the origin for what is to be done about the level.
    ///
    /// - Returns: an order to follow, where it could not be joined again.
    func carryOut(_ order: BufferRefill.Order, _ runner: Runner) -> HandoffController.Order? {
        let ingest = runner.still
        let (began, before) = (Instant.now, buffer.level.duration)
        do throws(SpliceSearch.Failure) {
            switch order {
            case .hurry(let speed):
                refillBegan = (began, before)
                let position = position
                ingest.deliver(at: speed)
                try joinAgain(runner, provesPace: true)
                let now = Instant.now
                let next = refill.hurried(
                    at: ingest.speed, taking: untilNew(ingest, position, joining: now - began),
                    level: buffer.level.duration.duration, now: now)
                if let next { return carryOut(next, runner) }
            case .slowDown:
                ingest.deliver(at: .normal)
                // The same server has the same packets: what is not recognised is from another place.
                guard try joinAgain(runner) == .packetExact else {
                    ingest.distrustsAnswers()
                    refill.refused()
                    return nil
                }
                refill.slowed()
                send(
                    .refilled(
                        origin: ingest.origin, url: url(ingest.origin), duration: began - refillBegan.at,
                        bufferBefore: refillBegan.level, bufferAfter: buffer.level.duration))
            }
            return nil
        } catch {
            refill.refused()
            ingest.deliver(at: .normal)
            switch error {
            // It plays on, and as fast as it likes: what comes of it has other times, and is not believed.
            case .otherPace: return rejoin(runner)
            // It answered, and plays something else. In a session of its own a request means what it says.
            case .unproven:
                ingest.distrustsAnswers()
                return rejoin(runner)
            case .aborted, .attempt: return rejoinFailed(error)
            }
        }
    }
}
