package import ThroughlineCore

/// Tells when the start of a transport stream has brought the first frame of each of its flows, so that nobody who wants to
/// know what they are waits for more.
///
/// A flow of pictures has come when a unit with its parameter sets is over, one of sound when its first unit is. A flow
/// that the map names and that brings nothing is waited for as long as others take to go on by `patience`; by `longPatience`
/// where all of it comes at once and nobody waits.
package struct TransportStart {
    /// Muxers hold sound back until a unit is full: of 24 kbit/s for a second.
    static let patience: Int64 = 90_000 * 3 / 2
    static let longPatience: Int64 = 90_000 * 7
    /// What comes within this time nobody waited for.
    static let moment: Duration = .milliseconds(250)

    private enum Payload {
        case h264, hevc, mpegVideo, other
    }

    private struct Flow {
        let payload: Payload
        var hasBegun = false
        /// The unit that is being received tells what the flow is.
        var isTelling = false
        var isKnown = false
        /// Payload bytes of the unit that are still to come, where its header says so.
        var left: Int?
        /// The last bytes of the packet before, for start codes across packets.
        var carry: [UInt8] = []
    }

    private var framer = TransportFramer()
    private var scanner = TransportScanner()
    private var flows: [UInt16: Flow] = [:]
    private var began: Instant?
    /// Of the first unit of any flow that has a time, and the furthest of that flow since, in ticks of 90 kHz.
    private var clock: (pid: UInt16, first: Int64, latest: Int64)?

    package init() {}

    /// Takes the next bytes of the stream.
    ///
    /// - Returns: whether enough has come.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer, at now: Instant) -> Bool {
        if began == nil { began = now }
        scanner.feed(bytes) { _ in }
        for map in scanner.maps.values {
            for flow in map.flows where flows[flow.pid] == nil {
                if let payload = Self.payload(of: flow) { flows[flow.pid] = Flow(payload: payload) }
            }
        }
        var framer = TransportFramer.none
        swap(&framer, &self.framer)
        framer.feed(bytes) { took($0) }
        swap(&framer, &self.framer)
        // Every programme has said what it holds.
        guard let association = scanner.association, !flows.isEmpty,
            scanner.maps.count >= association.maps.count
        else { return false }
        let waits = began.map { now - $0 > Self.moment } ?? false
        let gone = clock.map { $0.latest - $0.first } ?? 0
        let isLate = gone > (waits ? Self.patience : Self.longPatience)
        return flows.values.allSatisfy { $0.isKnown || !$0.hasBegun && isLate }
    }

    /// What a flow of pictures or sound carries; nil for any other, which nobody waits for.
    private static func payload(of flow: ProgramMap.Flow) -> Payload? {
        switch flow.streamType {
        case 0x01, 0x02: .mpegVideo
        case 0x1B: .h264
        case 0x24: .hevc
        case 0x03, 0x04, 0x0F, 0x11, 0x10, 0x1C, 0x81, 0x82, 0x83, 0x84, 0x87, 0x88, 0xEA: .other
        case 0x06: isSound(flow.descriptors) ? .other : nil
        default: nil
        }
    }

    private static let soundFormats = ["AC-3", "EAC3", "Opus", "BSSD", "DTS1", "DTS2", "DTS3"]

    /// AC-3, E-AC-3, DTS and AAC by the descriptors of ETSI EN 300 468, and Opus by its registration.
    private static func isSound(_ descriptors: [UInt8]) -> Bool {
        var rest = descriptors[...]
        while rest.count >= 2 {
            let tag = rest[rest.startIndex]
            let body = rest.dropFirst(2).prefix(Int(rest[rest.startIndex + 1]))
            if [0x6A, 0x7A, 0x7B, 0x7C].contains(tag) { return true }
            if tag == 0x05, soundFormats.contains(where: { body.starts(with: $0.utf8) }) { return true }
            rest = rest.dropFirst(2 + body.count)
        }
        return false
    }

    private mutating func took(_ bytes: UnsafeRawBufferPointer) {
        guard let packet = TransportPacket(bytes), !packet.isDamaged, !packet.payload.isEmpty,
            var flow = flows[packet.pid]
        else { return }
        defer { flows[packet.pid] = flow }
        var payload = UnsafeRawBufferPointer(rebasing: bytes[packet.payload])
        if packet.startsUnit {
            if flow.isTelling { flow.isKnown = true }
            flow.hasBegun = true
            flow.carry = []
            guard let header = Self.header(payload) else { return }
            note(header.time, of: packet.pid)
            flow.left = header.size
            flow.isTelling = flow.payload == .other || packet.isScrambled
            payload = UnsafeRawBufferPointer(rebasing: payload[min(header.length, payload.count)...])
        }
        guard flow.hasBegun, !flow.isKnown else { return }
        if !flow.isTelling { flow.isTelling = Self.tells(payload, &flow.carry, flow.payload) }
        if let left = flow.left {
            flow.left = left - payload.count
            if left <= payload.count, flow.isTelling { flow.isKnown = true }
        }
    }

    private mutating func note(_ time: Int64?, of pid: UInt16) {
        guard let time else { return }
        guard let known = clock else {
            clock = (pid, time, time)
            return
        }
        // A break in the times says nothing of how long has passed.
        if pid == known.pid, time > known.latest, time - known.latest < 90_000 * 10 { clock?.latest = time }
    }

    /// The header of a PES packet (ISO/IEC 13818-1 section 2.4.3.6): its own length, that of what follows where it says so,
    /// and the presentation time.
    private static func header(_ bytes: UnsafeRawBufferPointer) -> (length: Int, size: Int?, time: Int64?)? {
        guard bytes.count >= 9, bytes[0] == 0, bytes[1] == 0, bytes[2] == 1 else { return nil }
        let stated = Int(bytes.bigEndian16(at: 4))
        let length = 9 + Int(bytes[8])
        var time: Int64?
        if bytes[7] & 0x80 != 0, bytes.count >= 14 {
            time =
                Int64(bytes[9] & 0x0E) << 29 | Int64(bytes[10]) << 22 | Int64(bytes[11] & 0xFE) << 14
                | Int64(bytes[12]) << 7 | Int64(bytes[13] >> 1)
        }
        return (length, stated > 0 ? max(0, stated + 6 - length) : nil, time)
    }

    /// Whether a unit has what says how to decode it: a sequence parameter set or a sequence header.
    private static func tells(_ payload: UnsafeRawBufferPointer, _ carry: inout [UInt8], _ kind: Payload) -> Bool {
        let bytes = carry + payload
        carry = Array(bytes.suffix(3))
        guard bytes.count >= 4 else { return false }
        for place in 0...(bytes.count - 4)
        where bytes[place] == 0 && bytes[place + 1] == 0 && bytes[place + 2] == 1 {
            let code = bytes[place + 3]
            let isFound =
                switch kind {
                case .h264: code & 0x1F == 7
                case .hevc: code >> 1 & 0x3F == 33
                case .mpegVideo: code == 0xB3
                case .other: true
                }
            if isFound { return true }
        }
        return false
    }
}
