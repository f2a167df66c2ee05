internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Takes the ingest that is played to where the viewer wants to be, forwards or backwards. On the session's loop, while the
/// ingest stands still.
///
/// Backwards is a mode of its own, in which the key frames alone come, from later to earlier. On the line and in the buffer
/// their times are NPT with the sign turned round, so that they rise, and the outputs go on with one timeline as after a
/// seek. Another origin goes on below the last key frame that was received: what lies there nobody has seen, whatever that
/// origin delivers first. Nothing is compared with what was received before.
final class Navigator {
    private let stream: StreamContext
    private let intake: Intake
    private let changes: PlannedChanges

    init(_ stream: StreamContext, _ intake: Intake, _ changes: PlannedChanges) {
        (self.stream, self.intake, self.changes) = (stream, intake, changes)
    }

    /// From where another origin is asked to go on backwards: a little below what was received, since what comes first is
    /// wanted at once, and what is known already would be waited for.
    var backwardStart: NPT {
        guard let lowest = intake.line?.lowest else { return intake.start }
        return max(.zero, lowest - SpliceLine.leastStep)
    }

    /// Where the viewer is: after a seek, where it led to, though nothing of it was presented yet.
    var viewerPlace: NPT { stream.buffer.hasBegun ? stream.buffer.playhead ?? intake.start : intake.start }

    /// Nothing lies before what was received backwards.
    var isBeginningReceived: Bool { intake.line?.lowest.map { $0 <= RTSPIngest.endTolerance } ?? false }

    // MARK: - The rate

    /// The clock runs at the rate at which the origin plays, as far as that is in the direction that is played.
    func playing(at rate: Rate) {
        let rate = rate.numerator != 0 && rate.isNegative == intake.isBackward ? rate : .normal
        guard rate != stream.viewer.playedRate else { return }
        stream.viewer.plays(at: rate)
        stream.buffer.setRate(rate.magnitude)
        stream.record.send(.rateChanged(rate))
    }

    // MARK: - Going elsewhere

    func seek(_ runner: Runner, to npt: NPT) {
        let isBackward = intake.isBackward
        let (target, note) = SeekRange(duration: stream.record.duration).place(npt)
        // Asked for before the end was known, the viewer could not be told.
        if let note, !stream.record.hasShown { stream.record.warn("seek: \(note)") }
        changes.forget()
        intake.restart(at: target, isBackward: isBackward)
        stream.buffer.restart(at: isBackward ? target : nil, isBackward: isBackward, for: isBackward ? nil : target)
        do throws(MediaError) {
            try runner.still.seek(to: intake.onTimeline(of: runner, target))
            stream.record.send(.sought(to: target))
        } catch { stream.record.warn("cannot go to \(target): \(error)") }
    }

    /// Goes on from where the viewer is, at another rate, of which one is negative.
    func turn(_ runner: Runner, to rate: Rate) {
        let place = viewerPlace
        guard rate.isNegative else { return go(runner, from: place, at: rate) }
        let hasPictures = intake.selected.contains { $0.kind == .video && !$0.isAttachedPicture }
        guard runner.still.controls?.mayPlayBackwards ?? false, hasPictures else {
            let reason = hasPictures ? "its server cannot be asked to" : "it has no pictures"
            return goForwards(
                runner, because: "\(stream.record.url(runner.origin)) is not played backwards: \(reason)")
        }
        if place <= RTSPIngest.endTolerance { return standAtBeginning(runner) }
        go(runner, from: place, at: rate)
    }

    /// Goes on forwards from where the viewer is, since the ingest cannot be played backwards.
    func goForwards(_ runner: Runner, because reason: String) {
        go(
            runner, from: viewerPlace,
            at: notBackwards(at: runner.still.controls?.scaleInstead ?? .normal, because: reason))
    }

    /// - Parameter rate: what the origin gives instead; where it was played forwards before, that rate stays.
    /// - Returns: the rate from here on.
    @discardableResult
    private func notBackwards(at rate: Rate, because reason: String) -> Rate {
        let played = stream.viewer.playedRate
        stream.record.warn("\(reason); it goes on forwards")
        return stream.viewer.playsForwards(at: played.isNegative ? rate : played)
    }

    private func go(_ runner: Runner, from place: NPT, at rate: Rate) {
        var place = place
        if let duration = stream.record.duration, place >= duration {
            place = max(.zero, duration - .milliseconds(40))
        }
        beginAnew(at: place, isBackward: rate.isNegative)
        if !runner.isRealtime { playing(at: rate) }
        do throws(MediaError) {
            try runner.still.turn(to: intake.onTimeline(of: runner, place), at: rate)
        } catch { stream.record.warn("cannot go on at \(place) at rate \(rate): \(error)") }
    }

    /// Forgets what was received.
    private func beginAnew(at place: NPT, isBackward: Bool) {
        intake.restart(at: place, isBackward: isBackward)
        stream.buffer.restart(at: place, isBackward: isBackward)
    }

    /// The same origin goes on backwards, after a pause or with other terms.
    func goOnBackwards(_ runner: Runner) {
        guard intake.flush(), !isBeginningReceived else { return }
        intake.line?.dropRepeated()
        let place = backwardStart
        do throws(MediaError) {
            try runner.still.turn(to: intake.onTimeline(of: runner, place), at: intake.askedRate)
        } catch { stream.record.warn("cannot go on at \(place): \(error)") }
    }

    // MARK: - The beginning

    /// Nothing more comes backwards: what is buffered plays out, and the stream then stands at the beginning, paused.
    ///
    /// - Returns: false when the stream is over.
    func beginningCame(_ runner: Runner) -> Bool {
        guard intake.flush(), let isShown = playsOut() else { return false }
        if isShown { standAtBeginning(runner) }
        return true
    }

    /// - Returns: false when the viewer wants something before; nil when the stream is over.
    private func playsOut() -> Bool? {
        stream.buffer.complete()
        while true {
            stream.viewer.beginDraining()
            let end = stream.buffer.playedOutAt
            if let end, end <= .now { return true }
            let isAsked = stream.viewer.awaitWish(until: end)
            if stream.abort.isAborted { return nil }
            if isAsked { return false }
        }
    }

    /// Waits there for the viewer, who goes on forwards.
    private func standAtBeginning(_ runner: Runner) {
        guard let place = pauseAtBeginning() else { return }
        go(runner, from: place, at: .normal)
        runner.still.controls?.pause()
    }

    /// - Returns: where that is; nil when the viewer wants something else.
    private func pauseAtBeginning() -> NPT? {
        guard stream.viewer.standsAtBeginning() else { return nil }
        stream.buffer.pause()
        let place = isBeginningReceived ? .zero : intake.line?.lowest ?? intake.start
        stream.record.send(.paused(true, npt: place))
        return place
    }

    // MARK: - Failing backwards

    /// Whether a server may have meant that it cannot play backwards.
    static func isRefusal(_ event: ChangeEvent) -> Bool { [.rtspStatus, .rangeNotHonoured].contains(event.cause) }

    /// An ingest is to be left that was playing backwards, or was asked to.
    ///
    /// - Parameter isPlanned: it delivers still, and is played on where nobody else can be had.
    /// - Returns: false when the stream is over.
    func failedBackwards(_ event: ChangeEvent, _ runner: Runner, isPlanned: Bool) -> Bool {
        if isBeginningReceived {
            // All that lies before was received: no other origin is needed.
            guard let isShown = playsOut() else { return false }
            if isShown, isPlanned, runner.halt() {
                standAtBeginning(runner)
            } else if isShown, let place = pauseAtBeginning() {
                beginAnew(at: place, isBackward: false)
            }
        } else if Self.isRefusal(event), intake.line?.lowest == nil, !stream.viewer.playedRate.isNegative {
            let url = stream.record.url(runner.origin)
            notBackwards(at: .normal, because: "\(url) does not play backwards: \(event.detail)")
            beginAnew(at: viewerPlace, isBackward: false)
        }
        return true
    }

    // MARK: - The end

    /// All has been received, and plays out; until it has, the viewer may want to go elsewhere. At full speed it is all but
    /// presented, and only what was wanted before counts.
    ///
    /// - Returns: false when it has, or the stream is over: nothing that leads elsewhere is taken from then on.
    func viewerGoesElsewhere() -> Bool {
        stream.buffer.complete()
        while true {
            stream.viewer.beginDraining()
            let isOut = !stream.isPaced || stream.buffer.isDrained
            let controls = stream.viewer.awaitDrained(isOut)
            if stream.abort.isAborted { return false }
            for control in controls {
                switch control {
                case .seek, .turn: return true
                // No origin needs to know.
                case .setRate(let rate): playing(at: rate)
                case .pause, .resume, .limitBandwidth, .migrate: break
                }
            }
            if isOut { return false }
        }
    }
}
