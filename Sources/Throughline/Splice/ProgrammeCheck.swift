internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// Looks at the pictures of two encodes to tell whether they show the same programme.
///
/// A key picture that was received is decoded alone; the other origin's packets are decoded as they come, and its
/// picture at the same NPT is compared with it by the brightness of a coarse grid: another bitrate or resolution
/// changes little there, another programme nearly everything.
final class ProgrammeCheck {
    enum Finding {
        /// Likeness from -1 to 1.
        case same(likeness: Double)
        case different(likeness: Double)
        /// Nothing could be compared, or the pictures are too plain to tell anything.
        case inconclusive(String)
    }

    /// Likeness from which on two pictures count as the same.
    static let threshold = 0.7
    static let columns = 32
    static let rows = 18
    /// Pictures this close in time are the same picture of the programme.
    static let tolerance = MediaTime.milliseconds(50)

    /// A key picture that was received, with its NPT.
    struct Reference {
        let time: MediaTime
        let grid: [Float]
    }

    let reference: Reference
    private let decoder: Decoder
    private var best: (distance: MediaTime, grid: [Float])?
    private var furthest: MediaTime?
    /// The picture that stands nearest to the reference, near enough or not.
    private var nearest: MediaTime?
    private var sawKey = false

    /// - Parameter flow: the other origin's flow.
    init?(reference: Reference, flow: FlowFormat) {
        guard let decoder = try? Decoder(flow: flow) else { return nil }
        self.reference = reference
        self.decoder = decoder
    }

    /// Decodes a key picture among `packets`: the last one at or before a time, so that the other origin need not be read
    /// far to see it; the first one where there is none before.
    static func reference(
        _ packets: borrowing UniqueDeque<Packet>, before time: MediaTime, format: FlowFormat
    ) -> Reference? {
        var index = packets.count - 1
        while index > 0, packets[index].pts.map({ $0 > time }) ?? true { index -= 1 }
        while index >= 0 {
            if packets[index].isKey, let time = packets[index].pts, let decoder = try? Decoder(flow: format) {
                var grid: [Float]?
                func keep(_ frame: borrowing DecodedFrame) {
                    if grid == nil { grid = frame.lumaGrid(columns: columns, rows: rows) }
                }
                decoder.decode(packets[index]) { keep($0) }
                decoder.drain { keep($0) }
                if let grid { return Reference(time: time, grid: grid) }
            }
            index -= 1
        }
        return nil
    }

    /// True once pictures behind the reference have been seen: more packets would tell nothing.
    var isDecided: Bool { furthest.map { $0 > reference.time + Self.tolerance } ?? false }

    /// A packet of the other origin's flow, in decode order.
    func look(at packet: borrowing Packet) {
        sawKey = sawKey || packet.isKey
        guard sawKey, !isDecided else { return }
        decoder.decode(packet) { look($0) }
    }

    private func look(_ frame: borrowing DecodedFrame) {
        guard let pts = frame.pts else { return }
        furthest = max(furthest ?? pts, pts)
        if nearest.map({ (pts - reference.time).magnitude < ($0 - reference.time).magnitude }) ?? true { nearest = pts }
        let distance = (pts - reference.time).magnitude
        guard distance <= Self.tolerance, best.map({ distance < $0.distance }) ?? true,
            let grid = frame.lumaGrid(columns: Self.columns, rows: Self.rows)
        else { return }
        best = (distance, grid)
    }

    /// What the packets so far show.
    func finding() -> Finding {
        if !isDecided { decoder.drain { look($0) } }
        guard let best else {
            let place = nearest.map { ", the nearest at \($0)" } ?? ""
            return .inconclusive("no picture stands at \(reference.time)\(place)")
        }
        guard let likeness = Self.likeness(reference.grid, best.grid) else {
            return .inconclusive("the pictures at \(reference.time) are too plain to compare")
        }
        return likeness >= Self.threshold ? .same(likeness: likeness) : .different(likeness: likeness)
    }

    /// Correlation of two grids; nil where one of them is nearly even.
    static func likeness(_ a: [Float], _ b: [Float]) -> Double? {
        guard a.count == b.count, !a.isEmpty else { return nil }
        let count = Double(a.count)
        let meanA = a.reduce(0.0) { $0 + Double($1) } / count
        let meanB = b.reduce(0.0) { $0 + Double($1) } / count
        var (varianceA, varianceB, covariance) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            let (dx, dy) = (Double(x) - meanA, Double(y) - meanB)
            varianceA += dx * dx
            varianceB += dy * dy
            covariance += dx * dy
        }
        guard varianceA / count > 4, varianceB / count > 4 else { return nil }
        return covariance / (varianceA * varianceB).squareRoot()
    }
}
