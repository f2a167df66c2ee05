/// Finds where the pictures of one encode stand among those of another: the place, and not only the programme.
///
/// Neighbouring moments of a film are alike, most of all where the camera stands still. What moves tells them apart: of each
/// picture the part that all of them share is taken away, and what is left is compared at every offset. The place is where
/// it fits better than before and after; where nothing moves, or moves over and over again, there is none to be found.
///
///     received        a b c                 offset   -2   -1    0   +1   +2
///     other     . . y z a b c d e . .       fit      .1   .5   1.   .5   .1     it stands where it should
///     other     . . w x y z a b c . .       fit      .0   .0   .0   .1   .5 ... 1 at +4: what it shows there comes too late
///
/// Pictures are coarse grids of brightness, of whatever size, but all of one: another bitrate or resolution changes little
/// there.
package struct PicturePlace: Sendable {
    package enum Finding: Hashable, Sendable {
        /// It fits where the timelines say, and nowhere else so well.
        case here(likeness: Double)
        /// It fits elsewhere, and nowhere else so well: this is to be added to the times of the other encode.
        case elsewhere(shift: MediaTime, likeness: Double)
        /// It is the same programme as far as can be seen; what moves is too little to tell the place, or repeats itself.
        case untold(likeness: Double)
        /// The pictures are of the same kind, what moves in them fits at no offset that was seen.
        case nowhere(likeness: Double)
        case different(likeness: Double)
        /// Nothing could be compared.
        case inconclusive(String)
    }

    /// Likeness of whole pictures from which on they may be of one programme.
    package static let threshold = 0.7
    /// Likeness of what moves from which on it is the same movement.
    package static let sameMovement = 0.6
    /// So much worse it must fit elsewhere, and so much worse still at some offset on each side.
    private static let margin = 0.03
    private static let fall = 0.1
    /// The share of a picture that must be in movement, so that the encoder's noise is not taken for it.
    private static let leastMovement = 0.002
    /// From which share on the movement that fits nowhere is no noise.
    private static let plainMovement = 0.02

    /// A picture with its time: brightness by cell, less its mean, scaled to length 1.
    private struct Moment: Sendable {
        let time: MediaTime
        let cells: [Float]
    }

    private var received: [Moment] = []
    private var other: [Moment] = []
    private var plain = 0

    package init() {}

    /// A picture that was received. In order of time.
    package mutating func wasReceived(_ grid: [Float], at time: MediaTime) {
        guard let moment = Self.moment(grid, time) else {
            plain += 1
            return
        }
        received.append(moment)
    }

    /// A picture of the other encode. In order of time.
    package mutating func wasShown(_ grid: [Float], at time: MediaTime) {
        guard let moment = Self.moment(grid, time) else {
            plain += 1
            return
        }
        other.append(moment)
    }

    /// Nil where a picture is nearly even.
    private static func moment(_ grid: [Float], _ time: MediaTime) -> Moment? {
        guard !grid.isEmpty else { return nil }
        let mean = grid.reduce(0, +) / Float(grid.count)
        let square = grid.reduce(Float(0)) { $0 + ($1 - mean) * ($1 - mean) }
        guard square / Float(grid.count) > 4 else { return nil }
        let scale = 1 / square.squareRoot()
        return Moment(time: time, cells: grid.map { ($0 - mean) * scale })
    }

    // MARK: - Judging

    private struct Score {
        var offset: MediaTime
        var whole: Double
        var movement: Double
        /// How many of the received pictures were compared.
        var count: Int
    }

    package func finding() -> Finding {
        guard let first = received.first, let last = received.last else {
            return .inconclusive(
                plain > 0 ? "the pictures are too plain to compare" : "no picture was at hand to compare")
        }
        guard other.count > 1, other[0].time < other[other.count - 1].time else {
            return .inconclusive("no picture stands at \(first.time)")
        }
        let size = first.cells.count
        guard received.allSatisfy({ $0.cells.count == size }), other.allSatisfy({ $0.cells.count == size }) else {
            return .inconclusive("the pictures cannot be compared")
        }
        let span = other[other.count - 1].time - other[0].time
        let step = max(MediaTime(flicks: span.flicks / Int64(other.count - 1)), .milliseconds(1))
        // What all have in common, and how much is left.
        var ground = [Float](repeating: 0, count: size)
        for moment in other { for cell in 0..<size { ground[cell] += moment.cells[cell] / Float(other.count) } }
        let moving = other.map { Self.less($0.cells, ground) }
        let mine = received.map { Self.less($0.cells, ground) }
        let squares = (mine: mine.map { Self.product($0, $0) }, other: moving.map { Self.product($0, $0) })
        let movement = squares.other.reduce(0, +) / Double(moving.count)

        let least = (other[0].time - last.time).flicks / step.flicks - 1
        let most = (other[other.count - 1].time - first.time).flicks / step.flicks + 1
        guard least <= most, most - least < 100_000 else { return .inconclusive("no picture stands at \(first.time)") }
        var scores: [Score] = []
        for offset in least...most {
            let score = self.score(MediaTime(flicks: step.flicks * offset), step, mine, moving, squares)
            // Of a few pictures all, and of many most must have been seen to count.
            if let score, score.count * 4 >= received.count * 3 { scores.append(score) }
        }
        guard let best = scores.max(by: { $0.movement < $1.movement }),
            let likest = scores.map(\.whole).max()
        else { return .inconclusive("no picture stands at \(first.time)") }
        if likest < Self.threshold { return .different(likeness: likest) }
        let here = scores.filter { $0.offset.magnitude <= step }.max { $0.movement < $1.movement }
        let likeness = here?.whole ?? best.whole
        let isMoving = movement >= Self.leastMovement
        guard isMoving, best.movement >= Self.sameMovement else {
            return movement >= Self.plainMovement && scores.contains(where: { $0.offset.magnitude <= step })
                ? .nowhere(likeness: likeness) : .untold(likeness: likeness)
        }
        let away = scores.filter { ($0.offset - best.offset).magnitude > step + step }
        let rival = away.map(\.movement).max() ?? -1
        let before = away.filter { $0.offset < best.offset }.map(\.movement).min()
        let after = away.filter { $0.offset > best.offset }.map(\.movement).min()
        let sides = [before, after].compactMap(\.self)
        guard !sides.isEmpty, sides.allSatisfy({ $0 <= best.movement - Self.fall }),
            rival <= best.movement - Self.margin
        else { return .untold(likeness: likeness) }
        if best.offset.magnitude <= step { return .here(likeness: best.whole) }
        return .elsewhere(shift: -exact(best.offset, step), likeness: best.whole)
    }

    private func score(
        _ offset: MediaTime, _ step: MediaTime, _ mine: [[Float]], _ moving: [[Float]],
        _ squares: (mine: [Double], other: [Double])
    ) -> Score? {
        var (whole, together, mineSquare, otherSquare, count) = (0.0, 0.0, 0.0, 0.0, 0)
        for (index, moment) in received.enumerated() {
            guard let place = nearest(to: moment.time + offset, within: step) else { continue }
            whole += Self.product(moment.cells, other[place].cells)
            together += Self.product(mine[index], moving[place])
            mineSquare += squares.mine[index]
            otherSquare += squares.other[place]
            count += 1
        }
        guard count > 0 else { return nil }
        let square = mineSquare * otherSquare
        return Score(
            offset: offset, whole: whole / Double(count), movement: square > 0 ? together / square.squareRoot() : 0,
            count: count)
    }

    /// The picture nearest to a time, no further than three quarters of a step from it.
    private func nearest(to time: MediaTime, within step: MediaTime) -> Int? {
        var (low, high) = (0, other.count)
        while low < high {
            let middle = (low + high) / 2
            if other[middle].time < time { low = middle + 1 } else { high = middle }
        }
        let places = [low - 1, low].filter { other.indices.contains($0) }
        let place = places.min { (other[$0].time - time).magnitude < (other[$1].time - time).magnitude }
        return place.flatMap { (other[$0].time - time).magnitude.flicks <= step.flicks / 4 * 3 ? $0 : nil }
    }

    /// An offset by the times of the very pictures that were found alike.
    private func exact(_ offset: MediaTime, _ step: MediaTime) -> MediaTime {
        let differences = received.compactMap { moment in
            nearest(to: moment.time + offset, within: step).map { other[$0].time - moment.time }
        }.sorted()
        return differences.isEmpty ? offset : differences[differences.count / 2]
    }

    private static func less(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).map { $0 - $1 } }

    private static func product(_ a: [Float], _ b: [Float]) -> Double {
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                var sum: Float = 0
                for index in 0..<min(a.count, b.count) { sum += a[index] * b[index] }
                return Double(sum)
            }
        }
    }
}
