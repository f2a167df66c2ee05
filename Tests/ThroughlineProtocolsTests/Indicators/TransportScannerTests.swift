internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct TransportScannerTests {
    private static let video = ProgramMap.Flow(pid: 0x100, streamType: 0x1B)
    private static let audio = ProgramMap.Flow(
        pid: 0x101, streamType: 0x0F, descriptors: [0x0A, 4, 0x65, 0x6E, 0x67, 0])
    private static let metadata = ProgramMap.Flow(pid: 0x102, streamType: 0x15)
    private static let cues = ProgramMap.Flow(pid: 0x103, streamType: 0x86)

    private static func map(version: UInt8 = 0, _ flows: [ProgramMap.Flow]) -> ProgramMap {
        ProgramMap(program: 1, version: version, clockPID: 0x100, flows: flows)
    }

    /// A list and a map, then what a test adds.
    private static func stream(
        _ flows: [ProgramMap.Flow] = [video, audio, metadata, cues], _ more: (inout TransportWriter) -> Void
    ) -> [UInt8] {
        var writer = TransportWriter()
        writer.association([1: 0x1000])
        writer.map(0x1000, map(flows))
        more(&writer)
        return writer.bytes
    }

    /// What comes after the first list and map.
    private func events(_ stream: [UInt8], pieces: Int = 1000) -> [TransportScanner.Event] {
        Array(scan(stream, pieces: pieces).dropFirst(2))
    }

    // MARK: A real stream

    /// `data.ts` beside the same facts in Fixtures/README.md and Fixtures/add-data.
    @Test(arguments: [1 << 20, 188, 1, 1000, 65_536])
    func readsTheFixture(pieces: Int) throws {
        let stream = try #require(fixture("data.ts"))
        var programs: [ProgramAssociation] = []
        var maps: [ProgramMap] = []
        var seconds: [String] = []
        var times: [UInt64] = []
        var cues: [SpliceInfoSection] = []
        var indicators: [Indicator] = []
        var clocks = 0
        for event in scan(stream, pieces: pieces) {
            indicators += event.indicators
            switch event {
            case .programs(let association, from: nil): programs.append(association)
            case .map(let map, from: nil): maps.append(map)
            case .section(0x1F1, let bytes): cues.append(try SpliceInfoSectionTests.read(bytes))
            case .unit(0x1F0, let unit):
                times.append(try #require(unit.ticks))
                let text = try #require(unit.tags.first?.frames.first?.userText)
                #expect(text.description == "second" && unit.tags.count == 1)
                seconds.append(text.value)
            case .clock(0x100, _): clocks += 1
            default: Issue.record("unexpected: \(event)")
            }
        }
        #expect(programs.map(\.maps) == [[1: 0x1000]])
        let map = try #require(maps.first)
        #expect(maps.count == 1 && map.clockPID == 0x100 && map.flows.map(\.streamType) == [0x1B, 0x15, 0x86])
        #expect(map.splicePIDs == [0x1F1] && map.metadataPIDs == [0x1F0])
        #expect(seconds == (0..<12).map { "\($0)" })
        // The first picture stands at 1.48 s.
        #expect(times == (0..<12).map { 133_200 + $0 * 90_000 })
        let ticks: UInt64 = 133_200 + 6 * 90_000
        #expect(
            cues == [
                SpliceInfoSection(
                    command: .insert(
                        .init(
                            event: 7,
                            splice: .init(
                                isOut: true, place: .program(ticks: ticks),
                                duration: .init(returns: true, ticks: 180_000),
                                programID: 1))))
            ])
        #expect(indicators.map(\.position) == [.clock(ticks), .clock(ticks + 180_000)])
        #expect(clocks > 50)
    }

    @Test(arguments: ["main.ts", "offset.ts", "wrap.ts", "hevc.ts", "other.ts"])
    func saysNothingOfAStreamWithoutChanges(name: String) throws {
        let stream = try #require(fixture(name))
        let events = scan(stream, pieces: 4096)
        #expect(events.flatMap(\.indicators).isEmpty)
        let others = events.filter {
            switch $0 {
            case .clock, .programs, .map: false
            default: true
            }
        }
        #expect(others.isEmpty)
    }

    // MARK: Packets

    /// Alone, behind four bytes, before sixteen; with something before the first; in pieces of any size.
    @Test(arguments: [188, 192, 204], [0, 5, 187, 3000])
    func findsThePackets(stride distance: Int, before: Int) throws {
        let plain = try #require(fixture("data.ts")).prefix(188 * 40)
        let expected = scan(Array(plain))
        // Bytes that look like sync bytes here and there.
        var stream = (0..<before).map { UInt8(truncatingIfNeeded: $0 % 50 == 0 ? 0x47 : $0) }
        for start in Swift.stride(from: 0, to: plain.count, by: 188) {
            if distance == 192 { stream += [0x47, 0, 0x47, 0] }
            stream += plain[start..<start + 188]
            if distance == 204 { stream += Array(repeating: 0x47, count: 16) }
        }
        for pieces in [stream.count, 1, 100, 204] {
            #expect(scan(stream, pieces: pieces) == expected)
        }
        var scanner = TransportScanner()
        stream.withUnsafeBytes { scanner.feed($0) { _ in } }
        #expect(scanner.stride == distance)
        // The time stamp in front of the first packet belongs to none.
        #expect(scanner.strayBytes == before + (distance == 192 ? 4 : 0))
    }

    @Test func findsStepAgainAfterAnInsertionALossAndADamage() throws {
        let plain = try #require(fixture("main.ts")).prefix(188 * 300)
        let whole = scan(Array(plain))
        for pieces in [1 << 20, 100] {
            var stream = Array(plain)
            // Eleven bytes too many between two packets, then sixty too few, then a sync byte that is wrong.
            stream.insert(contentsOf: Array(repeating: 0, count: 11), at: 188 * 50)
            stream.removeSubrange(188 * 150 + 11 + 50..<188 * 150 + 11 + 110)
            stream[188 * 250 + 11 - 60] = 0x46
            let events = scan(stream, pieces: pieces)
            // All that is gone are the cut packet and the damaged one.
            #expect(events.filter { if case .packetsMissing = $0 { true } else { false } }.count == 2)
            #expect(abs(events.count - 2 - whole.count) <= 2)
        }
    }

    /// Less than four packets are enough when nothing more comes, and less than one is none.
    @Test func readsShortStreams() {
        let stream = Self.stream { _ in }
        #expect(stream.count == 376)
        #expect(scan(stream, finishes: false).isEmpty)
        #expect(scan(stream).count == 2)
        #expect(scan(Array(stream.prefix(188))).count == 1)
        #expect(scan(Array(stream.prefix(187))).isEmpty)
        #expect(scan([1, 2, 3] + stream).count == 2)
        #expect(scan([]).isEmpty)
    }

    // MARK: Counters and clocks

    @Test func tellsMissingPacketsFromAnnouncedBreaksAndRepetitions() {
        let stream = Self.stream { writer in
            writer.packet(0x101, [1])
            writer.packet(0x101, [1])
            writer.packet(0x101, [1], skipping: 3)
            // Without payload the counter stands.
            writer.packet(0x101, [])
            writer.packet(0x101, [1], skipping: 5)
            writer.packet(0x101, [1], discontinuous: true, skipping: 7)
            writer.packet(0x101, [1])
        }
        #expect(
            events(stream) == [
                .packetsMissing(pid: 0x101, count: 3), .packetsMissing(pid: 0x101, count: 5),
                .discontinuity(pid: 0x101, isClock: false),
            ])
        #expect(events(stream).flatMap(\.indicators).isEmpty)
        // The same packet twice is allowed, and a third time is not.
        let packet = Array(stream.suffix(188))
        #expect(events(stream + packet).count == 3)
        #expect(events(stream + packet + packet).last == .packetsMissing(pid: 0x101, count: 15))
    }

    @Test func readsTheClockAndItsBreak() throws {
        let last: UInt64 = (300 << 33) - 1
        let stream = Self.stream { writer in
            writer.packet(0x100, [], ticks: last)
            writer.packet(0x100, [], discontinuous: true, ticks: 27_000_000)
            // Not the clock of a programme that is followed.
            writer.packet(0x101, [], ticks: 5)
        }
        let found = events(stream)
        #expect(
            found == [
                .clock(pid: 0x100, ticks: last), .discontinuity(pid: 0x100, isClock: true),
                .clock(pid: 0x100, ticks: 27_000_000),
            ])
        let indicator = try #require(found.flatMap(\.indicators).first)
        #expect(indicator.kind == .discontinuity && indicator.action == .change && indicator.position == .atOnce)
    }

    @Test func passesOverDamagedAndScrambledPackets() {
        var stream = Self.stream { writer in writer.packet(0x103, [0, 0xFC, 0x30, 0]) }
        #expect(stream.count == 3 * 188)
        stream[2 * 188 + 1] |= 0x80
        #expect(events(stream).isEmpty)
        // An adaptation field that does not fit.
        stream[2 * 188 + 1] &= 0x7F
        stream[2 * 188 + 4] = 184
        #expect(events(stream).isEmpty)
    }

    // MARK: Tables

    @Test func comparesMaps() throws {
        let second = ProgramMap.Flow(pid: 0x101, streamType: 0x11)
        let before = Self.map([Self.video, Self.audio, Self.metadata])
        var after = Self.map(version: 1, [Self.video, second, Self.cues])
        after.clockPID = 0x103
        let stream = Self.stream([Self.video, Self.audio, Self.metadata]) { writer in
            writer.map(0x1000, before)
            writer.map(0x1000, after)
            writer.map(0x1000, after)
        }
        let found = events(stream)
        #expect(found == [.map(after, from: before)])
        let difference = after.difference(from: before)
        #expect(difference.version && difference.clock)
        #expect(difference.added == [0x103] && difference.removed == [0x102] && difference.changed == [0x101])
        let indicator = try #require(found.first?.indicators.first)
        #expect(indicator.kind == .programChange && indicator.action == .change)
        #expect(indicator.detail == "programme 1: added 259, removed 258, changed 257, another clock")
        // Another version and nothing else.
        let same = Self.map(version: 2, before.flows)
        #expect(
            TransportScanner.Event.map(same, from: before).indicators.map(\.detail) == [
                "programme 1: another version of the same map"
            ])
        #expect(same.difference(from: before).added.isEmpty)
    }

    @Test func passesOverTablesThatAreDamagedOrToCome() {
        let stream = Self.stream { writer in
            var damaged = TransportWriter.section(Self.map(version: 1, [Self.video]))
            damaged[9] ^= 1
            writer.sections(0x1000, [damaged])
            writer.sections(0x1000, [TransportWriter.table(2, 1, 1, 0, 0, [0xE1, 0, 0xF0, 0], isCurrent: false)])
            // A programme that is not in the list; a length that does not fit.
            writer.sections(0x1000, [TransportWriter.table(2, 9, 1, 0, 0, [0xE1, 0, 0xF0, 0])])
            writer.sections(0x1000, [TransportWriter.table(2, 1, 1, 0, 0, [0xE1, 0, 0xF0, 1])])
            writer.sections(0x1000, [TransportWriter.table(2, 1, 1, 0, 0, [0xE1, 0, 0xF0, 0, 0x1B, 0xE1, 0])])
        }
        #expect(events(stream).isEmpty)
    }

    @Test func followsTheListOfProgrammes() throws {
        let stream = Self.stream { writer in
            // In two sections, then without the first programme.
            writer.association([1: 0x1000, 0: 0x10], version: 1, number: 0, last: 1)
            writer.association([2: 0x1001], version: 1, number: 1, last: 1)
            writer.map(0x1001, ProgramMap(program: 2, version: 0, clockPID: 0x200, flows: []))
            writer.packet(0x200, [], discontinuous: true)
            writer.association([2: 0x1001], version: 2)
            writer.packet(0x200, [], discontinuous: true)
            writer.packet(0x100, [], discontinuous: true)
        }
        let lists: [ProgramAssociation] = [
            .init(version: 0, maps: [1: 0x1000]), .init(version: 1, maps: [1: 0x1000, 2: 0x1001]),
            .init(version: 2, maps: [2: 0x1001]),
        ]
        let found = events(stream)
        #expect(
            found == [
                .programs(lists[1], from: lists[0]),
                .map(ProgramMap(program: 2, version: 0, clockPID: 0x200, flows: []), from: nil),
                .discontinuity(pid: 0x200, isClock: true),
                .programs(lists[2], from: lists[1]),
                .programEnded(Self.map([Self.video, Self.audio, Self.metadata, Self.cues])),
                .discontinuity(pid: 0x200, isClock: true), .discontinuity(pid: 0x100, isClock: false),
            ])
        #expect(
            found.flatMap(\.indicators).map(\.kind) == [.programChange, .discontinuity, .programChange, .discontinuity])
    }

    @Test(
        arguments: [
            // As it is; registered in the programme or beside the flow; registered by somebody else.
            (0x86, "", "", true, false), (0x86, "", "0504 43554549", true, false),
            (0x86, "0504 43554549", "", true, false),
            (0x86, "0504 48444d56", "", false, false), (0x86, "", "0a00 0504 48444d56", false, false),
            // A descriptor that is cut.
            (0x86, "", "0510 4844", true, false), (0x15, "", "", false, true), (0x06, "0504 49443320", "", false, true),
            (0x06, "", "", false, false), (0x1B, "0504 43554549", "", false, false),
        ] as [(UInt8, String, String, Bool, Bool)])
    func knowsWhatFlowsCarry(type: UInt8, flow: String, programme: String, isSplice: Bool, isMetadata: Bool) {
        var map = Self.map([.init(pid: 7, streamType: type, descriptors: bytes(hex: flow))])
        map.descriptors = bytes(hex: programme)
        #expect(map.splicePIDs == (isSplice ? [7] : []) && map.metadataPIDs == (isMetadata ? [7] : []))
    }

    // MARK: Sections and units

    /// Two and a half sections over many small packets; a packet that is lost takes only what it held.
    @Test func putsSectionsTogether() {
        let sections = SpliceInfoSectionTests.samples.map { bytes(base64: $0.base64) }
        for size in [184, 100, 20, 3] {
            let stream = Self.stream { writer in writer.sections(0x103, sections, size: size) }
            #expect(events(stream) == sections.map { .section(pid: 0x103, $0) })
        }
        // A section that begins where another ends, by the pointer.
        let (first, second) = (sections[3], sections[1])
        let stream = Self.stream { writer in
            writer.packet(0x103, [0] + first.prefix(30), starts: true)
            writer.packet(0x103, [UInt8(first.count - 30)] + first[30...] + second.prefix(7), starts: true)
            writer.packet(0x103, second[7...] + [0xFF, 0xFF])
        }
        #expect(events(stream) == [.section(pid: 0x103, first), .section(pid: 0x103, second)])
        // A packet that is there twice counts once.
        let whole = Self.stream { writer in writer.sections(0x103, [second, first, second], size: 100) }
        let repeated = stride(from: 0, to: whole.count, by: 188).flatMap { start in
            let packet = whole[start..<start + 188]
            return packet + packet
        }
        #expect(events(repeated) == events(whole) && events(whole).count == 3)
        let lossy = Self.stream { writer in
            writer.packet(0x103, [0] + first.prefix(30), starts: true)
            writer.packet(0x103, Array(first[30...]), skipping: 1)
            writer.packet(0x103, [0] + second, starts: true)
            // A pointer beyond the packet, and its remains.
            writer.packet(0x103, [200] + first.prefix(50), starts: true)
            writer.packet(0x103, Array(first[50...]))
            writer.packet(0x103, [0] + second, starts: true)
        }
        #expect(
            events(lossy) == [
                .packetsMissing(pid: 0x103, count: 1), .section(pid: 0x103, second), .section(pid: 0x103, second),
            ])
    }

    @Test func putsUnitsTogether() throws {
        let message = try #require(indicatorMessages.last)
        let tag = try #require(ID3Tag(message).bytes)
        let small = try #require(ID3Tag(indicatorMessages[0]).bytes)
        let stream = Self.stream { writer in
            writer.unit(0x102, tag, ticks: (1 << 33) - 1)
            writer.unit(0x102, small + small, ticks: nil)
            // Of unknown length: complete with the next one.
            writer.unit(0x102, tag, ticks: 5, isBounded: false)
            writer.unit(0x102, [1, 2, 3, 4, 5] + small, ticks: 6)
            writer.unit(0x102, [1, 2, 3], ticks: 7)
        }
        let units = events(stream).compactMap { event in if case .unit(0x102, let unit) = event { unit } else { nil } }
        #expect(units.map(\.ticks) == [(1 << 33) - 1, nil, 5, 6, 7])
        #expect(units.map(\.tags.count) == [1, 2, 1, 1, 0])
        // At once is at the time of the unit.
        let indicators = events(stream).flatMap(\.indicators)
        #expect(
            indicators.map(\.position) == [
                .clock((1 << 33) - 1), .npt(.milliseconds(83_500)), .npt(.milliseconds(83_500)), .clock(5),
                .npt(.milliseconds(83_500)),
            ])
        #expect(indicators.allSatisfy { $0.kind == .timedMetadata })
    }

    @Test func dropsUnitsThatAreCutOrTooLong() {
        let stream = Self.stream { writer in
            writer.unit(0x102, Array(repeating: 1, count: 500), ticks: 1)
            writer.unit(0x102, Array(repeating: 2, count: 70_000), ticks: 2, isBounded: false)
            writer.unit(0x102, [3], ticks: 3)
        }
        // The second packet of the first unit is lost.
        let lossy = Array(stream[..<(3 * 188)]) + Array(stream[(4 * 188)...])
        #expect(
            events(lossy) == [
                .packetsMissing(pid: 0x102, count: 1),
                .unit(pid: 0x102, ElementaryUnit(streamID: 0xBD, ticks: 3, payload: [3])),
            ])
    }

    @Test func watchesWhatItIsAskedTo() {
        let section = bytes(base64: SpliceInfoSectionTests.samples[1].base64)
        var scanner = TransportScanner()
        scanner.watchSections(of: 0x50)
        scanner.watchUnits(of: 0x51)
        let stream = Self.stream([Self.video]) { writer in
            writer.sections(0x50, [section])
            writer.unit(0x51, [1], ticks: 1)
            writer.map(0x1000, Self.map(version: 1, [Self.video, Self.cues]))
            writer.sections(0x50, [section])
            writer.sections(0x103, [section])
            writer.map(0x1000, Self.map(version: 2, [Self.video]))
            writer.sections(0x103, [section])
        }
        let found = scan(stream, with: scanner).compactMap { event -> UInt16? in
            switch event {
            case .section(let pid, _), .unit(let pid, _): pid
            default: nil
            }
        }
        #expect(found == [0x50, 0x51, 0x50, 0x103])
    }

    /// What is watched still goes on with what it had, where a map says that something else is another.
    @Test func sectionsAreNotBrokenByANewMap() {
        let section = bytes(base64: SpliceInfoSectionTests.samples[1].base64)
        let stream = Self.stream { writer in
            writer.packet(0x103, [0] + section.prefix(20), starts: true)
            writer.map(0x1000, Self.map(version: 1, [Self.video, Self.cues]))
            writer.packet(0x103, Array(section[20...]))
        }
        #expect(events(stream).last == .section(pid: 0x103, section))
    }

    /// After a seek counters begin anew, what was begun is dropped, and a map that was known is no news.
    @Test func elsewhereInTheSameStreamTheTablesStayKnown() {
        let section = bytes(base64: SpliceInfoSectionTests.samples[1].base64)
        // Enough to be in step.
        let first = Self.stream { writer in
            for _ in 0..<12 { writer.packet(0x100, [1]) }
            writer.packet(0x103, [0] + section.prefix(20), starts: true)
        }
        let second = Self.stream { writer in
            writer.packet(0x103, Array(section[20...]), skipping: 9)
            writer.packet(0x100, [1], skipping: 5)
            writer.sections(0x103, [section])
        }
        var scanner = TransportScanner()
        var events: [TransportScanner.Event] = []
        first.withUnsafeBytes { scanner.feed($0) { events.append($0) } }
        let before = events.count
        scanner.restart()
        second.withUnsafeBytes { scanner.feed($0) { events.append($0) } }
        scanner.finish { events.append($0) }
        #expect(Array(events[before...]) == [.section(pid: 0x103, section)])
    }

    // MARK: Hostile input

    /// However a stream is damaged and cut, nothing traps, and the pieces do not matter.
    @Test func hostileInput() throws {
        let real = Self.stream { writer in
            writer.sections(0x103, SpliceInfoSectionTests.samples.map { bytes(base64: $0.base64) }, size: 100)
            for message in indicatorMessages { writer.unit(0x102, ID3Tag(message).bytes ?? [], ticks: 5) }
            writer.map(0x1000, Self.map(version: 1, [Self.video, Self.cues]))
            writer.packet(0x100, [], discontinuous: true, ticks: 27_000_000)
        }
        var random = SeededGenerator(seed: 26)
        for _ in 0..<400 {
            var stream = real
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let place = Int.random(in: 0..<stream.count, using: &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0:
                    stream.removeSubrange(place..<min(stream.count, place + Int.random(in: 1...400, using: &random)))
                case 1: stream.insert(contentsOf: random.bytes(Int.random(in: 1...400, using: &random)), at: place)
                default:
                    stream[place] =
                        [0, 0x47, 0xFF, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
                }
                if stream.isEmpty { break }
            }
            let whole = scan(stream, pieces: max(1, stream.count))
            let cut = scan(stream, pieces: Int.random(in: 1...300, using: &random))
            #expect(whole == cut)
            for event in whole { _ = event.indicators }
        }
    }
}

extension ElementaryUnit {
    init(streamID: UInt8, ticks: UInt64?, payload: [UInt8]) {
        var writer = TransportWriter()
        writer.unit(0x20, payload, ticks: ticks)
        let packet = Array(writer.bytes[5 + Int(writer.bytes[4])..<188])
        guard let unit = packet.withUnsafeBytes({ ElementaryUnit($0) }), unit.streamID == streamID else {
            preconditionFailure("no unit")
        }
        self = unit
    }
}
