internal import ThroughlineCore
internal import ThroughlineMedia

/// Keeping the buffer full: an origin that delivers in real time never makes up for what a handoff took, unless it is asked
/// to deliver faster for a while. On the session's loop.
final class Refilling {
    /// What has come of asking.
    enum Outcome {
        case done
        /// The ingest could not be joined again.
        case failed(SpliceSearch.Failure)
        /// The origin answered, and something else came: its ingest is to be joined again as it plays by itself.
        case rejoin
    }

    private let stream: StreamContext
    private let intake: Intake
    private var refill: BufferRefill
    /// What is to be asked of the origin, once its ingest stands still.
    private(set) var order: BufferRefill.Order?
    /// Since when the buffer is being refilled, and what it held.
    private var began: (at: Instant, level: MediaTime) = (.now, .zero)
    /// When the level was looked at last.
    private var lastLook = Instant.now
    /// The origin that delivers was joined packet by packet, and can be again.
    private var isJoinedExactly = true

    /// How often the level is looked at.
    private static let lookInterval: Duration = .milliseconds(30)
    /// An origin that begins so much before what it was asked for begins at key frames.
    private static let exactness: MediaTime = .milliseconds(150)

    init(_ stream: StreamContext, _ intake: Intake) {
        (self.stream, self.intake) = (stream, intake)
        refill = BufferRefill(buffer: stream.configuration.buffer)
    }

    /// Another origin goes on: what it took to join it tells what it will take again.
    ///
    /// - Parameter isAtOnce: nothing was received while it was opened.
    func joined(
        _ ingest: any Ingest, _ grade: SpliceGrade, opening: Duration, joining: Duration, atOnce isAtOnce: Bool
    ) {
        isJoinedExactly = grade == .packetExact
        let joining = isAtOnce ? untilNew(ingest, intake.position, joining: joining) : joining
        // Joining anew takes two rounds with the server, PAUSE and PLAY; a session that stands ready is asked once, and
        // another one at least four times, from the connection on.
        var cost: Duration? = joining + (ingest.traits.standby == .warm ? opening * 2 : opening / 2)
        // What was in memory already tells nothing of what comes over the network.
        if ingest.traits.standby == .hot { cost = nil }
        // How far the next key frame is, the last one does not tell.
        if let controls = ingest.controls, let wanted = controls.askedFrom,
            (controls.playedFrom ?? .zero) < wanted - Self.exactness
        {
            cost = nil
        }
        refill.joined(ingest.origin, cost: cost)
    }

    /// How long it takes until something new comes: what was received up to a position, and is recognised before all of it
    /// has come again, is delivered first.
    private func untilNew(_ ingest: any Ingest, _ position: NPT?, joining: Duration) -> Duration {
        guard let position, let from = ingest.controls?.askedFrom else { return joining }
        return max(joining, (position - from).duration)
    }

    /// The viewer has asked for something else.
    func interrupted() {
        refill.interrupted()
        order = nil
    }

    /// Another ingest is read.
    func begins() { order = nil }

    /// Looks at the level, now and then.
    ///
    /// - Parameter isSteady: no handoff is under way, planned, or not yet reported.
    func look(at runner: Runner, isSteady: @autoclosure () -> Bool) {
        guard intake.lastFlush - lastLook > Self.lookInterval, order == nil else { return }
        lastLook = intake.lastFlush
        // Key frames alone take no faster delivery to be there in time, and nothing of them is compared.
        guard !intake.isBackward, isJoinedExactly, stream.viewer.playedRate == .normal, runner.mayHurry, isSteady(),
            let level = stream.level, let position = intake.position, let duration = runner.duration,
            // Where the times are made up nothing would show that they stay right.
            intake.standings.values.allSatisfy({ $0.position.basis != .ledger })
        else { return }
        let end = stream.configuration.to.map { min($0, duration) } ?? duration
        let facts = BufferRefill.Facts(
            origin: runner.origin, level: level, left: max(.zero, end - position).duration)
        order = refill.measured(facts, at: .now)
    }

    /// Asks the origin for what is to be done about the level, while its ingest stands still.
    ///
    /// - Parameter joinAgain: joins the ingest anew, and proves its pace where it is told to.
    func carryOut(
        _ runner: Runner, joinAgain: (_ provesPace: Bool) throws(SpliceSearch.Failure) -> SpliceGrade?
    ) -> Outcome {
        let ingest = runner.still
        while let next = order.take() {
            let (now, before) = (Instant.now, stream.buffer.level.duration)
            do throws(SpliceSearch.Failure) {
                switch next {
                case .hurry(let speed):
                    began = (now, before)
                    let position = intake.position
                    ingest.controls?.deliver(at: speed)
                    _ = try joinAgain(true)
                    order = refill.hurried(
                        at: ingest.controls?.speed ?? .normal, taking: untilNew(ingest, position, joining: .now - now),
                        level: stream.buffer.level.duration.duration, now: .now)
                case .slowDown:
                    ingest.controls?.deliver(at: .normal)
                    // The same server has the same packets: what is not recognised is from another place.
                    guard try joinAgain(false) == .packetExact else {
                        ingest.controls?.distrustsAnswers()
                        refill.refused()
                        return .done
                    }
                    refill.slowed()
                    stream.record.send(
                        .refilled(
                            origin: ingest.origin, url: stream.record.url(ingest.origin), duration: now - began.at,
                            bufferBefore: began.level, bufferAfter: stream.buffer.level.duration))
                }
            } catch {
                refill.refused()
                ingest.controls?.deliver(at: .normal)
                switch error {
                // The origin plays on as fast as it likes: its packets have other times, which are not believed.
                case .otherPace: return .rejoin
                // The origin answered, and plays something else. In a new session a request means what it says.
                case .unproven:
                    ingest.controls?.distrustsAnswers()
                    return .rejoin
                case .aborted, .attempt: return .failed(error)
                }
            }
        }
        return .done
    }
}
