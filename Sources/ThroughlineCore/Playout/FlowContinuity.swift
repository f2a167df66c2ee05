/// Finds what is missing of one flow by the times of the packets that are presented.
///
/// Packets are told in decode order. A picture is never shown before it is decoded, so once a packet is decoded at some
/// time, all that is shown up to then has come: those are looked at one after the other, in the order in which they are
/// shown. The step from one to the next is a hole when it is longer than the packet lasts and than the flow's steps
/// usually are, by more than half a step.
///
/// What looks like a hole is none where the flow goes on with such steps (another frame rate, a server that leaves out
/// pictures at a higher scale), nor where steps of all lengths are usual (screens that are recorded, cameras in the dark).
/// A hole of pictures alone, with nothing else to prove it, is held back for some time to see whether more of them come.
/// What the sender has counted is proof: near a packet before which something was sent and did not come, a hole is one.
///
/// Where another connection goes on right after such steps, and the flow with it as it was before, they were holes after all.
///
///     shown at (ms)    0 40 80 120 160 400 440 480 ...          hole of 200 ms
///                      0 40 80 120 160 280 400 520 640 ...      from 160 on fewer pictures a second: no hole
///                      0 40 120 160 240 400 440 600 680 ...     steps of all lengths: no hole
package struct FlowContinuity: Sendable {
    /// What is known of a kind of flow.
    package enum Kind: Sendable {
        /// Frame rates vary; what a container says of the duration of one picture may be meant in decode order.
        case pictures
        /// Every packet lasts as long as it says.
        case sound
        /// The encoder sends nothing where it is silent.
        case soundWithPauses
    }

    package struct Hole: Hashable, Sendable {
        package var range: Range<MediaTime>
        package var provenance: Provenance
        package var isAtJoin: Bool
        package var length: MediaTime { range.upperBound - range.lowerBound }
    }

    /// Pictures that are held back for reordering, at the most.
    static let pendingLimit = 64
    /// From so many equal steps on they are the usual ones, and so many make a flow steady.
    static let usualRun = 4
    static let steadyRun = 16
    /// What a container says of a picture's duration holds for those that are decoded within so many packets.
    static let statedReach = 16
    /// More holes without further proof within so many steps are the flow's way.
    static let doubtLimit = 4
    static let doubtReach = 250
    /// It is so for so many steps after the last of them.
    static let habitReach = 1000
    /// What lacks so few steps before another connection goes on, lacks because of that.
    static let joinReach = 16
    /// A hole so near to where something is known to have been lost is there because of that: pictures are reordered, and
    /// one loss may cost several.
    static let lossReach: MediaTime = .milliseconds(500)

    private struct Shown {
        var start: MediaTime
        var duration: MediaTime
        var isCorrupt: Bool
        var provenance: Provenance
    }

    package let kind: Kind
    /// Backwards pictures lie far apart, and nothing can be told by that.
    private var isJudged = true
    /// In the order in which they are shown.
    private var pending: [Shown] = []
    private var last: Shown?
    private var steps = 0
    /// Since the last restart the flow has gone on with equal steps for a while: what leads up to the first picture of a place
    /// tells nothing.
    private var isSettled = false
    /// Steps of the same length, up to the last.
    private var run: (step: MediaTime, count: Int) = (.zero, 0)
    /// How long a step usually is; zero before that is known.
    private var usual: MediaTime = .zero
    /// The longest step of late: it is forgotten slowly.
    private var longest: MediaTime = .zero
    /// The longest duration that was stated of late, and how many packets ago.
    private var stated: (longest: MediaTime, age: Int) = (.zero, 0)
    /// The step before the last may have been a hole: the last one tells.
    private var suspect: (hole: Hole, step: MediaTime, isCertain: Bool)?
    /// Longer steps in a row, which are the flow's way unless it goes on as before once another connection does.
    private var detour: (holes: [Hole], former: MediaTime, at: Int, isAtJoin: Bool)?
    /// Holes that nothing else proves, and at which step each was.
    private var doubtful: [(hole: Hole, step: MediaTime, at: Int)] = []
    /// The flow pauses now and then, for so long at the most, until this step.
    private var habit: (longest: MediaTime, until: Int) = (.zero, 0)
    /// Where something is known to have been lost, the last few.
    private var losses: [MediaTime] = []
    /// Holes that are known, since they were taken.
    private var found: [Hole] = []
    /// From the first to the end of the last, in every stretch that was presented.
    private var extent: MediaTime = .zero

    /// What the viewer asked for begins here: what leads up to it is there for the decoder.
    private var begin: MediaTime?

    /// Media time of all holes.
    package private(set) var missing: MediaTime = .zero

    /// - Parameter begin: what is asked for begins here; nil where all that comes was asked for.
    package init(_ kind: Kind, from begin: MediaTime? = nil) {
        self.kind = kind
        self.begin = begin
    }

    /// Media time that was presented, from where it was asked for.
    package var presented: MediaTime { max(.zero, extent + lastLength - missing) }
    private var lastLength: MediaTime {
        last.map { wanted($0.start..<$0.start + length(of: $0)) } ?? .zero
    }

    /// How much of a range was asked for.
    private func wanted(_ range: Range<MediaTime>) -> MediaTime {
        max(.zero, range.upperBound - max(range.lowerBound, begin ?? range.lowerBound))
    }

    /// Up to where it was presented without a break in order.
    package var end: MediaTime? { last.map { $0.start + length(of: $0) } }
    /// Up to where it is known what is missing.
    package var reached: MediaTime? { last?.start }
    /// Where the last that was presented came from.
    package var provenance: Provenance? { (pending.last ?? last)?.provenance }
    package var hasDoubts: Bool { !doubtful.isEmpty }
    /// It has gone on by equal steps, and does not pause now and then: where it ends, it was to go on.
    package var isSteady: Bool { isSettled && usual > .zero && steps >= habit.until && kind != .soundWithPauses }
    package var hasFound: Bool { !found.isEmpty }

    /// A packet is presented.
    ///
    /// - Parameters:
    ///   - duration: zero where it is not known.
    ///   - followsLoss: something of the flow was sent before it and did not come.
    package mutating func present(
        pts: MediaTime, dts: MediaTime, duration: MediaTime, isCorrupt: Bool, followsLoss: Bool = false,
        provenance: Provenance
    ) {
        if followsLoss {
            losses.append(dts)
            if losses.count > 16 { losses.removeFirst() }
        }
        if duration >= stated.longest || stated.age > Self.statedReach {
            stated = (duration, 0)
        } else {
            stated.age += 1
        }
        let shown = Shown(start: pts, duration: duration, isCorrupt: isCorrupt, provenance: provenance)
        if pending.isEmpty, pts <= dts { return follow(with: shown) }
        pending.insert(shown, at: (pending.lastIndex { $0.start <= pts } ?? -1) + 1)
        var settled = 0
        while settled < pending.count, pending[settled].start <= dts || pending.count - settled > Self.pendingLimit {
            follow(with: pending[settled])
            settled += 1
        }
        pending.removeFirst(settled)
    }

    /// How long a packet lasts, as far as that is known.
    package func length(stated duration: MediaTime) -> MediaTime {
        guard duration > .zero else { return usual > .zero ? usual : longest }
        // A frame of sound does not last longer because the next one is missing.
        if kind == .sound, run.count >= Self.steadyRun, duration > usual + usual { return usual }
        return duration
    }

    private func length(of shown: Shown) -> MediaTime { length(stated: shown.duration) }

    private mutating func follow(with next: Shown) {
        guard let before = last else {
            last = next
            // What a codec needs to begin stands before zero.
            if isJudged { extent += min(next.start, .zero) }
            return
        }
        let step = next.start - before.start
        guard step > .zero else { return }
        last = next
        extent += wanted(before.start..<next.start)
        steps += 1
        let own = length(of: before)
        let slack = usual > .zero ? usual : longest
        let covers = kind == .pictures ? max(own, stated.longest) : own
        let limit = max(covers, usual, longest) + MediaTime(flicks: slack.flicks / 8 * 5)
        guard isSettled || usual == .zero else { return run(on: step) }
        follow(detour: before, next, step)
        guard isJudged, step > limit, usual > .zero || longest > .zero else {
            if let suspect { confirm(suspect.hole, step: suspect.step, isCertain: suspect.isCertain) }
            suspect = nil
            if let doubt = doubtful.first, steps - doubt.at > Self.doubtReach { add(doubtful.removeFirst().hole) }
            return learn(step)
        }
        if let suspect {
            // Twice in a row, and nothing proves either: that is how the flow goes on.
            if !suspect.isCertain, !next.isCorrupt, step.flicks >= suspect.step.flicks / 4 * 3 {
                self.suspect = nil
                if usual > .zero {
                    let second = hole(from: before, own: own, to: next)
                    detour = ([suspect.hole, second], usual, steps, suspect.hole.isAtJoin || second.isAtJoin)
                }
                (usual, longest) = (.zero, max(suspect.step, step))
                let known = longest
                doubtful.removeAll { $0.step <= known }
                return learn(step)
            }
            confirm(suspect.hole, step: suspect.step, isCertain: suspect.isCertain)
        }
        let hole = hole(from: before, own: own, to: next)
        suspect = (hole, step, before.isCorrupt || next.isCorrupt || isNearLoss(hole.range))
    }

    private func isNearLoss(_ range: Range<MediaTime>) -> Bool {
        losses.contains { $0 >= range.lowerBound - Self.lossReach && $0 <= range.upperBound + Self.lossReach }
    }

    private func hole(from before: Shown, own: MediaTime, to next: Shown) -> Hole {
        let start = before.start + min(max(own, usual), next.start - before.start)
        return Hole(
            range: start..<next.start, provenance: next.provenance, isAtJoin: before.provenance != next.provenance)
    }

    /// While it is open whether longer steps are the flow's way.
    private mutating func follow(detour before: Shown, _ next: Shown, _ step: MediaTime) {
        guard let open = detour else { return }
        if before.provenance != next.provenance { detour?.isAtJoin = true }
        guard open.isAtJoin || steps - open.at <= Self.joinReach else {
            detour = nil
            return
        }
        guard step > open.former + MediaTime(flicks: open.former.flicks / 8 * 5) else { return }
        let start = before.start + open.former
        detour?.holes.append(
            Hole(range: start..<next.start, provenance: next.provenance, isAtJoin: before.provenance != next.provenance)
        )
    }

    /// What is usual is known again.
    private mutating func endDetour() {
        guard let detour = detour.take() else { return }
        guard detour.isAtJoin, usual == .zero || usual.flicks <= detour.former.flicks / 4 * 5 else { return }
        for hole in detour.holes { add(hole) }
    }

    private mutating func learn(_ step: MediaTime) {
        longest = max(step, MediaTime(flicks: longest.flicks - longest.flicks / 256))
        run(on: step)
    }

    private mutating func run(on step: MediaTime) {
        let difference = (step - run.step).magnitude
        // Containers that count milliseconds round.
        guard difference.flicks <= max(run.step.flicks / 4, Self.rounding.flicks) else {
            run = (step, 1)
            return
        }
        run.count += 1
        guard run.count == Self.usualRun, run.step > Self.leastStep else { return }
        (usual, isSettled) = (run.step, true)
        endDetour()
    }

    private static let rounding: MediaTime = .milliseconds(1)
    /// Pictures that lie closer together are there for the decoder alone.
    private static let leastStep: MediaTime = .milliseconds(2)
    /// Shorter holes of pictures are as long as some pictures, or none are missing.
    static let shortHole: MediaTime = .milliseconds(250)

    private mutating func confirm(_ hole: Hole, step: MediaTime, isCertain: Bool) {
        if isCertain || hole.isAtJoin || kind == .sound { return add(hole) }
        if kind == .pictures, usual > .zero, hole.length < Self.shortHole {
            let rest = hole.length.flicks % usual.flicks
            if min(rest, usual.flicks - rest) > usual.flicks / 5 { return }
        }
        if steps < habit.until, step.flicks / 2 <= habit.longest.flicks {
            habit = (max(habit.longest, step), steps + Self.habitReach)
            return
        }
        doubtful.append((hole, step, steps))
        guard doubtful.count > Self.doubtLimit else { return }
        habit = (doubtful.map(\.step).max() ?? .zero, steps + Self.habitReach)
        doubtful = []
    }

    private mutating func add(_ hole: Hole) {
        var hole = hole
        if let begin {
            guard hole.range.upperBound > begin else { return }
            hole.range = max(hole.range.lowerBound, begin)..<hole.range.upperBound
        }
        missing += hole.length
        found.append(hole)
    }

    /// Something else is missing there, or not far from it: what this flow lacks at the same place is no doubt missing.
    package mutating func proveMissing(near range: Range<MediaTime>) {
        let isNear = { (hole: Hole) in
            hole.range.lowerBound <= range.upperBound && hole.range.upperBound >= range.lowerBound
        }
        for doubt in doubtful where isNear(doubt.hole) { add(doubt.hole) }
        doubtful.removeAll { isNear($0.hole) }
        if let hole = suspect?.hole, isNear(hole) { suspect?.isCertain = true }
    }

    /// What may be missing, as far as nothing has proved it yet.
    package var doubts: [Range<MediaTime>] {
        doubtful.map(\.hole.range) + (suspect.map { [$0.hole.range] } ?? [])
    }

    /// The flow has gone missing: up to a time nothing of it comes any more.
    package mutating func missesAll(to time: MediaTime, provenance: Provenance, isAtJoin: Bool) {
        guard let end, end < time else { return }
        extent += wanted(end..<time)
        add(Hole(range: end..<time, provenance: provenance, isAtJoin: isAtJoin))
    }

    /// Holes that became known since the last call.
    package mutating func takeFound() -> [Hole] {
        defer { found = [] }
        return found
    }

    /// What comes next is from elsewhere in the presentation, or nothing comes any more.
    ///
    /// - Parameters:
    ///   - isWhole: all was presented that came; otherwise pictures may lack that were to be shown before the last ones that
    ///     were decoded.
    ///   - isJudged: whether what comes next goes on by steps that tell something.
    ///   - begin: where what comes next is asked for; nil where all of it is.
    package mutating func restart(isWhole: Bool, isJudged: Bool = true, from begin: MediaTime? = nil) {
        for shown in pending {
            if !isWhole, let last, shown.start - last.start > length(of: last) + MediaTime(flicks: usual.flicks / 2) {
                break
            }
            follow(with: shown)
        }
        pending = []
        if let suspect { confirm(suspect.hole, step: suspect.step, isCertain: suspect.isCertain) }
        suspect = nil
        endDetour()
        for doubt in doubtful { add(doubt.hole) }
        doubtful = []
        extent += lastLength
        last = nil
        self.begin = begin
        losses = []
        (run, isSettled) = ((.zero, 0), false)
        self.isJudged = isJudged
    }
}
