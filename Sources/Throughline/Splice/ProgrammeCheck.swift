internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// Looks at the pictures of two encodes to tell whether they show the same programme.
///
/// A key picture that was received is decoded alone, the other origin is read and decoded up to the same NPT, and the
/// brightness of both is compared over a coarse grid: another bitrate or resolution changes little there, another
/// programme nearly everything.
enum ProgrammeCheck {
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
    /// Packets of the other origin that are read at the most.
    static let packetLimit = 2_000

    /// Key pictures that were received, with their NPT.
    struct Reference {
        let time: MediaTime
        let grid: [Float]
    }

    /// Decodes the key pictures among `packets`, the last ones first.
    static func references(
        _ packets: borrowing UniqueDeque<Packet>, format: FlowFormat, limit: Int = 2
    ) -> [Reference] {
        var found: [Reference] = []
        var index = packets.count - 1
        while index >= 0, found.count < limit {
            if packets[index].isKey, let time = packets[index].pts, let decoder = try? Decoder(flow: format) {
                var grid: [Float]?
                func keep(_ frame: borrowing DecodedFrame) {
                    if grid == nil { grid = frame.lumaGrid(columns: columns, rows: rows) }
                }
                decoder.decode(packets[index]) { keep($0) }
                decoder.drain { keep($0) }
                if let grid { found.append(Reference(time: time, grid: grid)) }
            }
            index -= 1
        }
        return found
    }

    /// Compares a reference with what an ingest shows at the same NPT.
    static func compare(_ reference: Reference, with ingest: Ingest, flow: FlowFormat) -> Finding {
        guard (try? ingest.demuxer.seek(to: reference.time)) != nil, let decoder = try? Decoder(flow: flow) else {
            return .inconclusive("the place could not be read")
        }
        var best: (distance: MediaTime, grid: [Float])?
        var furthest: MediaTime?
        var sawKey = false
        let tolerance = MediaTime.milliseconds(50)
        func look(_ frame: borrowing DecodedFrame) {
            guard let pts = frame.pts else { return }
            furthest = max(furthest ?? pts, pts)
            let distance = (pts - reference.time).magnitude
            guard distance <= tolerance, distance < best?.distance ?? MediaTime(flicks: .max),
                let grid = frame.lumaGrid(columns: columns, rows: rows)
            else { return }
            best = (distance, grid)
        }
        var count = 0
        while count < packetLimit, (furthest ?? reference.time - tolerance) <= reference.time,
            let packet = try? ingest.read()
        {
            count += 1
            guard packet.flow == flow.index else { continue }
            sawKey = sawKey || packet.isKey
            guard sawKey else { continue }
            decoder.decode(packet) { look($0) }
        }
        decoder.drain { look($0) }
        guard let best else { return .inconclusive("no picture stands at \(reference.time)") }
        guard let likeness = likeness(reference.grid, best.grid) else {
            return .inconclusive("the pictures at \(reference.time) are too plain to compare")
        }
        return likeness >= threshold ? .same(likeness: likeness) : .different(likeness: likeness)
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
