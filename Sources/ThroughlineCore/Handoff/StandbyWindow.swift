/// Which packets of a standby that delivers are kept, when it is read on, and whether a handoff to it has nothing to wait
/// for: facts and the time in, answers out.
///
/// The standby is kept aligned with what is received of the primary, the origin that is played:
///
///                    key   picture        overlap received
///     primary         |-------|--------------|------|
///     standby         |.............................|....|
///                     kept from here on        frontier  ahead
///
/// Kept is what a join may read: known packets that prove themselves, and for another encode the pictures from its key
/// frame before the last one that was presented on. An origin that can be held back is read up to a little ahead of the primary,
/// and is asked to begin there, so that it need not catch up; the primary comes by what it began with. One that
/// delivers in real time comes as it comes: it is asked to begin so far ahead that it cannot lag, and when it does all the
/// same, since it took longer or begins at a key frame before, it is asked again, each time for twice as far ahead:
///
/// | time asked again | ahead |
/// | --- | --- |
/// | 0 | 0.4 s |
/// | 1 | 0.8 s |
/// | 2 | 1.6 s |
/// | 5 | 10 s, the most |
///
/// Times of packets are those of the standby's own timeline, those of the primary NPT; `shift` leads from one to the other.
/// Where it is not known, as with what is live, all that may be needed is kept until something shows it.
package struct StandbyWindow: Sendable {
    /// A packet of a flow that is played, in the order in which they come.
    package struct Entry: Hashable, Sendable {
        package var flow: Int
        /// Presentation time, or where there is none the decode time.
        package var time: MediaTime
        /// Where it ends on the screen, or in the ear.
        package var end: MediaTime
        package var isKey: Bool
        package var bytes: Int

        package init(flow: Int, time: MediaTime, end: MediaTime, isKey: Bool, bytes: Int) {
            self.flow = flow
            self.time = time
            self.end = max(time, end)
            self.isKey = isKey
            self.bytes = max(0, bytes)
        }
    }

    /// How far the primary is.
    package struct Primary: Hashable, Sendable {
        /// Up to where its flows were received, the least of them.
        package var received: NPT
        /// From where on another origin is needed at the latest, to be joined packet by packet.
        package var overlap: NPT
        /// The picture that is shown to tell whether another encode is the same programme: the last key frame that was
        /// presented.
        package var picture: NPT
        /// Media in the buffer.
        package var level: MediaTime

        package init(received: NPT, overlap: NPT, picture: NPT, level: MediaTime = .zero) {
            self.received = received
            self.overlap = overlap
            self.picture = picture
            self.level = level
        }
    }

    package enum Verdict: Hashable, Sendable {
        case fine
        /// It lags, and is to begin anew so far ahead of the primary.
        case beginAgain(ahead: MediaTime)
        /// It is of no use.
        case lost(String)
    }

    package struct Limits: Sendable {
        package var bytes = 64 << 20
        package var packets = 1 << 16
        /// An origin that can be held back is read so far ahead of the primary.
        package var ahead: MediaTime = .milliseconds(500)
        /// A standby that is no further behind is aligned.
        package var tolerance: MediaTime = .milliseconds(100)
        package init() {}
    }

    /// One that delivers in real time is asked to begin so far ahead of the primary.
    package static let firstLead: MediaTime = .milliseconds(400)
    package static let mostLead: MediaTime = .seconds(10)
    /// One that is further behind is not ready, whatever the buffer holds.
    package static let mostLag: MediaTime = .seconds(1)
    /// How long it may lag before it is asked to begin again.
    package static let lagPatience: Duration = .milliseconds(500)
    /// One that can be held back, and is behind by more for so long, leaves out what lies between.
    package static let leap: MediaTime = .seconds(1)
    package static let leapPatience: Duration = .seconds(1)
    /// How long it may not be aligned: at first, and later.
    package static let alignPatience: Duration = .seconds(20)
    package static let slowPatience: Duration = .seconds(5)
    /// So often it is asked to begin again before it is aligned once.
    package static let mostBeginnings = 8
    /// What is kept before what must be, so that packets that are known prove themselves.
    package static let preroll: MediaTime = .milliseconds(500)
    /// So much is kept while it is not known where it stands.
    package static let unplacedReach: MediaTime = .seconds(10)
    /// For comparing sound.
    package static let soundReach: MediaTime = .seconds(2)
    /// A flow that is so far behind the others has ended.
    package static let greatestSkew: MediaTime = .seconds(5)

    package let limits: Limits
    private let isSparse: [Bool]
    /// The flow whose key frames matter.
    private let pictures: Int?
    /// Whether the origin delivers no faster than is played, and cannot be held back.
    private let isRealtime: Bool

    /// Added to the times of the standby's packets it makes them NPT; nil while it is not known how much that is.
    package private(set) var shift: MediaTime?

    private var entries: [Entry] = []
    /// Entries at the front that were dropped already.
    private var dropped = 0
    package private(set) var bytes = 0
    /// By flow, the end of what came.
    private var ends: [MediaTime?]
    /// It delivers from the start of the presentation on, and nothing was dropped yet.
    private var isFromStart: Bool
    /// All of the presentation has come.
    package private(set) var hasEnded = false
    private var began: Instant
    private var notAlignedSince: Instant?
    private var laggingSince: Instant?
    private var wasAligned = false
    private var beginnings = 0
    package private(set) var lead: MediaTime

    /// - Parameters:
    ///   - isSparse: by flow, whether its silence says nothing; also true for flows that are not played.
    ///   - pictures: the flow whose key frames another encode is joined at.
    ///   - lead: how far ahead of the primary it was asked to begin.
    ///   - isFromStart: it was asked to begin at the start of the presentation.
    ///   - shift: of its timeline, as far as that is known.
    package init(
        isSparse: [Bool], pictures: Int?, isRealtime: Bool, lead: MediaTime = StandbyWindow.firstLead,
        isFromStart: Bool = false, shift: MediaTime? = .zero, limits: Limits = Limits(), at now: Instant
    ) {
        self.shift = shift
        self.isSparse = isSparse
        self.pictures = pictures
        self.isRealtime = isRealtime
        self.lead = lead
        self.isFromStart = isFromStart
        self.limits = limits
        ends = Array(repeating: nil, count: isSparse.count)
        began = now
    }

    /// Packets that are kept.
    package var count: Int { entries.count - dropped }

    package subscript(index: Int) -> Entry { entries[dropped + index] }

    // MARK: - Facts

    package mutating func append(_ entry: Entry) {
        entries.append(entry)
        bytes += entry.bytes
        guard entry.flow >= 0, entry.flow < ends.count else { return }
        ends[entry.flow] = max(ends[entry.flow] ?? entry.end, entry.end)
    }

    package mutating func ended() { hasEnded = true }

    /// Its media has shown what is to be added to its times.
    package mutating func stands(at shift: MediaTime) { self.shift = shift }

    /// Where the primary is on the timeline of the standby.
    private func own(_ primary: Primary) -> Primary? {
        shift.map { shift in
            Primary(
                received: primary.received - shift, overlap: primary.overlap - shift, picture: primary.picture - shift,
                level: primary.level)
        }
    }

    /// Whether it is known where it stands.
    package var isPlaced: Bool { shift != nil }

    /// It begins anew, elsewhere: nothing of what came is kept.
    package mutating func begins(ahead: MediaTime, at now: Instant) {
        removeAll()
        lead = ahead
        beginnings += 1
        isFromStart = false
        hasEnded = false
        ends = Array(repeating: nil, count: isSparse.count)
        laggingSince = nil
        began = now
    }

    package mutating func removeAll() {
        entries = []
        (dropped, bytes) = (0, 0)
        isFromStart = false
    }

    /// Drops packets at the front.
    package mutating func removeFirst(_ count: Int) {
        let count = min(max(0, count), self.count)
        for index in 0..<count { bytes -= self[index].bytes }
        dropped += count
        if count > 0 { isFromStart = false }
        if dropped > 256, dropped > entries.count / 2 {
            entries.removeFirst(dropped)
            dropped = 0
        }
    }

    // MARK: - What to keep

    /// How many packets at the front no join can need any more.
    package func expendable(_ primary: Primary) -> Int {
        guard let primary = own(primary) else {
            let wanted = (furthest ?? .zero) - Self.unplacedReach
            return (0..<self.count).first { self[$0].end > wanted } ?? 0
        }
        let needed = min(primary.overlap, primary.received) - Self.preroll
        let wanted = min(needed, primary.received - Self.soundReach, primary.picture)
        var count = 0
        while count < self.count, self[count].end <= wanted { count += 1 }
        if let pictures {
            var index = 0
            var key: Int?
            while index < self.count, self[index].time <= wanted + Self.greatestSkew {
                if self[index].flow == pictures, self[index].isKey, self[index].time <= wanted { key = index }
                index += 1
            }
            if let key { count = min(count, key) }
        }
        guard isLarge else { return count }
        // What proves the same encode is little, and goes before what another one would need.
        while count < self.count, self[count].end <= needed { count += 1 }
        return count
    }

    private var isLarge: Bool { bytes > limits.bytes / 2 || count > limits.packets / 2 }

    // MARK: - How far it is

    /// From where on all flows are there; nil while one has not come that may still come.
    package var start: MediaTime? {
        var firsts = [MediaTime?](repeating: nil, count: isSparse.count)
        var missing = isSparse.count { !$0 }
        var index = 0
        while index < count, missing > 0 {
            let entry = self[index]
            index += 1
            guard isCounted(entry.flow), firsts[entry.flow] == nil else { continue }
            firsts[entry.flow] = entry.time
            missing -= 1
        }
        let found = firsts.compactMap { $0 }
        guard let latest = found.max(), let earliest = found.min() else { return nil }
        // A flow of which nothing comes for so long has ended, or is not there.
        let isOver = (furthest ?? latest) - earliest > Self.greatestSkew
        return missing == 0 || isOver ? (isFromStart ? .zero : latest) : nil
    }

    private func isCounted(_ flow: Int) -> Bool { flow >= 0 && flow < isSparse.count && !isSparse[flow] }

    private var countedEnds: [MediaTime] {
        ends.indices.filter { isCounted($0) }.compactMap { ends[$0] }
    }

    private var furthest: MediaTime? { countedEnds.max() }

    /// Up to where all flows have come.
    package var frontier: MediaTime? {
        guard let furthest else { return nil }
        let isWhole = countedEnds.count == isSparse.count { !$0 }
        let first = count > 0 ? self[0].time : furthest
        guard isWhole || furthest - first > Self.greatestSkew else { return nil }
        return countedEnds.filter { furthest - $0 <= Self.greatestSkew }.min()
    }

    /// Whether an origin that can be held back is to be read on.
    package func wantsMore(_ primary: Primary?) -> Bool {
        if isRealtime { return true }
        guard !hasEnded, bytes < limits.bytes, count < limits.packets else { return false }
        guard let primary = primary.flatMap({ own($0) }) else { return false }
        if let furthest, furthest > primary.received + limits.ahead + Self.greatestSkew { return false }
        return frontier.map { $0 < primary.received + limits.ahead } ?? true
    }

    /// Whether a join at what is received of the primary finds all it needs, and what is new besides.
    package func isAligned(_ primary: Primary) -> Bool {
        guard let primary = own(primary), let start, start <= primary.overlap else { return false }
        return !lags(primary, by: limits.tolerance)
    }

    /// Whether it has more of all flows than was received of the primary.
    package func hasMore(than primary: Primary) -> Bool {
        guard let primary = own(primary) else { return false }
        return hasEnded || frontier.map { $0 > primary.received + limits.tolerance } ?? false
    }

    /// Whether a handoff to it is better than one to any other: what it has to wait for, the buffer holds twice.
    package func isReady(_ primary: Primary) -> Bool {
        guard let primary = own(primary), let start, start <= primary.overlap else { return false }
        let half = MediaTime(flicks: primary.level.flicks / 2)
        return !lags(primary, by: max(limits.tolerance, min(half, Self.mostLag)))
    }

    /// - Parameter primary: on the timeline of the standby.
    private func lags(_ primary: Primary, by tolerance: MediaTime) -> Bool {
        if hasEnded { return false }
        return frontier.map { $0 < primary.received - tolerance } ?? true
    }

    /// Looks how it does. To be called several times in a second.
    package mutating func judge(_ primary: Primary, at now: Instant) -> Verdict {
        if bytes > limits.bytes || count > limits.packets, isRealtime {
            return .lost("it sends more ahead of what is played than can be kept")
        }
        if isAligned(primary) {
            (wasAligned, notAlignedSince, laggingSince, beginnings) = (true, nil, nil, 0)
            return .fine
        }
        let since = notAlignedSince ?? now
        notAlignedSince = since
        let patience = wasAligned && !isRealtime ? Self.slowPatience : Self.alignPatience
        guard let primary = own(primary) else {
            return now - since >= patience ? .lost("nothing of it shows where it stands") : .fine
        }
        if now - since >= patience { return .lost("it does not keep up with what is played") }
        guard let frontier, lags(primary, by: limits.tolerance), isRealtime || primary.received - frontier > Self.leap
        else {
            laggingSince = nil
            return .fine
        }
        let lagging = laggingSince ?? now
        laggingSince = lagging
        guard now - lagging >= (isRealtime ? Self.lagPatience : Self.leapPatience) else { return .fine }
        guard beginnings < Self.mostBeginnings else { return .lost("it does not come up with what is played") }
        if !isRealtime { return .beginAgain(ahead: limits.ahead) }
        return .beginAgain(ahead: beginnings == 0 && wasAligned ? lead : min(lead + lead, Self.mostLead))
    }

    // MARK: - Reading

    /// The packet to read from, so as to meet all from a time on.
    ///
    /// - Parameter fromKey: the last key frame at or before that.
    /// - Returns: nil when that is not here.
    package func index(from time: MediaTime, fromKey: Bool) -> Int? {
        if fromKey, let pictures {
            var key: Int?
            for index in 0..<count where self[index].flow == pictures && self[index].isKey {
                if self[index].time <= time { key = index }
            }
            guard let key else { return isFromStart ? 0 : nil }
            // Of other flows what goes with it may lie before it.
            let time = self[key].time
            return (0..<key).first {
                self[$0].flow != pictures && isCounted(self[$0].flow) && self[$0].end > time
            } ?? key
        }
        guard let start, start <= time || isFromStart else { return nil }
        return (0..<count).first { isCounted(self[$0].flow) && self[$0].end > time } ?? count
    }
}
