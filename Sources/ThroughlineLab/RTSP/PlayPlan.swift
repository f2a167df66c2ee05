internal import ThroughlineCore

/// What one PLAY delivers: which units of a programme, in which order, when, and under which timestamps.
///
/// A value; the time is counted from the moment at which the PLAY was answered.
struct PlayPlan: Sendable {
    /// The NPT that the answer names: the key frame at or before what was asked, or exactly that without pictures.
    let start: NPT
    /// Where it ends: the end asked for, or that of the programme; zero when played backwards.
    let end: NPT
    /// What was asked for and can be done: never zero.
    let scale: Rate
    /// Indices of the units, in the order of delivery.
    let order: [Int]
    /// How fast it is delivered: scale, speed and the pace of the origin together; positive.
    private let rate: Rate
    /// Media that goes by in a second of the timestamps.
    let timestampRate: Rate
    private let firstDue: NPT

    /// - Parameters:
    ///   - range: what was asked for; the start is not negative.
    ///   - flows: indices of the flows that are set up.
    ///   - speed: of delivery, for the same timestamps (RFC 2326 section 12.35).
    ///   - timestampSpeed: how much faster than the timestamps the media go, beside the scale.
    ///   - isExact: begin where it was asked for, and send the pictures from the key frame on too, all at once.
    init(
        of programme: Programme, from npt: NPT, to end: NPT? = nil, flows: Set<Int>, scale: Rate = .normal,
        speed: Rate = .normal, isExact: Bool = false, timestampSpeed: Rate = .normal
    ) {
        let isVideo = { (unit: Programme.Unit) in programme.flows[unit.flow].kind == .video }
        let keys = programme.units.filter { flows.contains($0.flow) && isVideo($0) && $0.isKey }
        let isBackwards = scale.isNegative && !keys.isEmpty
        self.scale = scale.numerator == 0 || scale.isNegative && !isBackwards ? .normal : scale
        var order: [Int] = []
        if isBackwards {
            // Only what can be shown by itself: the key frames, one after the other.
            let limit = end ?? .zero
            order = programme.units.indices.reversed().filter { index in
                let unit = programme.units[index]
                return flows.contains(unit.flow) && isVideo(unit) && unit.isKey && unit.start <= npt
                    && unit.start >= limit
            }
            start = order.first.map { max(.zero, programme.units[$0].start) } ?? npt
            self.end = limit
        } else {
            let key = keys.last { $0.start <= npt }
            // From the very beginning there is nothing to be left out, such as priming samples.
            let isWhole = npt <= .zero
            start = isWhole ? .zero : isExact ? npt : max(.zero, key?.start ?? npt)
            let limit = min(end ?? .max, programme.duration)
            self.end = limit
            var begun: Set<Int> = isWhole ? flows : []
            // The last unit in decode order before the end: those before it may be wanted to decode it.
            var last: [Int: Int] = [:]
            for (index, unit) in programme.units.enumerated() where end.map({ unit.start < $0 }) ?? true {
                last[unit.flow] = index
            }
            var firstKey: [Int: NPT] = [:]
            for flow in flows where programme.flows[flow].kind == .video {
                firstKey[flow] = keys.last { $0.flow == flow && $0.start <= npt }?.start
            }
            for (index, unit) in programme.units.enumerated() where flows.contains(unit.flow) {
                guard let last = last[unit.flow], index <= last else { continue }
                if !begun.contains(unit.flow) {
                    let begins =
                        if programme.flows[unit.flow].kind == .video {
                            unit.isKey && unit.start >= firstKey[unit.flow] ?? .zero
                        } else if programme.flows[unit.flow].isSparse {
                            unit.start >= start
                        } else {
                            // What sounds at the start begins before it, as a rule.
                            unit.end > start
                        }
                    guard begins else { continue }
                    begun.insert(unit.flow)
                }
                order.append(index)
            }
        }
        self.order = order
        var firstDue = order.first.map { isBackwards ? programme.units[$0].start : programme.units[$0].due } ?? start
        // What is only there to be decoded comes at once.
        if !isBackwards, isExact { firstDue = max(firstDue, start) }
        self.firstDue = firstDue
        timestampRate = (self.scale * timestampSpeed) ?? self.scale
        let pace = self.scale.isNegative ? Rate(-self.scale.numerator, self.scale.denominator) : self.scale
        rate = (pace * speed) ?? pace
    }

    /// How long after the answer a unit is due.
    func delay(of unit: Programme.Unit) -> Duration {
        let behind = scale.isNegative ? firstDue - unit.start : unit.due - firstDue
        return max(.zero, (behind * (rate.inverse ?? .normal)).duration)
    }

    /// How long it takes to show a unit.
    func length(of unit: Programme.Unit) -> Duration {
        (max(.zero, unit.end - unit.start) * (rate.inverse ?? .normal)).duration
    }

    /// How far the clock of the timestamps has gone so long after the answer.
    func progress(after time: Duration) -> MediaTime {
        let pace = (rate * (timestampRate.inverse ?? .normal)) ?? .normal
        let forward = pace.isNegative ? Rate(-pace.numerator, pace.denominator) : pace
        return max(.zero, MediaTime(time) * forward)
    }

    /// How far a unit's timestamp stands behind that of the start, in units of its flow's clock.
    func ticks(of unit: Programme.Unit, clock: TimeBase) -> Int64 {
        // To the tick where nothing is scaled: timestamps of the file are whole ticks.
        if timestampRate == .normal { return unit.ticks - start.value(in: clock) }
        return ((unit.start - start) * (timestampRate.inverse ?? .normal)).value(in: clock)
    }

    /// The moment on the clock of the timestamps at which a unit ends, counted from the start.
    func extent(of unit: Programme.Unit) -> MediaTime {
        ((scale.isNegative ? unit.start : unit.end) - start) * (timestampRate.inverse ?? .normal)
    }
}

extension MediaTime {
    static let max = MediaTime(flicks: .max)
}
