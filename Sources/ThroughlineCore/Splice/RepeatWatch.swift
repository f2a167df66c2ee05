/// Sees to it, behind a splice, that nothing of a flow that was delivered before is delivered again.
///
/// What comes is followed in what was delivered (`DeliveredRun`): of a run that is beyond doubt nothing goes on. The watch is
/// over once some packets are new. Some servers answer PLAY long before they go where they were asked to, and play on from
/// where they stood meanwhile: of such an ingest new packets are no proof, and what comes for a while is looked at; also in
/// what was delivered since the splice. As far back as a server may go to a key frame, and no further, since a programme may
/// have been shown before.
///
///     delivered   1 2 3 4 5 6
///     comes               5 6 7 8 | 4 5 6 7 8 9        | the server goes where it was asked to
///     goes on                 7 8             9
package struct RepeatWatch: Sendable {
    package enum Verdict: Hashable, Sendable {
        /// The viewer has not had it, as far as can be told.
        case new
        /// It was delivered, and stands there in the output; and so was what went on just before it, for so long.
        case repeated(DeliveredPacket, passed: MediaTime)
    }

    /// An ingest that may go back still is watched for so much new media.
    package static let span: MediaTime = .seconds(2)
    /// What was delivered longer before the last packet is not looked at once packets are new.
    package static let reach: MediaTime = .seconds(8)

    private var memory: Recollection
    private let mayGoBack: Bool
    /// What is new begins behind packets that were recognised.
    private var isRecognised = false
    private var run = DeliveredRun()
    /// Packets in a row that are new.
    private var fresh = 0
    private var freshTime: MediaTime = .zero
    /// Something went on since `memory` was made.
    private var isStale = false
    /// What of the run went on before it was seen to be one.
    private var passed: MediaTime = .zero
    /// New packets flow, as far as is known.
    package private(set) var isSettled = false

    /// - Parameters:
    ///   - memory: what was delivered of the flow before the splice.
    ///   - mayGoBack: the ingest may yet go to a place before that with which it begins.
    package init(memory: Recollection, mayGoBack: Bool) {
        self.memory = memory
        self.mayGoBack = mayGoBack
    }

    /// Nothing is to be watched any more.
    package var isOver: Bool { isSettled && (!mayGoBack || freshTime >= Self.span) }

    /// The first new packet stands behind others that were recognised.
    package mutating func recognised() { (isRecognised, isSettled) = (true, true) }

    /// The next packet of the flow.
    ///
    /// - Parameter recall: what was delivered by now.
    package mutating func arrived(
        _ fingerprint: UInt64?, duration: MediaTime, recall: () -> Recollection
    ) -> Verdict {
        guard let place = run.arrived(fingerprint, in: memory), isWithinReach(place) else {
            fresh += 1
            freshTime += duration
            (passed, isStale) = (.zero, true)
            isSettled = isSettled || fresh >= DeliveredRun.proof
            return .new
        }
        fresh = 0
        let known = memory.packets[place]
        guard run.isProven else {
            passed += known.duration
            isStale = true
            return .new
        }
        freshTime = .zero
        if isStale {
            memory = recall()
            run.goesOn(from: fingerprint, in: memory)
            isStale = false
        }
        defer { passed = .zero }
        return .repeated(known, passed: passed)
    }

    private func isWithinReach(_ place: Int) -> Bool {
        guard isRecognised || isSettled, let last = memory.packets.last else { return true }
        return last.pts - memory.packets[place].pts <= Self.reach
    }
}
