internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Changes that were announced, by the stream, by its control protocol or by the operator: what is made of them, and how
/// they are made exactly where they are to be made.
///
/// The ingest that is to be left is read up to the place (`PlannedCut`); what it gave beyond is held back, the next one is
/// joined, and the first packets behind the place are the new origin's. Where nobody can be joined, what was held back is
/// played, and nothing is missing.
extension Session {
    // MARK: What is announced

    /// What was found and announced since the last time.
    func noteNews(_ notices: [ChangeWatch.Notice], _ findings: [ChangeWatch.Finding], of runner: Runner) {
        for notice in notices {
            let place = notice.time + (clock?.shift ?? .zero)
            plan(
                .leave(notice.event, target: notice.event.target.flatMap { originID(of: $0) }, isTargetOnly: false),
                at: .npt(place), announcer: runner.origin)
        }
        for finding in findings { found(finding, by: runner) }
        replan()
    }

    private func found(_ finding: ChangeWatch.Finding, by runner: Runner) {
        let indicator = finding.indicator
        var position = indicator.position
        // At once means with what carried it; where only the bytes know that, with what comes next.
        if position == .atOnce, let time = finding.time { position = .npt(time + (clock?.shift ?? .zero)) }
        let place = position == .atOnce ? nil : npt(of: position)
        guard changePlan.isNews(indicator, at: place ?? self.position) else { return }
        let current = shared.withLock { $0.controller.current }
        let decision = configuration.indicators.decision(on: indicator) { originID(of: $0) }
        let behind = place.map { $0 < (clock?.npt ?? $0) } ?? false
        var response = IndicatedChange.Response(decision)
        var warning: String?
        switch decision {
        case .ignore: return
        case .stay: break
        case .withdraw: changePlan.withdraw(indicator.kind, event: indicator.event)
        case .end:
            plan(.end, at: position, announcer: runner.origin, of: indicator)
        case .refuse(let target):
            warning =
                "\(url(runner.origin)): an indicator (\(indicator.kind.rawValue)) names \(redacted(target)), "
                + "which is none of the origins: refused"
        case .leave(let destination, _):
            // A change of content that has been passed is no news; a move that is asked for late is made at once.
            if indicator.action == .change, behind {
                response = .stay
                break
            }
            if case .clock = position, runner.timeline.anchor == nil {
                response = .refused
                warning =
                    "\(url(runner.origin)): an indicator (\(indicator.kind.rawValue)) names a place on a clock that "
                    + "this stream has not: refused"
                break
            }
            let target = self.target(of: destination)
            if case .other = destination, target == nil {
                response = .refused
                warning =
                    "\(url(runner.origin)): an indicator names one more origin, and no more are taken: refused"
                break
            }
            if let target, target == current {
                response = .stay
                break
            }
            let event = ChangeEvent(
                cause: .indicated,
                detail: "\(url(runner.origin)): \(indicator.kind.rawValue): \(indicator.detail)"
                    + (indicator.target.map { ", to \(redacted($0))" } ?? ""), target: indicator.target,
                position: place,
                carrier: indicator.kind)
            plan(
                .leave(event, target: target, isTargetOnly: false), at: position, announcer: runner.origin,
                of: indicator)
        }
        send(
            .indicated(
                IndicatedChange(
                    kind: indicator.kind, action: indicator.action, event: indicator.event,
                    target: indicator.target.map { redacted($0) }, position: place, detail: indicator.detail,
                    response: response), origin: runner.origin, url: url(runner.origin)))
        if let warning { warn(warning) }
    }

    private func target(of destination: IndicatorPolicy.Destination) -> OriginID? {
        switch destination {
        case .anyOrigin: nil
        case .origin(let origin): origin
        case .other(let url): addOrigin(url)
        }
    }

    // MARK: The plan

    func plan(
        _ act: ChangePlan.Act, at position: Indicator.Position, announcer: OriginID?, of indicator: Indicator? = nil
    ) {
        changePlan.add(
            ChangePlan.Change(
                act, at: position, announcer: announcer, kind: indicator?.kind, event: indicator?.event))
    }

    /// Where a place is; nil where no packet has told it yet.
    func npt(of position: Indicator.Position) -> NPT? {
        switch position {
        case .atOnce: NPT(flicks: .min / 2)
        case .npt(let npt): npt
        case .clock: position.npt(on: clock?.clock)
        }
    }

    /// Looks anew which change is the next.
    func replan() { nextChange = changePlan.next { npt(of: $0) } }

    /// The ingest is read from now on.
    func beginPlan(of runner: Runner) -> Bool {
        changePlan.reads(runner.origin)
        clock = nil
        replan()
        return releaseHeld(of: runner)
    }

    /// What was held back goes on after all: nobody else has joined.
    ///
    /// - Returns: false when the stream is over.
    private func releaseHeld(of runner: Runner) -> Bool {
        guard let cut else { return true }
        self.cut = nil
        guard cut.runner === runner else { return true }
        var released = UniqueDeque<Packet>()
        cut.cut.releaseAll(into: &released)
        return accept(&released, of: runner)
    }

    /// Notes what the clock of the container shows at a packet.
    private func noteClock(_ packet: borrowing Packet, of runner: Runner) {
        // By one flow: others may be rounded otherwise.
        guard let line, let time = packet.pts,
            packet.flow == runner.flows.first(where: { !$0.isSparse && line.output(of: $0.index) != nil })?.index,
            let npt = line.place(of: packet)?.pts
        else { return }
        let shift = npt - time
        let moved = clock.map { $0.shift != shift } ?? true
        clock = PlayedClock(
            npt: npt, shift: shift,
            clock: runner.timeline.anchor.map {
                StreamClock(
                    ticks: UInt64(bitPattern: (time + $0).value(in: TimeBase(1, 90_000))) % StreamClock.turn, at: npt)
            })
        if moved { replan() }
    }

    // MARK: Making it

    /// Whether packets have to be looked at one by one.
    var isPlanned: Bool { nextChange != nil || !changePlan.isEmpty }

    /// A packet of the ingest, while something is planned or was just announced.
    ///
    /// - Returns: an order to follow, or nil to read on; `over` when the stream is at its end.
    func plannedly(_ packet: consuming Packet, of runner: Runner) -> PlannedStep {
        guard let line else { return .over }
        noteClock(packet, of: runner)
        if let news = business.news.take() { noteNews(news.notices, news.findings, of: runner) }
        guard let next = nextChange else { return accept(packet, of: runner) ? .goesOn : .over }
        if isBackward { return plannedBackwards(packet, of: runner, next.change, at: next.npt) }
        if next.change.position == .atOnce { return accept(packet, of: runner) ? reached(runner) : .over }
        var released = UniqueDeque<Packet>()
        if cut?.runner !== runner || cut?.cut.npt != next.npt {
            let former = cut
            cut = (PlannedCut(at: next.npt), runner)
            if let former, former.runner === runner { former.cut.releaseAll(into: &released) }
        }
        released.append(packet)
        guard hold(&released, of: runner, line) else { return .over }
        guard isCutReached(runner) else { return .goesOn }
        return reached(runner)
    }

    /// Backwards a place is reached by the first key frame at or below it; that is held back.
    private func plannedBackwards(
        _ packet: consuming Packet, of runner: Runner, _ change: ChangePlan.Change, at npt: NPT
    ) -> PlannedStep {
        if change.position == .atOnce { return accept(packet, of: runner) ? reached(runner) : .over }
        guard let due = packet.due, due <= npt else { return accept(packet, of: runner) ? .goesOn : .over }
        let cut = PlannedCut(at: due)
        var released = UniqueDeque<Packet>()
        cut.take(packet, at: (due, due), isSparse: false, into: &released)
        self.cut = (cut, runner)
        return reached(runner)
    }

    /// Lets through what stands before the place of the cut.
    private func hold(_ packets: inout UniqueDeque<Packet>, of runner: Runner, _ line: SpliceLine) -> Bool {
        guard let cut else { return accept(&packets, of: runner) }
        while !packets.isEmpty {
            let packet = packets.removeFirst()
            let place = line.place(of: packet)
            let isSparse = runner.flows[packet.flow].isSparse
            var released = UniqueDeque<Packet>()
            cut.cut.take(packet, at: place, isSparse: isSparse, into: &released)
            guard accept(&released, of: runner) else { return false }
        }
        return true
    }

    private func isCutReached(_ runner: Runner) -> Bool {
        guard let cut, let line else { return false }
        return cut.cut.isReached(
            by: runner.flows.lazy.filter { !$0.isSparse && line.output(of: $0.index) != nil }
                .map(\.index).filter { self.isPlayed($0) })
    }

    /// All that stands before the place is on its way.
    private func reached(_ runner: Runner) -> PlannedStep {
        guard let change = nextChange?.change else { return .goesOn }
        changePlan.remove(change)
        replan()
        // Where nothing more is read, no room need be made for it.
        guard flush(awaitsRoom: change.position != .atOnce) else { return .over }
        noteAccounts(of: runner)
        switch change.act {
        case .end: return .over
        case .leave(let event, let target, let isTargetOnly):
            let current = shared.withLock { $0.controller.current }
            if let target, target == current {
                return releaseHeld(of: runner) ? .goesOn : .over
            }
            if isBackward, !failedBackwards(event, runner, isPlanned: runner.deliversStill) { return .over }
            leaving = runner
            return .order(
                observe(
                    event, canResume: false, isPlanned: runner.deliversStill, target: target,
                    isTargetOnly: isTargetOnly))
        }
    }

    /// What is to be done at once, before anything else is read.
    func plannedNow(_ runner: Runner) -> PlannedStep {
        guard let next = nextChange, next.change.position == .atOnce,
            // While the bytes of an ingest go on elsewhere, its origin is being left already.
            shared.withLock({ $0.controller.move == nil })
        else { return .goesOn }
        return reached(runner)
    }

    /// The packets of an ingest have ended, and not because it failed: a place that some flow had reached is reached.
    func plannedEnd(_ runner: Runner) -> PlannedStep {
        guard let cut, cut.runner === runner else { return .goesOn }
        if cut.cut.isTouched { return reached(runner) }
        return releaseHeld(of: runner) ? .goesOn : .over
    }

    /// An origin that delivers may pause so long.
    private static let shortSilence: Duration = .milliseconds(200)

    /// Reads the ingest that is to be left up to another place, while the next one waits: where only a key frame behind the
    /// place can be joined.
    func readOn(to npt: NPT) {
        guard let cut, let line else { return }
        self.cut = (PlannedCut(at: npt), cut.runner)
        var packets = UniqueDeque<Packet>()
        cut.cut.releaseAll(into: &packets)
        guard hold(&packets, of: cut.runner, line) else { return }
        readOn(cut.runner) { !isCutReached(cut.runner) }
    }

    /// Reads an ingest on that is to be left, while the next one waits or is made ready.
    ///
    /// - Parameter least: once the buffer holds no more than this, and nothing comes, the origin counts as silent.
    func readOn(_ runner: Runner, least: Duration = .zero, while isWanted: () -> Bool) {
        guard let line else { return }
        // It is watched as it was, so that nobody waits for one that has fallen silent.
        (isReadingOn, played) = (true, runner)
        shared.withLock { $0.interrupt = runner.waker }
        defer {
            shared.withLock { $0.interrupt = nil }
            letGo()
            runner.halt()
            (isReadingOn, played) = (false, nil)
        }
        if runner.isWaiting { mediaIsAwaited() }
        var packets = UniqueDeque<Packet>()
        while !abort.isAborted, failedMeanwhile == nil, hold(&packets, of: runner, line), isWanted() {
            if runner.isStill, !runner.hasItems { runner.goOn() }
            guard let more = readOn(runner, least: least) else { break }
            packets = more
        }
        _ = flush(awaitsRoom: false)
    }

    /// - Returns: packets that came, perhaps none; nil where no more do.
    private func readOn(_ runner: Runner, least: Duration) -> UniqueDeque<Packet>? {
        if !runner.hasItems { aboutToWait() }
        let isPaused = shared.withLock { $0.isPaused }
        let level = isPaused ? nil : level
        let fades = level.map { max(lastFlush + Self.shortSilence, .now + ($0 - least)) } ?? .never
        let look = runner.isWaiting ? min(nextLook, fades) : .never
        var packets = UniqueDeque<Packet>()
        switch runner.next(until: look) {
        case .packets(var run):
            while !run.packets.isEmpty {
                let packet = run.packets.removeFirst()
                if isPlayed(packet.flow) { packets.append(packet) }
            }
        case .fact(let fact):
            handle(fact, of: runner)
            // The ingest may be played on after all.
            if let news = business.news.take() { noteNews(news.notices, news.findings, of: runner) }
        case .question(let question): answer(question, of: runner)
        case .still(let stop):
            switch stop {
            case .ended: return nil
            case .failed(.changed(let event)): failedMeanwhile = event
            case .failed(.broken(let media)):
                failedMeanwhile = ChangeEvent(cause: .contentBroken, detail: "\(url(runner.origin)): \(media)")
            case .failed(.interrupted), .failed(.playsForwards), .parked, .left: break
            }
        case .nothing:
            guard look <= .now else { break }
            let silence = (Instant.now - lastFlush).wholeNanoseconds / 1_000_000
            failedMeanwhile =
                reasonToLeave()
                ?? (fades > .now
                    ? nil
                    : ChangeEvent(
                        cause: .silence, detail: "\(url(runner.origin)): nothing came for \(silence) ms"))
        }
        return packets
    }
}

/// What comes of a packet.
enum PlannedStep {
    case goesOn
    case order(HandoffController.Order)
    /// The stream is at its end.
    case over
}

/// What the clock of a container shows at a place in the output.
struct PlayedClock {
    /// Of the packet that was read last.
    var npt: NPT
    /// How far the output is ahead of the ingest.
    var shift: MediaTime
    /// Nil where the container has none.
    var clock: StreamClock?
}
