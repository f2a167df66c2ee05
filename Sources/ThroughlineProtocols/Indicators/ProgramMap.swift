/// The programmes of a transport stream: the program association table (ISO/IEC 13818-1 section 2.4.4.3), all its
/// sections together.
package struct ProgramAssociation: Hashable, Sendable {
    /// Programmes beyond this are not followed.
    package static let mostPrograms = 64

    /// 5 bits.
    package var version: UInt8
    /// PIDs of the maps by program_number, without the network's.
    package var maps: [UInt16: UInt16]

    package init(version: UInt8, maps: [UInt16: UInt16]) {
        self.version = version
        self.maps = maps
    }
}

/// What a programme is made of: one section of the program map table (section 2.4.4.8).
package struct ProgramMap: Hashable, Sendable {
    /// Flows beyond this are not read.
    package static let mostFlows = 128

    package struct Flow: Hashable, Sendable {
        package var pid: UInt16
        /// stream_type: 0x1B is H.264, 0x0F AAC, 0x15 metadata in PES, 0x86 SCTE 35.
        package var streamType: UInt8
        /// As they are written.
        package var descriptors: [UInt8]

        package init(pid: UInt16, streamType: UInt8, descriptors: [UInt8] = []) {
            self.pid = pid
            self.streamType = streamType
            self.descriptors = descriptors
        }
    }

    package var program: UInt16
    /// 5 bits.
    package var version: UInt8
    /// The PID whose packets carry the clock.
    package var clockPID: UInt16
    /// Of the programme, as they are written.
    package var descriptors: [UInt8]
    package var flows: [Flow]

    package init(program: UInt16, version: UInt8, clockPID: UInt16, descriptors: [UInt8] = [], flows: [Flow]) {
        self.program = program
        self.version = version
        self.clockPID = clockPID
        self.descriptors = descriptors
        self.flows = flows
    }

    /// What is another in a later map.
    package struct Difference: Hashable, Sendable {
        /// The version, and perhaps nothing else.
        package var version = false
        package var clock = false
        package var added: [UInt16] = []
        package var removed: [UInt16] = []
        /// Same PID, another stream type or other descriptors.
        package var changed: [UInt16] = []

        package init() {}
    }

    /// PIDs in the order of the map in which they are.
    package func difference(from former: ProgramMap) -> Difference {
        var difference = Difference()
        difference.version = version != former.version
        difference.clock = clockPID != former.clockPID
        // Of a PID that is there twice the first counts.
        let before = Dictionary(former.flows.map { ($0.pid, $0) }) { first, _ in first }
        let now = Dictionary(flows.map { ($0.pid, $0) }) { first, _ in first }
        var seen: Set<UInt16> = []
        for flow in flows where seen.insert(flow.pid).inserted {
            if let old = before[flow.pid] {
                if old != flow { difference.changed.append(flow.pid) }
            } else {
                difference.added.append(flow.pid)
            }
        }
        seen = []
        for flow in former.flows where seen.insert(flow.pid).inserted && now[flow.pid] == nil {
            difference.removed.append(flow.pid)
        }
        return difference
    }
}

// MARK: What the flows carry

extension ProgramMap {
    /// The PIDs of cue messages: stream type 0x86 (SCTE 35 section 8.1), unless a registration says it is another's.
    package var splicePIDs: [UInt16] {
        flows.compactMap { flow in
            guard flow.streamType == 0x86 else { return nil }
            let registration = Descriptors.registration(flow.descriptors) ?? Descriptors.registration(descriptors)
            return registration.map { $0 == SpliceInfoSection.identifier } ?? true ? flow.pid : nil
        }
    }

    /// The PIDs of timed ID3: metadata in PES packets ("Timed Metadata for HTTP Live Streaming", section 2), and
    /// private data that is registered as ID3. What else is metadata is told by its bytes.
    package var metadataPIDs: [UInt16] {
        flows.compactMap { flow in
            switch flow.streamType {
            case 0x15: flow.pid
            case 0x06: Descriptors.registration(flow.descriptors) == Descriptors.id3 ? flow.pid : nil
            default: nil
            }
        }
    }

    private enum Descriptors {
        /// `ID3 `.
        static let id3: UInt32 = 0x4944_3320

        /// format_identifier of the first registration_descriptor (section 2.6.8).
        static func registration(_ bytes: [UInt8]) -> UInt32? {
            bytes.withUnsafeBytes { bytes in
                var reader = ByteReader(bytes)
                while let tag = try? reader.byte(), let length = try? reader.byte(),
                    let body = try? reader.take(Int(length))
                {
                    if tag == 0x05, body.count >= 4 { return body.bigEndian32(at: 0) }
                }
                return nil
            }
        }
    }
}

// MARK: Reading

/// The part that the sections of the standard's own tables have in common (section 2.4.4.11).
struct TableSection {
    let tableID: UInt8
    /// transport_stream_id, program_number.
    let identifier: UInt16
    let version: UInt8
    /// Otherwise the table is one to come.
    let isCurrent: Bool
    let number: UInt8
    let lastNumber: UInt8
    /// Between the header and the checksum, counted from the start of the section.
    let body: Range<Int>

    /// Nil when the section is cut, too long, or its checksum does not hold.
    init?(_ section: UnsafeRawBufferPointer) {
        guard section.count >= 12, section[1] & 0x80 != 0 else { return nil }
        let size = 3 + Int(section.bigEndian16(at: 1) & 0x0FFF)
        guard size == section.count, size <= 1024, SectionChecksum.holds(for: section) else { return nil }
        tableID = section[0]
        identifier = section.bigEndian16(at: 3)
        version = section[5] >> 1 & 0x1F
        isCurrent = section[5] & 0x01 != 0
        number = section[6]
        lastNumber = section[7]
        body = 8..<size - 4
    }
}

extension ProgramAssociation {
    static let tableID: UInt8 = 0

    /// The programmes that one section lists.
    static func maps(in body: UnsafeRawBufferPointer) -> [UInt16: UInt16] {
        var maps: [UInt16: UInt16] = [:]
        var reader = ByteReader(body)
        while let program = try? reader.number(2), let pid = try? reader.number(2) {
            // 0 is the network's.
            if program != 0, maps.count < mostPrograms { maps[UInt16(program)] = UInt16(pid & 0x1FFF) }
        }
        return maps
    }
}

extension ProgramMap {
    static let tableID: UInt8 = 2

    /// Nil for what is no current map, is damaged, or whose lengths do not fit together.
    package init?(_ section: UnsafeRawBufferPointer) {
        guard let table = TableSection(section), table.tableID == Self.tableID, table.isCurrent else { return nil }
        program = table.identifier
        version = table.version
        var reader = ByteReader(section.part(table.body))
        do throws(BitstreamError) {
            clockPID = UInt16(try reader.number(2) & 0x1FFF)
            let length = Int(try reader.number(2) & 0x0FFF)
            descriptors = Array(try reader.take(length))
            flows = []
            while reader.remaining > 0, flows.count < Self.mostFlows {
                let type = try reader.byte()
                let pid = UInt16(try reader.number(2) & 0x1FFF)
                let length = Int(try reader.number(2) & 0x0FFF)
                flows.append(Flow(pid: pid, streamType: type, descriptors: Array(try reader.take(length))))
            }
        } catch {
            return nil
        }
    }
}
