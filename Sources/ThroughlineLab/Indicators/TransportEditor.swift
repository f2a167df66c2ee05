internal import ThroughlineCore
internal import ThroughlineProtocols

/// Writes indicators into a transport stream: the packets that are there stay as they are and where they are, but for the
/// map, the picture that gets a message, and the times behind a discontinuity.
///
/// For streams of one programme whose map fits into a packet, of 188 bytes a packet, as multiplexers for files write them.
struct TransportEditor {
    private typealias Packet = ArraySlice<UInt8>

    /// PIDs of the flows that are added, if they are free.
    private static let spare: ClosedRange<UInt16> = 0x1F0...0x1FFE

    private let bytes: [UInt8]
    private let mapPID: UInt16
    private let map: ProgramMap
    private let codec: VideoCodec?
    /// Pictures, or sound where there are none: what places are told by.
    private let leadPID: UInt16
    private let zero: UInt64
    private var pending: [InsertedIndicator]

    private var output: [UInt8] = []
    /// What is added to the counters of a PID.
    private var counterShifts: [UInt16: UInt8] = [:]
    /// The counters of the PIDs that are added.
    private var counters: [UInt16: UInt8] = [:]
    private var newMap: ProgramMap
    private var metadataPID: UInt16?
    private var splicePID: UInt16?
    /// PIDs of the flows as they are written, by those that they have in the file.
    private var moved: [UInt16: UInt16] = [:]
    /// Added to all times.
    private var jump: UInt64 = 0
    /// Packets from the start of the picture that gets a message on, and that message.
    private var held: (packets: [Packet], message: UserDataMessage)?

    /// The stream with the indicators in it.
    static func edit(_ bytes: [UInt8], inserting indicators: [InsertedIndicator]) throws(OriginError) -> [UInt8] {
        var editor = try TransportEditor(bytes, indicators)
        return try editor.run()
    }

    private init(_ bytes: [UInt8], _ indicators: [InsertedIndicator]) throws(OriginError) {
        self.bytes = bytes
        guard bytes.count >= 188, bytes.count.isMultiple(of: 188) else {
            throw OriginError(description: "a transport stream of other packets than 188 bytes is not written to")
        }
        pending = indicators.sorted { $0.carrier < $1.carrier }
        var scanner = TransportScanner()
        bytes.withUnsafeBytes { scanner.feed($0) { _ in } }
        guard let (program, mapPID) = scanner.association?.maps.min(by: { $0.key < $1.key }),
            let map = scanner.maps[program]
        else { throw OriginError(description: "the transport stream has no map of a programme") }
        self.mapPID = mapPID
        self.map = map
        newMap = map
        let video = map.flows.first { [0x1B, 0x24].contains($0.streamType) }
        codec = video.map { $0.streamType == 0x1B ? .h264 : .hevc }
        guard let lead = video ?? map.flows.first(where: { [0x03, 0x04, 0x0F, 0x11].contains($0.streamType) }) else {
            throw OriginError(description: "the transport stream has neither pictures nor sound to go by")
        }
        leadPID = lead.pid
        var first: UInt64?
        for start in stride(from: 0, to: bytes.count, by: 188) where first == nil {
            first = Self.time(of: bytes[start..<start + 188], pid: lead.pid)
        }
        guard let first else { throw OriginError(description: "the transport stream has no times") }
        zero = first
        var free = Self.spare.filter { pid in pid != mapPID && !map.flows.contains { $0.pid == pid } }.prefix(2)
        if indicators.contains(where: { $0.kind == .timedMetadata }), let pid = free.popFirst() {
            metadataPID = pid
            // metadata_descriptor (ISO/IEC 13818-1 section 2.6.60): format ID3, no more.
            newMap.flows.append(
                ProgramMap.Flow(
                    pid: pid, streamType: 0x15,
                    descriptors: [0x26, 13, 0xFF, 0xFF] + Array("ID3 ".utf8) + [0xFF] + Array("ID3 ".utf8) + [0, 0x0F]))
        }
        if indicators.contains(where: { $0.kind == .splice }), let pid = free.popFirst() {
            splicePID = pid
            newMap.descriptors += [0x05, 4] + Array("CUEI".utf8)
            newMap.flows.append(ProgramMap.Flow(pid: pid, streamType: 0x86))
        }
        output.reserveCapacity(bytes.count + 4096)
    }

    private func ticks(_ npt: NPT) -> UInt64 {
        let ticks = npt.value(in: TimeBase(1, 90_000))
        return (zero &+ UInt64(bitPattern: ticks) &+ jump) % StreamClock.turn
    }

    // MARK: Going through

    private mutating func run() throws(OriginError) -> [UInt8] {
        for start in stride(from: 0, to: bytes.count, by: 188) {
            let packet = bytes[start..<start + 188]
            let pid = Self.pid(packet)
            if pid == leadPID, Self.startsUnit(packet) {
                try release()
                if let time = Self.time(of: packet, pid: leadPID) { try insert(before: time, packet) }
            }
            if held != nil {
                held?.packets.append(packet)
            } else if pid == mapPID {
                try writeMap()
            } else {
                write(packet)
            }
        }
        try release()
        return output
    }

    private mutating func insert(before time: UInt64, _ packet: Packet) throws(OriginError) {
        let npt = StreamClock(ticks: zero, at: .zero).npt(of: time)
        while let next = pending.first, next.carrier <= npt {
            pending.removeFirst()
            switch next.kind {
            case .userData:
                guard codec != nil, let message = next.message else {
                    throw OriginError(description: "user data goes into H.264 and HEVC pictures; there are none")
                }
                held = ([], UserDataMessage(message))
                // One message in a picture.
                return
            case .timedMetadata:
                guard let tag = next.tag, let pid = metadataPID else {
                    throw OriginError(description: "the ID3 tag cannot be written")
                }
                writeUnit(tag, pid: pid, ticks: ticks(next.carrier))
            case .splice:
                guard let section = next.section({ ticks($0) }), let pid = splicePID else {
                    throw OriginError(description: "the splice command cannot be written")
                }
                writeSection(section, pid: pid)
            case .discontinuity:
                writeDiscontinuity()
                jump = (jump &+ UInt64(bitPattern: next.jump.value(in: TimeBase(1, 90_000)))) % StreamClock.turn
            case .programChange:
                newMap.version = (newMap.version + 1) & 0x1F
                if next.movesFlows { moveFlows() }
                try writeMap(isExtra: true)
            }
        }
    }

    /// Gives the flows of the file other PIDs from here on.
    private mutating func moveFlows() {
        var taken = Set(map.flows.map(\.pid)).union(newMap.flows.map(\.pid))
        taken.formUnion([mapPID, map.clockPID])
        for (index, flow) in map.flows.enumerated() {
            guard let free = (0x20...0x1FFE as ClosedRange<UInt16>).first(where: { !taken.contains($0) }) else {
                return
            }
            taken.insert(free)
            moved[flow.pid] = free
            newMap.flows[index].pid = free
        }
        newMap.clockPID = moved[map.clockPID] ?? map.clockPID
    }

    /// Writes a packet with its counter and its times moved.
    private mutating func write(_ packet: Packet) {
        var packet = Array(packet)
        let pid = UInt16(packet[1] & 0x1F) << 8 | UInt16(packet[2])
        if let shift = counterShifts[pid] { packet[3] = packet[3] & 0xF0 | (packet[3] &+ shift) & 0x0F }
        if jump != 0 { moveTimes(&packet) }
        let written = moved[pid] ?? pid
        packet[1] = packet[1] & 0xE0 | UInt8(written >> 8)
        packet[2] = UInt8(truncatingIfNeeded: written)
        output += packet
    }

    private func moveTimes(_ packet: inout [UInt8]) {
        guard let header = packet.withUnsafeBytes({ TransportPacket($0) }) else { return }
        if header.clockReference != nil {
            let base =
                UInt64(packet[6]) << 25 | UInt64(packet[7]) << 17 | UInt64(packet[8]) << 9 | UInt64(packet[9]) << 1
                | UInt64(packet[10] >> 7)
            let moved = (base + jump) % StreamClock.turn
            for (index, shift) in [25, 17, 9, 1].enumerated() {
                packet[6 + index] = UInt8(truncatingIfNeeded: moved >> UInt64(shift))
            }
            packet[10] = packet[10] & 0x7F | UInt8(moved & 1) << 7
        }
        let start = header.payload.lowerBound
        guard header.startsUnit, start + 14 <= 188, packet[start...].starts(with: [0, 0, 1]) else { return }
        func move(_ place: Int) {
            guard place + 5 <= 188 else { return }
            let time = (Self.timestamp(packet[place..<place + 5]) + jump) % StreamClock.turn
            packet.replaceSubrange(place..<place + 5, with: Self.field(time, mark: packet[place] >> 4))
        }
        if packet[start + 7] & 0x80 != 0 { move(start + 9) }
        if packet[start + 7] & 0x40 != 0 { move(start + 14) }
    }

    // MARK: What is added

    /// - Parameter isExtra: it stands where none stood.
    private mutating func writeMap(isExtra: Bool = false) throws(OriginError) {
        let section = newMap.section
        guard section.count <= 183 else { throw OriginError(description: "the map of the programme is too large") }
        // The counter of the maps goes on, whatever was added.
        let counter = counters[mapPID].map { ($0 + 1) & 0x0F } ?? 0
        counters[mapPID] = counter
        writePacket(mapPID, [0] + section, starts: true, counter: counter, fill: true)
    }

    private mutating func writeSection(_ section: [UInt8], pid: UInt16) {
        var rest = ([0] + section)[...]
        var starts = true
        while !rest.isEmpty {
            writePacket(pid, Array(rest.prefix(184)), starts: starts, counter: count(pid), fill: true)
            rest = rest.dropFirst(184)
            starts = false
        }
    }

    private mutating func writeUnit(_ payload: [UInt8], pid: UInt16, ticks: UInt64) {
        let body = [0x84, 0x80, 5] + Self.field(ticks, mark: 2) + payload
        var rest = ([0, 0, 1, 0xBD, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body)[...]
        var starts = true
        while !rest.isEmpty {
            writePacket(pid, Array(rest.prefix(184)), starts: starts, counter: count(pid), fill: false)
            rest = rest.dropFirst(184)
            starts = false
        }
    }

    /// A packet of the clock's PID with nothing but the sign.
    private mutating func writeDiscontinuity() {
        let pid = moved[map.clockPID] ?? map.clockPID
        output += [0x47, UInt8(pid >> 8), UInt8(truncatingIfNeeded: pid), 0x20, 183, 0x80]
        output += Array(repeating: 0xFF, count: 182)
    }

    private mutating func count(_ pid: UInt16) -> UInt8 {
        let counter = counters[pid].map { ($0 + 1) & 0x0F } ?? 0
        counters[pid] = counter
        return counter
    }

    /// - Parameter fill: with stuffing behind the payload, as sections have it, and not before.
    private mutating func writePacket(
        _ pid: UInt16, _ payload: [UInt8], adaptation: [UInt8]? = nil, starts: Bool, counter: UInt8, fill: Bool
    ) {
        var field = adaptation
        var payload = payload
        if fill {
            payload += Array(repeating: 0xFF, count: 184 - payload.count)
        } else {
            let used = field.map { $0.count + 1 } ?? 0
            var missing = 184 - payload.count - used
            if missing > 0 {
                if field == nil {
                    missing -= 1
                    field = []
                    if missing > 0 {
                        field = [0]
                        missing -= 1
                    }
                }
                field = (field ?? []) + Array(repeating: 0xFF, count: missing)
            }
        }
        output += [0x47, (starts ? 0x40 : 0) | UInt8(pid >> 8), UInt8(truncatingIfNeeded: pid)]
        output.append((field == nil ? 0 : 0x20) | 0x10 | counter)
        if let field { output += [UInt8(field.count)] + field }
        output += payload
    }

    // MARK: The picture that gets a message

    /// The picture has come to its end: it is written anew, with the message in it.
    private mutating func release() throws(OriginError) {
        guard let (packets, message) = held, let codec else { return }
        held = nil
        let own = packets.filter { Self.pid($0) == leadPID }
        var unit: [UInt8] = []
        for packet in own {
            guard let header = packet.withUnsafeBytes({ TransportPacket($0) }) else { continue }
            unit += packet[(packet.startIndex + header.payload.lowerBound)...]
        }
        let start = unit.count > 8 ? 9 + Int(unit[8]) : unit.count
        let picture = Array(unit.dropFirst(start))
        let edited = picture.withUnsafeBytes { message.inserted(into: $0, codec: codec, framing: .startCodes) }
        guard let edited, let first = own.first else {
            throw OriginError(description: "a picture of the transport stream cannot be taken apart")
        }
        var head = Array(unit.prefix(start))
        let length = Int(head[4]) << 8 | Int(head[5])
        if length > 0 {
            let longer = length + edited.count - picture.count
            (head[4], head[5]) = longer > 0xFFFF ? (0, 0) : (UInt8(longer >> 8), UInt8(longer & 0xFF))
        }
        var rest = (head + edited)[...]
        var counter = first[first.startIndex + 3] & 0x0F
        var starts = true
        var written = 0
        func writeNext(_ adaptation: [UInt8]?) {
            let room = 184 - (adaptation.map { $0.count + 1 } ?? 0)
            let from = output.count
            writePacket(
                moved[leadPID] ?? leadPID, Array(rest.prefix(room)), adaptation: adaptation, starts: starts,
                counter: (counter &+ (counterShifts[leadPID] ?? 0)) & 0x0F, fill: false)
            if jump != 0 {
                var packet = Array(output[from...])
                moveTimes(&packet)
                output.replaceSubrange(from..., with: packet)
            }
            rest = rest.dropFirst(room)
            counter = (counter + 1) & 0x0F
            starts = false
            written += 1
        }
        for packet in packets {
            if Self.pid(packet) != leadPID {
                if Self.pid(packet) == mapPID { try writeMap() } else { write(packet) }
            } else if !rest.isEmpty {
                writeNext(Self.adaptation(packet))
            }
        }
        while !rest.isEmpty { writeNext(nil) }
        let more = UInt8(truncatingIfNeeded: written - own.count)
        counterShifts[leadPID] = ((counterShifts[leadPID] ?? 0) &+ more) & 0x0F
    }

    // MARK: Packets

    private static func pid(_ packet: Packet) -> UInt16 {
        UInt16(packet[packet.startIndex + 1] & 0x1F) << 8 | UInt16(packet[packet.startIndex + 2])
    }

    private static func startsUnit(_ packet: Packet) -> Bool { packet[packet.startIndex + 1] & 0x40 != 0 }

    /// The presentation time of the PES packet that starts in a packet.
    private static func time(of packet: Packet, pid wanted: UInt16) -> UInt64? {
        guard pid(packet) == wanted, startsUnit(packet),
            let header = packet.withUnsafeBytes({ TransportPacket($0) })
        else { return nil }
        let payload = packet[(packet.startIndex + header.payload.lowerBound)...]
        guard payload.count >= 14, payload.starts(with: [0, 0, 1]), payload[payload.startIndex + 7] & 0x80 != 0 else {
            return nil
        }
        return timestamp(payload.dropFirst(9).prefix(5))
    }

    private static func timestamp(_ field: ArraySlice<UInt8>) -> UInt64 {
        let bytes = field.map { UInt64($0) }
        return (bytes[0] & 0x0E) << 29 | bytes[1] << 22 | (bytes[2] & 0xFE) << 14 | bytes[3] << 7 | bytes[4] >> 1
    }

    private static func field(_ time: UInt64, mark: UInt8) -> [UInt8] {
        [
            mark << 4 | UInt8(time >> 29 & 0x0E) | 1, UInt8(truncatingIfNeeded: time >> 22),
            UInt8(truncatingIfNeeded: time >> 14) | 1, UInt8(truncatingIfNeeded: time >> 7),
            UInt8(truncatingIfNeeded: time << 1) | 1,
        ]
    }

    /// The adaptation field without its stuffing; nil where there is nothing in it.
    private static func adaptation(_ packet: Packet) -> [UInt8]? {
        let packet = Array(packet)
        guard packet[3] & 0x20 != 0, packet[4] > 0, packet[5] != 0 else { return nil }
        let flags = packet[5]
        var size = 1 + (flags & 0x10 != 0 ? 6 : 0) + (flags & 0x08 != 0 ? 6 : 0) + (flags & 0x04 != 0 ? 1 : 0)
        for flag in [0x02, 0x01] as [UInt8] where flags & flag != 0 && 5 + size < 188 {
            size += 1 + Int(packet[5 + size])
        }
        return Array(packet[5..<min(188, 5 + min(size, Int(packet[4])))])
    }
}
