internal import ThroughlineCore
internal import ThroughlineMedia

/// What a stream tells while it plays, and what is kept of that for its status and its summary. From any thread.
final class StreamRecord: Sendable {
    /// What the first origin said of the stream.
    struct Opened: Sendable {
        var container: String
        var duration: MediaTime?
        var flows: [FlowDescription]
    }

    private struct State {
        /// Why the stream ends, once that is known.
        var error: StreamError?
        var opened: Opened?
        var handoffs: [HandoffReport] = []
        var handoffCount = 0
        var reopenCount = 0
        var warnings: [String] = []
        /// When the first picture was presented, or the first sound where there are none.
        var firstPresented: Duration?
        var seeks = SeekTimes()
        /// What was missing and damaged so far.
        var presentation = PresentationFigures()
    }

    /// Of each kind of thing so many are kept for the summary.
    private static let limit = 1000
    /// Containers round, and count the sound beyond the last picture or not.
    private static let mostExcess: MediaTime = .milliseconds(500)

    let began: Instant
    private let origins: OriginList
    private let events: EventQueue
    private let state = Guarded(State())

    /// - Parameter began: what times are counted from.
    init(_ origins: OriginList, _ events: EventQueue, since began: Instant) {
        self.origins = origins
        self.events = events
        self.began = began
    }

    // MARK: - Telling

    /// The URL of an origin, for people.
    func url(_ origin: OriginID) -> String { redacted(origins[origin].url) }

    func send(_ kind: Event.Kind) { events.send(kind) }

    func warn(_ text: String) {
        state.withLock { if $0.warnings.count < Self.limit { $0.warnings.append(text) } }
        send(.warning(text))
    }

    /// The first that is told is why the stream ends.
    func failed(_ error: StreamError) { state.withLock { if $0.error == nil { $0.error = error } } }
    var error: StreamError? { state.withLock { $0.error } }

    func opened(_ opened: Opened, by origin: OriginID) {
        state.withLock { $0.opened = opened }
        send(
            .opened(
                origin: origin, url: url(origin), container: opened.container, duration: opened.duration,
                flows: opened.flows))
    }

    var hasOpened: Bool { state.withLock { $0.opened != nil } }
    /// Of the presentation, where that is known.
    var duration: MediaTime? { state.withLock { $0.opened?.duration } }
    /// An origin has more than the one before it.
    func lasts(atLeast longer: MediaTime) {
        state.withLock { state in
            if let duration = state.opened?.duration { state.opened?.duration = max(duration, longer) }
        }
    }

    /// More was presented than the origin says that there is: one of both is wrong.
    func presentedUp(to end: NPT?) {
        guard let end, let duration, end > duration + Self.mostExcess else { return }
        warn("media was played up to \(end), although the stream was said to end at \(duration)")
        state.withLock { $0.opened?.duration = end }
    }

    func reopened(_ origin: OriginID, at byte: Int64) {
        state.withLock { $0.reopenCount += 1 }
        send(.reopened(origin: origin, url: url(origin), byte: byte))
    }

    /// - Parameter unseen: what a live stream sent while nobody was connected.
    func handedOff(_ report: HandoffReport, unseen: MediaTime) {
        state.withLock { state in
            state.handoffCount += 1
            if report.grade != .byteExact { state.presentation.unseen += unseen }
            if state.handoffs.count < Self.limit { state.handoffs.append(report) }
        }
        send(.handoff(report))
    }

    // MARK: - What is presented

    /// The first picture is shown, or the first after the viewer went elsewhere; on the pacer's thread.
    func nowShown() {
        let now = Instant.now
        state.withLock { state in
            if state.firstPresented == nil { state.firstPresented = now - began }
            state.seeks.shown(at: now)
        }
    }

    /// The viewer wants to go elsewhere.
    func seekAsked() { state.withLock { $0.seeks.asked(at: .now) } }
    var hasShown: Bool { state.withLock { $0.firstPresented != nil } }

    /// Tells what became known to be missing or damaged; on the pacer's thread.
    func presented(_ account: inout PresentationAccount) {
        let defects = account.takeDefects()
        let figures = (account.missing, account.damaged, account.damagedPackets, account.played)
        let told = state.withLock { state in
            (state.presentation.missing, state.presentation.damaged) = (figures.0, figures.1)
            (state.presentation.damagedPackets, state.presentation.played) = (figures.2, figures.3)
            let room = max(0, Self.limit - state.presentation.defects.count)
            state.presentation.defects += defects.prefix(room)
            return defects.prefix(room)
        }
        for defect in told { send(.defect(defect, url: url(defect.origin))) }
    }

    // MARK: - Status and summary

    /// Handoffs so far, and what the viewer has missed.
    var counts: (handoffs: Int, missing: MediaTime) {
        state.withLock { ($0.handoffCount, $0.presentation.missing + $0.presentation.unseen) }
    }

    /// What only the end of a stream tells.
    struct Final {
        var end: NPT?
        var flows: [(account: FlowAccount, losses: FlowLosses, position: FlowPosition?, duplicate: MediaTime)]
        var duplicate: MediaTime
        var playingTime: Duration
        var standby: StandbyCost
        var tallies: PresentationAccount
        var roster: OriginRoster
    }

    func summary(_ final: Final, _ buffer: PlayoutBuffer) -> Summary {
        let elapsed = Instant.now - began
        return state.withLock { state in
            Summary(
                error: state.error, elapsed: elapsed, startup: state.firstPresented,
                container: state.opened?.container, duration: state.opened?.duration, end: final.end,
                flows: zip(state.opened?.flows ?? [], final.flows).map { description, flow in
                    Summary.Flow(
                        description: description, packets: flow.account.packets, bytes: flow.account.bytes,
                        end: flow.account.end, losses: flow.losses, position: flow.position,
                        tally: final.tallies.tally(of: description.index), duplicate: flow.duplicate)
                },
                handoffs: state.handoffs, handoffCount: state.handoffCount, reopenCount: state.reopenCount,
                gaps: buffer.gaps, gapCount: buffer.gapCount, gapTotal: buffer.gapTotal, playingTime: final.playingTime,
                seeks: state.seeks, presentation: state.presentation, duplicate: final.duplicate,
                standby: final.standby, warnings: state.warnings,
                // An origin may have been added after the roster was copied.
                origins: zip(final.roster.ids, origins.all).map { id, origin in
                    let health = final.roster[id]
                    return Summary.OriginRecord(
                        url: redacted(origin.url), failures: health.failures, ruledOut: health.ruledOut,
                        tally: final.tallies.origins[id] ?? PresentationAccount.Tally())
                })
        }
    }
}

extension FlowFormat {
    var flowDescription: FlowDescription {
        FlowDescription(index: index, kind: kind, codec: codecName, language: language, text: description)
    }
}
