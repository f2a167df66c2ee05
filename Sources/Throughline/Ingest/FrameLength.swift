internal import ThroughlineCore

/// How long a picture lasts: as the parameter sets or the description state it, unless the pictures contradict.
struct FrameLength {
    /// Pictures after which what was stated is judged.
    private static let trial = 16
    private let stated: MediaTime?
    private var lastDecode: MediaTime?
    private var steps = 0
    /// The least step between decode times, in which a lost picture shows as two.
    private var least: MediaTime?

    init(stated: MediaTime?) { self.stated = stated }

    mutating func restart() { lastDecode = nil }

    /// The length of the picture that is decoded at this time; zero where it is not known.
    mutating func next(decode: MediaTime?) -> MediaTime {
        if let decode {
            if let lastDecode, decode > lastDecode {
                let step = decode - lastDecode
                steps += 1
                least = least.map { min($0, step) } ?? step
                // Rates change: what was once is forgotten in time.
                if steps > 1024 { (steps, least) = (Self.trial, step) }
            }
            lastDecode = decode
        }
        guard let stated else { return least.map { min($0, .seconds(10)) } ?? .zero }
        // Twice the frames that were promised, or half of them: a rate of fields, of clock ticks.
        if steps >= Self.trial, let least, least > stated * Rate(3, 2) || least < stated * Rate(2, 3) { return least }
        return stated
    }
}
