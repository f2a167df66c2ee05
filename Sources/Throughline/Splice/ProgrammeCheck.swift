internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// Looks at the pictures of two encodes to tell whether they show the same programme, at the same place.
///
/// Some pictures that were received are decoded, from a key picture on; the other origin's packets are decoded as they come,
/// and its pictures around those times are compared with them (`PicturePlace`).
final class ProgrammeCheck {
    static let columns = 32
    static let rows = 18
    /// How far behind the last picture that was received another encode is looked at: at first, and where that did not tell.
    static let reach = MediaTime.milliseconds(600)
    static let furthestReach = MediaTime.seconds(3)
    /// Pictures that were received are decoded over so long, and no more of them.
    static let span = MediaTime.milliseconds(600)
    static let pictureLimit = 20
    /// Of these so many are compared.
    static let momentLimit = 6

    /// Pictures that were received, with their NPT, from a key picture on.
    struct Reference {
        let pictures: [(time: MediaTime, grid: [Float])]
        var time: MediaTime { pictures[0].time }
        var end: MediaTime { pictures[pictures.count - 1].time }
    }

    let reference: Reference
    private let decoder: Decoder
    /// What the other origin showed, in order of time.
    private var seen: [(time: MediaTime, grid: [Float])] = []
    private var sawKey = false
    private var isDrained = false
    private var hasLooked = false
    private var isClear = false

    /// - Parameter flow: the other origin's flow.
    init?(reference: Reference, flow: FlowFormat) {
        guard let decoder = try? Decoder(flow: flow) else { return nil }
        self.reference = reference
        self.decoder = decoder
    }

    /// Decodes pictures from a key picture on: the last one at or before a time, so that the other origin need not be read
    /// far to see it; the first one where there is none before.
    ///
    /// - Parameters:
    ///   - keys: key packets, in order.
    ///   - tail: the last packets received, in decode order; what follows the key picture is found there, or not.
    static func reference(
        _ keys: borrowing UniqueDeque<Packet>, tail: borrowing UniqueDeque<Packet>, before time: MediaTime,
        format: FlowFormat
    ) -> Reference? {
        var index = keys.count - 1
        while index > 0, keys[index].pts.map({ $0 > time }) ?? true { index -= 1 }
        while index >= 0 {
            if keys[index].isKey, let start = keys[index].pts, let decoder = try? Decoder(flow: format) {
                var pictures: [(time: MediaTime, grid: [Float])] = []
                func keep(_ frame: borrowing DecodedFrame) {
                    guard let pts = frame.pts, pts >= start, pts <= start + span,
                        let grid = frame.lumaGrid(columns: columns, rows: rows)
                    else { return }
                    pictures.append((pts, grid))
                }
                decoder.decode(keys[index]) { keep($0) }
                var place = 0
                while place < tail.count, tail[place].pts != start || !tail[place].isKey { place += 1 }
                var count = 1
                for next in place + 1..<max(place + 1, tail.count) where count < pictureLimit && !tail[next].isKey {
                    decoder.decode(tail[next]) { keep($0) }
                    count += 1
                }
                decoder.drain { keep($0) }
                if !pictures.isEmpty { return Reference(pictures: spread(pictures.sorted { $0.time < $1.time })) }
            }
            index -= 1
        }
        return nil
    }

    /// A few of them, the first and the last among them.
    private static func spread(
        _ pictures: [(time: MediaTime, grid: [Float])]
    ) -> [(time: MediaTime, grid: [Float])] {
        guard pictures.count > momentLimit else { return pictures }
        return (0..<momentLimit).map { pictures[$0 * (pictures.count - 1) / (momentLimit - 1)] }
    }

    /// True once more packets would tell nothing.
    var isDecided: Bool {
        if isClear { return true }
        guard let last = seen.last?.time else { return false }
        if last > reference.end + Self.furthestReach { return true }
        if !hasLooked, last > reference.end + Self.reach {
            hasLooked = true
            if case .here = place { isClear = true }
        }
        return isClear
    }

    /// A packet of the other origin's flow, in decode order.
    func look(at packet: borrowing Packet) {
        sawKey = sawKey || packet.isKey
        guard sawKey, !isClear, !isDrained else { return }
        decoder.decode(packet) { look($0) }
    }

    private func look(_ frame: borrowing DecodedFrame) {
        guard let pts = frame.pts, pts <= reference.end + Self.furthestReach + Self.reach,
            let grid = frame.lumaGrid(columns: Self.columns, rows: Self.rows)
        else { return }
        let index = seen.lastIndex { $0.time < pts }.map { $0 + 1 } ?? 0
        seen.insert((pts, grid), at: index)
    }

    private var place: PicturePlace.Finding {
        var place = PicturePlace()
        for picture in reference.pictures { place.wasReceived(picture.grid, at: picture.time) }
        for picture in seen { place.wasShown(picture.grid, at: picture.time) }
        return place.finding()
    }

    /// What the packets so far show.
    func finding() -> PicturePlace.Finding {
        if !isClear, !isDrained {
            isDrained = true
            decoder.drain { look($0) }
        }
        return place
    }
}
