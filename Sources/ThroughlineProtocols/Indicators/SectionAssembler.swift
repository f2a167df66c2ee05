/// Puts the sections of one PID together from the payloads of its packets (ISO/IEC 13818-1 section 2.4.4).
struct SectionAssembler: Sendable {
    /// Header and the longest length (section 2.4.4.11); those of PAT and PMT are shorter.
    static let largest = 4096

    /// A section of which the end is not there yet.
    private var kept: [UInt8] = []
    /// Whether a packet that starts no section may go on with one.
    private var isInStep = false

    init() {}

    /// Something is missing: what was begun is dropped.
    mutating func interrupted() {
        kept.removeAll(keepingCapacity: true)
        isInStep = false
    }

    /// Takes the payload of the next packet.
    ///
    /// - Parameter body: sees every section that ends in it, for as long as it runs; in place when it lies in one packet.
    mutating func add(
        _ payload: UnsafeRawBufferPointer, startsUnit: Bool, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        var rest = payload
        if startsUnit {
            // pointer_field: bytes that belong to the section before.
            guard let pointer = payload.first.map(Int.init), pointer <= payload.count - 1 else { return interrupted() }
            if isInStep, !kept.isEmpty { complete(with: payload.part(1..<1 + pointer), body) }
            kept.removeAll(keepingCapacity: true)
            isInStep = true
            rest = payload.part(1 + pointer..<payload.count)
        } else {
            guard isInStep, !kept.isEmpty else { return }
            complete(with: payload, body)
            // A packet in which a section starts says so; here only stuffing may follow.
            if kept.isEmpty { interrupted() }
            return
        }
        while let first = rest.first {
            // Stuffing lasts until the next start.
            guard first != 0xFF else { return interrupted() }
            guard rest.count >= 3 else { break }
            let size = Self.size(rest)
            guard size <= rest.count else { break }
            body(rest.part(0..<size))
            rest = rest.part(size..<rest.count)
        }
        kept.append(contentsOf: rest)
    }

    private mutating func complete(with bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        let head = min(max(0, 3 - kept.count), bytes.count)
        kept.append(contentsOf: bytes.prefix(head))
        guard kept.count >= 3 else { return }
        let wanted = kept.withUnsafeBytes { Self.size($0) } - kept.count
        kept.append(contentsOf: bytes.part(head..<bytes.count).prefix(wanted))
        if wanted <= bytes.count - head {
            kept.withUnsafeBytes(body)
            kept.removeAll(keepingCapacity: true)
        }
    }

    /// By its header, of which three bytes are there: 3 to 4098, of which no table may have more than 4096.
    private static func size(_ bytes: UnsafeRawBufferPointer) -> Int {
        3 + Int(bytes.bigEndian16(at: 1) & 0x0FFF)
    }
}
