/// Looks through a transport stream, in pieces of any size, for what tells of changes: the tables of programmes, breaks
/// of the clock, missing packets, cue messages and timed metadata. It reads no audio and no video.
///
/// In the common case a packet costs its header and a look into a table by PID: nothing is allocated or copied.
package struct TransportScanner: Sendable {
    package enum Event: Hashable, Sendable {
        /// The list of programmes is there (`from` is nil), or is another one.
        case programs(ProgramAssociation, from: ProgramAssociation?)
        /// The map of a programme is there (`from` is nil), or is another one.
        case map(ProgramMap, from: ProgramMap?)
        /// A programme is in the list no longer.
        case programEnded(ProgramMap)
        /// discontinuity_indicator. With the PID of a clock, the clock begins anew: times after it cannot be compared
        /// with those before.
        case discontinuity(pid: UInt16, isClock: Bool)
        /// The counter jumped by so many packets, modulo 16.
        case packetsMissing(pid: UInt16, count: Int)
        /// The clock of a programme, in ticks of 27 MHz.
        case clock(pid: UInt16, ticks: UInt64)
        /// A section of a PID that is watched for sections; its checksum has not been looked at.
        case section(pid: UInt16, [UInt8])
        /// A PES packet of a PID that is watched for units.
        case unit(pid: UInt16, ElementaryUnit)
    }

    /// What is watched by itself, as the maps say so, and at most how much of it.
    package static let mostWatched = 128

    private enum Use: Hashable {
        case association
        case map
        case sections
        case units
    }

    /// A PID whose payload is read.
    private struct Watch {
        let pid: UInt16
        let use: Use
        var sections = SectionAssembler()
        var units = ElementaryAssembler()
        /// The section of a table that was read last, by its length and checksum: repetitions are not parsed.
        var latest: [UInt8: (size: Int, checksum: UInt32)] = [:]

        init(pid: UInt16, use: Use) {
            self.pid = pid
            self.use = use
        }
    }

    /// What the counter of a PID may show next.
    private enum Counter {
        static let unknown: UInt8 = 0xFF
        /// Set when the packet was there twice: a third time is an error.
        static let repeated: UInt8 = 0x10
    }

    private var framer = TransportFramer()
    /// The latest counter of each PID.
    private var counters = [UInt8](repeating: Counter.unknown, count: 8192)
    /// One more than the place in `watches`, by PID; 0 for what is not watched.
    private var places = [UInt8](repeating: 0, count: 8192)
    /// Whether the PID carries a clock, by PID.
    private var isClock = [Bool](repeating: false, count: 8192)
    /// Those for which it says so.
    private var clocks: [UInt16] = []
    private var watches: [Watch] = []
    /// PIDs that the user of the scanner asked for.
    private var asked: [(pid: UInt16, use: Use)] = []

    /// Sections of the association that have come, by number, while not all of them are there.
    private var partial: (version: UInt8, lastNumber: UInt8, maps: [UInt8: [UInt16: UInt16]])?
    package private(set) var association: ProgramAssociation?
    /// The maps that have come, by program_number.
    package private(set) var maps: [UInt16: ProgramMap] = [:]

    package init() { arrange() }

    /// Distance from packet to packet; nil while it is not known.
    package var stride: Int? { framer.stride }
    /// Bytes that belonged to no packet.
    package var strayBytes: Int64 { framer.strayBytes }

    /// Watches a PID for sections whatever the maps say. At most 32 PIDs are taken; those of tables are not.
    package mutating func watchSections(of pid: UInt16) { ask(pid, .sections) }

    /// Watches a PID for PES packets whatever the maps say. At most 32 PIDs are taken; those of tables are not.
    package mutating func watchUnits(of pid: UInt16) { ask(pid, .units) }

    private mutating func ask(_ pid: UInt16, _ use: Use) {
        guard pid < TransportPacket.nullPID, asked.count < 32, !asked.contains(where: { $0.pid == pid }) else { return }
        asked.append((pid, use))
        arrange()
    }

    /// Takes the next bytes.
    ///
    /// - Parameter body: takes the events in the order of the stream.
    package mutating func feed(_ piece: UnsafeRawBufferPointer, _ body: (Event) -> Void) {
        // The framer is taken out, so that the packets it gives can change the rest.
        var framer = TransportFramer.none
        swap(&framer, &self.framer)
        framer.feed(piece) { took($0, body) }
        swap(&framer, &self.framer)
    }

    /// Nothing more comes. What is not complete is dropped.
    package mutating func finish(_ body: (Event) -> Void) {
        var framer = TransportFramer.none
        swap(&framer, &self.framer)
        framer.finish { took($0, body) }
        swap(&framer, &self.framer)
    }

    /// What is fed next stands elsewhere in the same stream: what was begun is dropped, and the tables stay known.
    package mutating func restart() {
        framer = TransportFramer()
        for index in counters.indices { counters[index] = Counter.unknown }
        for index in watches.indices {
            watches[index].sections.interrupted()
            watches[index].units.interrupted()
        }
    }

    // MARK: Packets

    private mutating func took(_ bytes: UnsafeRawBufferPointer, _ body: (Event) -> Void) {
        guard let packet = TransportPacket(bytes), !packet.isDamaged, packet.pid != TransportPacket.nullPID else {
            return
        }
        let index = Int(packet.pid)
        if packet.isDiscontinuous { body(.discontinuity(pid: packet.pid, isClock: isClock[index])) }
        let isNew = count(packet, body)
        if let ticks = packet.clockReference, isClock[index] { body(.clock(pid: packet.pid, ticks: ticks)) }
        let place = Int(places[index]) - 1
        guard place >= 0, isNew, !packet.isScrambled, !packet.payload.isEmpty else { return }
        read(bytes.part(packet.payload), startsUnit: packet.startsUnit, at: place, body)
    }

    /// Follows the counter (section 2.4.3.3): it goes up by one with each payload; one repetition is allowed.
    ///
    /// - Returns: whether the payload has not been seen before.
    private mutating func count(_ packet: TransportPacket, _ body: (Event) -> Void) -> Bool {
        let index = Int(packet.pid)
        let former = counters[index]
        if packet.isDiscontinuous {
            counters[index] = packet.hasPayload ? packet.counter : Counter.unknown
            interrupt(packet.pid)
            return true
        }
        guard packet.hasPayload else { return false }
        counters[index] = packet.counter
        guard former != Counter.unknown else { return true }
        let latest = former & 0x0F
        if packet.counter == latest {
            guard former & Counter.repeated != 0 else {
                counters[index] |= Counter.repeated
                return false
            }
            // Sixteen, or a counter that stands still.
            interrupt(packet.pid)
            body(.packetsMissing(pid: packet.pid, count: 15))
            return true
        }
        let missing = Int((packet.counter &- latest &- 1) & 0x0F)
        if missing > 0 {
            interrupt(packet.pid)
            body(.packetsMissing(pid: packet.pid, count: missing))
        }
        return true
    }

    private mutating func interrupt(_ pid: UInt16) {
        let place = Int(places[Int(pid)]) - 1
        guard place >= 0 else { return }
        watches[place].sections.interrupted()
        watches[place].units.interrupted()
    }

    // MARK: Sections and units

    private mutating func read(
        _ payload: UnsafeRawBufferPointer, startsUnit: Bool, at place: Int, _ body: (Event) -> Void
    ) {
        let (pid, use) = (watches[place].pid, watches[place].use)
        switch use {
        case .sections:
            watches[place].sections.add(payload, startsUnit: startsUnit) { body(.section(pid: pid, Array($0))) }
        case .units:
            watches[place].units.add(payload, startsUnit: startsUnit) { body(.unit(pid: pid, $0)) }
        case .association, .map:
            let latest = watches[place].latest
            var sections: [[UInt8]] = []
            watches[place].sections.add(payload, startsUnit: startsUnit) { section in
                guard section.count >= 12 else { return }
                let known = latest[section[6]]
                if known?.size != section.count || known?.checksum != section.bigEndian32(at: section.count - 4) {
                    sections.append(Array(section))
                }
            }
            for section in sections {
                section.withUnsafeBytes { section in
                    if use == .association { readAssociation(section, body) } else { readMap(section, pid: pid, body) }
                }
            }
        }
    }

    /// A section of a table that was in order: its repetitions say nothing new.
    private mutating func note(_ section: UnsafeRawBufferPointer, pid: UInt16) {
        let place = Int(places[Int(pid)]) - 1
        guard place >= 0 else { return }
        watches[place].latest[section[6]] = (section.count, section.bigEndian32(at: section.count - 4))
    }

    private mutating func forget(pid: UInt16) {
        let place = Int(places[Int(pid)]) - 1
        if place >= 0 { watches[place].latest = [:] }
    }

    private mutating func readAssociation(_ section: UnsafeRawBufferPointer, _ body: (Event) -> Void) {
        guard let table = TableSection(section), table.tableID == ProgramAssociation.tableID, table.isCurrent,
            table.number <= table.lastNumber
        else { return }
        if partial?.version != table.version || partial?.lastNumber != table.lastNumber {
            partial = (table.version, table.lastNumber, [:])
            forget(pid: 0)
        }
        note(section, pid: 0)
        partial?.maps[table.number] = ProgramAssociation.maps(in: section.part(table.body))
        guard let partial, partial.maps.count == Int(table.lastNumber) + 1 else { return }
        var listed: [UInt16: UInt16] = [:]
        for (_, part) in partial.maps.sorted(by: { $0.key < $1.key }) {
            for (program, pid) in part.sorted(by: { $0.key < $1.key })
            where listed.count < ProgramAssociation.mostPrograms { listed[program] = pid }
        }
        let new = ProgramAssociation(version: table.version, maps: listed)
        guard new != association else { return }
        let former = association
        association = new
        body(.programs(new, from: former))
        for (program, map) in maps.sorted(by: { $0.key < $1.key }) where listed[program] != former?.maps[program] {
            maps[program] = nil
            if listed[program] == nil { body(.programEnded(map)) }
        }
        arrange()
    }

    private mutating func readMap(_ section: UnsafeRawBufferPointer, pid: UInt16, _ body: (Event) -> Void) {
        guard let map = ProgramMap(section), association?.maps[map.program] == pid else { return }
        // Maps of several programmes may share a PID; then none is passed over unread.
        if association?.maps.values.filter({ $0 == pid }).count == 1 { note(section, pid: pid) }
        let former = maps[map.program]
        guard map != former else { return }
        maps[map.program] = map
        arrange()
        body(.map(map, from: former))
    }

    /// Makes the list of what is watched anew. What was watched before, for the same thing, goes on as it was.
    private mutating func arrange() {
        var wanted: [(pid: UInt16, use: Use)] = [(0, .association)]
        for (_, pid) in (association?.maps ?? [:]).sorted(by: { $0.key < $1.key }) { wanted.append((pid, .map)) }
        wanted += asked
        let known = maps.sorted { $0.key < $1.key }.map(\.value)
        for map in known {
            wanted += map.splicePIDs.map { ($0, .sections) }
            wanted += map.metadataPIDs.map { ($0, .units) }
        }
        let former = watches
        let formerPlaces = places
        for watch in former { places[Int(watch.pid)] = 0 }
        watches = []
        for (pid, use) in wanted where watches.count < Self.mostWatched && places[Int(pid)] == 0 {
            let place = Int(formerPlaces[Int(pid)]) - 1
            watches.append(place >= 0 && former[place].use == use ? former[place] : Watch(pid: pid, use: use))
            places[Int(pid)] = UInt8(watches.count)
        }
        for pid in clocks { isClock[Int(pid)] = false }
        clocks = known.map(\.clockPID).filter { $0 != TransportPacket.nullPID }
        for pid in clocks { isClock[Int(pid)] = true }
    }
}
