internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// Listens to two encodes without pictures to tell whether they are the same programme: what was received last is
/// decoded, and the same stretch of the other origin is compared with it.
struct SoundCheck {
    enum Finding {
        /// Likeness from -1 to 1; it stands where it should, and nowhere else.
        case here(likeness: Double)
        /// The same sound, elsewhere: this is to be added to the times of the other origin.
        case elsewhere(shift: MediaTime, likeness: Double)
        /// The same sound, as far as can be heard, that tells no place.
        case untold(likeness: Double)
        case different(likeness: Double)
        case inconclusive(String)
    }

    /// Encoders delay the sound by a frame or two, and containers tell of it or not.
    static let slack = 8
    /// How far around that the place is sought.
    static let reach = 300
    /// Blocks at the start of each sound that its decoder may have got wrong.
    static let skipped = 10

    private struct Listener {
        let decoder: Decoder
        var start: MediaTime?
        var print: SoundPrint?

        init?(flow: FlowFormat) {
            guard let decoder = try? Decoder(flow: flow) else { return nil }
            self.decoder = decoder
        }

        mutating func hear(_ packet: borrowing Packet) {
            decoder.decode(packet) { frame in
                guard let samples = frame.monoSamples(), let pts = frame.pts else { return }
                if print == nil {
                    print = SoundPrint(sampleRate: samples.rate)
                    start = pts
                }
                print?.add(samples.values)
            }
        }
    }

    private let reference: Listener
    private var other: Listener
    /// The stretch that is compared.
    let start: MediaTime
    let end: MediaTime

    /// - Parameters:
    ///   - received: the last packets of a flow, in order.
    ///   - flow: the other origin's flow.
    init?(received: borrowing UniqueDeque<Packet>, format: FlowFormat, flow: FlowFormat) {
        guard var reference = Listener(flow: format), let other = Listener(flow: flow) else { return nil }
        var end: MediaTime?
        for index in 0..<received.count {
            reference.hear(received[index])
            if let pts = received[index].pts { end = pts + received[index].duration }
        }
        guard let start = reference.start, let end, start < end else { return nil }
        self.reference = reference
        self.other = other
        self.start = start
        self.end = end
    }

    /// A packet of the other origin's flow, in order.
    mutating func hear(_ packet: borrowing Packet) { other.hear(packet) }

    func finding() -> Finding {
        guard let mine = reference.print, let others = other.print, let otherStart = other.start else {
            return .inconclusive("there is no sound to compare at \(start)")
        }
        let offset = (start - otherStart).nanoseconds / SoundPrint.hop.wholeNanoseconds
        guard abs(offset) < 10_000,
            let placement = mine.placement(
                in: others, offset: Int(offset), slack: Self.slack, reach: Self.reach, skipped: Self.skipped)
        else { return .inconclusive("there is too little sound to compare at \(start)") }
        switch placement {
        case .here(let likeness): return .here(likeness: Double(likeness))
        case .elsewhere(let blocks, let likeness):
            let shift = MediaTime(SoundPrint.hop * -blocks)
            return .elsewhere(shift: shift, likeness: Double(likeness))
        case .untold(let likeness): return .untold(likeness: Double(likeness))
        case .different(let likeness): return .different(likeness: Double(likeness))
        }
    }
}
