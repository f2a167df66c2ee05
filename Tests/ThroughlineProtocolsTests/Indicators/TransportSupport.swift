internal import ThroughlineCore

@testable import ThroughlineProtocols

/// Writes packets of a transport stream as a test needs them.
struct TransportWriter {
    private(set) var bytes: [UInt8] = []
    private var counters: [UInt16: UInt8] = [:]

    /// One packet.
    ///
    /// - Parameters:
    ///   - payload: at most 184 bytes, less what the adaptation field takes; filled up by the field.
    ///   - ticks: PCR, in ticks of 27 MHz.
    ///   - skipping: packets that are left out before it.
    mutating func packet(
        _ pid: UInt16, _ payload: [UInt8], starts: Bool = false, discontinuous: Bool = false, ticks: UInt64? = nil,
        skipping: UInt8 = 0
    ) {
        var field: [UInt8] = []
        if discontinuous || ticks != nil {
            field = [(discontinuous ? 0x80 : 0) | (ticks == nil ? 0 : 0x10)]
            if let ticks { field.append(bigEndian: (ticks / 300) << 15 | 0x7E00 | ticks % 300, count: 6) }
        }
        var adaptation: [UInt8] = []
        let room = 184 - payload.count
        if room > 0 {
            if field.isEmpty, room > 1 { field = [0] }
            adaptation = [UInt8(room - 1)] + field + Array(repeating: 0xFF, count: room - 1 - field.count)
        }
        var counter = counters[pid] ?? 15
        if !payload.isEmpty { counter = (counter &+ 1 &+ skipping) & 0x0F }
        counters[pid] = counter
        bytes += [0x47, (starts ? 0x40 : 0) | UInt8(pid >> 8), UInt8(truncatingIfNeeded: pid)]
        bytes.append((adaptation.isEmpty ? 0 : 0x20) | (payload.isEmpty ? 0 : 0x10) | counter)
        bytes += adaptation + payload
    }

    /// Sections one after the other, over as many packets as it takes.
    ///
    /// - Parameter size: bytes of payload in each packet.
    mutating func sections(_ pid: UInt16, _ sections: [[UInt8]], size: Int = 184) {
        var starts: [Int] = []
        var all: [UInt8] = []
        for section in sections {
            starts.append(all.count)
            all += section
        }
        var at = 0
        while at < all.count {
            // Where a section starts, a pointer takes one byte; one that would start in that byte waits.
            let next = starts.first { $0 >= at && $0 < at + size }
            let pointer = next.flatMap { $0 < at + size - 1 ? UInt8($0 - at) : nil }
            let piece = all[at..<min(all.count, at + (next == nil ? size : size - 1))]
            let isLast = at + piece.count == all.count
            at += piece.count
            let payload = (pointer.map { [$0] } ?? []) + piece
            let stuffing = [UInt8](repeating: 0xFF, count: isLast ? size - payload.count : 0)
            packet(pid, payload + stuffing, starts: pointer != nil)
        }
    }

    /// A PES packet.
    ///
    /// - Parameter isBounded: whether it says how long it is.
    mutating func unit(_ pid: UInt16, _ payload: [UInt8], ticks: UInt64?, isBounded: Bool = true) {
        var body: [UInt8] = [0x84, 0, 0]
        if let ticks {
            body = [
                0x84, 0x80, 5, 0x21 | UInt8(ticks >> 29 & 0x0E), UInt8(truncatingIfNeeded: ticks >> 22),
                UInt8(truncatingIfNeeded: ticks >> 14) | 1, UInt8(truncatingIfNeeded: ticks >> 7),
                UInt8(truncatingIfNeeded: ticks << 1) | 1,
            ]
        }
        body += payload
        var rest: ArraySlice<UInt8> = [0, 0, 1, 0xBD]
        let length = isBounded ? body.count : 0
        rest += [UInt8(length >> 8), UInt8(length & 0xFF)] + body
        var starts = true
        while !rest.isEmpty {
            packet(pid, Array(rest.prefix(184)), starts: starts)
            rest = rest.dropFirst(184)
            starts = false
        }
    }

    mutating func association(_ maps: [UInt16: UInt16], version: UInt8 = 0, number: UInt8 = 0, last: UInt8 = 0) {
        var body: [UInt8] = []
        for (program, pid) in maps.sorted(by: { $0.key < $1.key }) {
            body.append(bigEndian: UInt64(program), count: 2)
            body.append(bigEndian: 0xE000 | UInt64(pid), count: 2)
        }
        sections(0, [Self.table(0, 1, version, number, last, body)])
    }

    mutating func map(_ pid: UInt16, _ map: ProgramMap) { sections(pid, [Self.section(map)]) }

    static func section(_ map: ProgramMap) -> [UInt8] {
        var body: [UInt8] = []
        body.append(bigEndian: 0xE000 | UInt64(map.clockPID), count: 2)
        body.append(bigEndian: 0xF000 | UInt64(map.descriptors.count), count: 2)
        body += map.descriptors
        for flow in map.flows {
            body.append(flow.streamType)
            body.append(bigEndian: 0xE000 | UInt64(flow.pid), count: 2)
            body.append(bigEndian: 0xF000 | UInt64(flow.descriptors.count), count: 2)
            body += flow.descriptors
        }
        return table(2, map.program, map.version, 0, 0, body)
    }

    static func table(
        _ id: UInt8, _ identifier: UInt16, _ version: UInt8, _ number: UInt8, _ last: UInt8, _ body: [UInt8],
        isCurrent: Bool = true
    ) -> [UInt8] {
        var section = [id]
        section.append(bigEndian: 0xB000 | UInt64(body.count + 9), count: 2)
        section.append(bigEndian: UInt64(identifier), count: 2)
        section += [0xC0 | version << 1 | (isCurrent ? 1 : 0), number, last] + body
        SectionChecksum.append(to: &section)
        return section
    }
}

/// The events of a stream that is fed in pieces of one size.
func scan(
    _ bytes: [UInt8], pieces size: Int = 1000, with scanner: TransportScanner = TransportScanner(),
    finishes: Bool = true
) -> [TransportScanner.Event] {
    var scanner = scanner
    var events: [TransportScanner.Event] = []
    bytes.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: size) {
            scanner.feed(bytes.part(start..<min(start + size, bytes.count))) { events.append($0) }
        }
    }
    if finishes { scanner.finish { events.append($0) } }
    return events
}
