internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct SpliceInfoSectionTests {
    static func read(_ bytes: [UInt8]) throws(SpliceSectionError) -> SpliceInfoSection {
        let result: Result<SpliceInfoSection, SpliceSectionError> = bytes.withUnsafeBytes { bytes in
            do throws(SpliceSectionError) { return .success(try SpliceInfoSection(bytes)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// A descriptor with a Turner identifier of eight bytes, as in the samples.
    private static func segmentation(
        _ event: UInt32, _ kind: SegmentationDescriptor.Kind, _ identifier: String, ticks: UInt64? = nil,
        restrictions: UInt8? = nil, number: UInt8 = 0
    ) -> SpliceDescriptor {
        .segmentation(
            SegmentationDescriptor(
                event: event,
                segment: .init(
                    kind: kind, ticks: ticks, restrictions: restrictions, upidType: 8, upid: bytes(hex: identifier),
                    number: number)))
    }

    /// The sample messages of ANSI/SCTE 35 2022 section 14, and what they say there.
    static let samples: [(base64: String, section: SpliceInfoSection)] = [
        // 14.1: placement opportunity start.
        (
            "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==",
            SpliceInfoSection(
                command: .timeSignal(ticks: 0x0_72BD_0050),
                descriptors: [
                    segmentation(
                        0x4800_008E, .providerPlacementStart, "000000002ca0a18a", ticks: 0x01_A599B0,
                        restrictions: 0x0F,
                        number: 2)
                ])
        ),
        // 14.2: splice_insert.
        (
            "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=",
            SpliceInfoSection(
                command: .insert(
                    SpliceInsert(
                        event: 0x4800_008F,
                        splice: .init(
                            isOut: true, place: .program(ticks: 0x0_7369_C02E),
                            duration: .init(returns: true, ticks: 0x0_0052_CCF5)))),
                descriptors: [.avail(0x135)])
        ),
        // 14.3: placement opportunity end.
        (
            "/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g=",
            SpliceInfoSection(
                command: .timeSignal(ticks: 0x0_7462_90A0),
                descriptors: [
                    segmentation(0x4800_008E, .providerPlacementEnd, "000000002ca0a18a", restrictions: 0x1F, number: 2)
                ])
        ),
        // 14.4: programme end and start.
        (
            "/DBIAAAAAAAA///wBQb+ek2ItgAyAhdDVUVJSAAAGH+fCAgAAAAALMvDRBEAAAIXQ1VFSUgAABl/nwgIAAAAACyk26AQAACZcuND",
            SpliceInfoSection(
                command: .timeSignal(ticks: 0x0_7A4D_88B6),
                descriptors: [
                    segmentation(0x4800_0018, .programEnd, "000000002ccbc344", restrictions: 0x1F),
                    segmentation(0x4800_0019, .programStart, "000000002ca4dba0", restrictions: 0x1F),
                ])
        ),
        // 14.5: programme overlap.
        (
            "/DAvAAAAAAAA///wBQb+rr//ZAAZAhdDVUVJSAAACH+fCAgAAAAALKVs9RcAAJUdsKg=",
            SpliceInfoSection(
                command: .timeSignal(ticks: 0x0_AEBF_FF64),
                descriptors: [segmentation(0x4800_0008, .programOverlapStart, "000000002ca56cf5", restrictions: 0x1F)])
        ),
        // 14.6: programme blackout override and programme end.
        (
            "/DBIAAAAAAAA///wBQb+ky44CwAyAhdDVUVJSAAACn+fCAgAAAAALKCh4xgAAAIXQ1VFSUgAAAl/nwgIAAAAACygoYoRAAC0IX6w",
            SpliceInfoSection(
                command: .timeSignal(ticks: 0x0_932E_380B),
                descriptors: [
                    segmentation(0x4800_000A, .programBlackoutOverride, "000000002ca0a1e3", restrictions: 0x1F),
                    segmentation(0x4800_0009, .programEnd, "000000002ca0a18a", restrictions: 0x1F),
                ])
        ),
        // 14.7: programme end.
        (
            "/DAvAAAAAAAA///wBQb+rvF8TAAZAhdDVUVJSAAAB3+fCAgAAAAALKVslxEAAMSHai4=",
            SpliceInfoSection(
                command: .timeSignal(ticks: 0x0_AEF1_7C4C),
                descriptors: [segmentation(0x4800_0007, .programEnd, "000000002ca56c97", restrictions: 0x1F)])
        ),
        // 14.8: placement opportunity end, programme end, programme start.
        (
            "/DBhAAAAAAAA///wBQb+qM1E7QBLAhdDVUVJSAAArX+fCAgAAAAALLLXnTUCAAIXQ1VFSUgAACZ/nwgIAAAAACyy150RAAACF0NVRUlIAAAnf58ICAAAAAAsstezEAAAihiGnw==",
            SpliceInfoSection(
                command: .timeSignal(ticks: 0x0_A8CD_44ED),
                descriptors: [
                    segmentation(0x4800_00AD, .providerPlacementEnd, "000000002cb2d79d", restrictions: 0x1F, number: 2),
                    segmentation(0x4800_0026, .programEnd, "000000002cb2d79d", restrictions: 0x1F),
                    segmentation(0x4800_0027, .programStart, "000000002cb2d7b3", restrictions: 0x1F),
                ])
        ),
    ]

    @Test(arguments: samples.indices)
    func readsTheSamplesOfTheStandard(index: Int) throws {
        let (base64, expected) = Self.samples[index]
        let input = bytes(base64: base64)
        let section = try Self.read(input)
        #expect(section == expected)
        // What is written is the very sample.
        #expect(section.bytes == input)
        // What follows the section does not matter; what is missing does.
        #expect(try Self.read(input + [0xFF, 0xFF]) == section)
        for count in 0..<input.count {
            #expect(throws: SpliceSectionError.truncated) { try Self.read(Array(input.prefix(count))) }
        }
        for place in input.indices {
            for bit in 0..<8 {
                var damaged = input
                damaged[place] ^= 1 << UInt8(bit)
                #expect(throws: SpliceSectionError.self) { try Self.read(damaged) }
            }
        }
    }

    /// Others than the samples: bodies from the protocol version to the descriptors, without the checksum.
    @Test(arguments: [
        // splice_null, as encoders send it; with an unknown length of the command.
        ("00 0000000000 ff fff000 00 0000", SpliceInfoSection(command: .null)),
        ("00 0000000000 00 ffffff 00 0000", SpliceInfoSection(command: .null)),
        // Cancelled; immediate; at an unspecified time; back to the network.
        ("00 0000000000 ff fff005 05 00000007 ff 0000", insert(nil)),
        (
            "00 0000000000 ff fff00a 05 00000007 7f df 0001 02 03 0000",
            insert(.init(isOut: true, place: .immediate, programID: 1, avail: 2, availsExpected: 3))
        ),
        (
            "00 0000000000 ff fff00b 05 00000007 7f cf 7f 0001 02 03 0000",
            insert(.init(isOut: true, place: .program(ticks: nil), programID: 1, avail: 2, availsExpected: 3))
        ),
        (
            "00 0000000000 ff fff00f 05 00000007 7f 4f ff00000000 0000 00 00 0000",
            insert(.init(isOut: false, place: .program(ticks: 1 << 32)))
        ),
        // Components with times and without; immediate ones; a break that does not end by itself.
        (
            "00 0000000000 ff fff013 05 00000007 7f 8f 02 01 fe00000005 02 7f 0000 00 00 0000",
            insert(.init(isOut: true, place: .components([.init(tag: 1, ticks: 5), .init(tag: 2, ticks: nil)])))
        ),
        (
            "00 0000000000 ff fff012 05 00000007 7f bf 02 01 02 7e00000009 0000 00 00 0000",
            insert(
                .init(
                    isOut: true, place: .components([.init(tag: 1, ticks: nil), .init(tag: 2, ticks: nil)]),
                    duration: .init(returns: false, ticks: 9)))
        ),
        // The same with an unknown length: the command tells its own.
        (
            "00 0000000000 ff ffffff 05 00000007 7f 8f 02 01 fe00000005 02 7f 0000 00 00 000a 0008435545490000000a",
            insert(
                .init(isOut: true, place: .components([.init(tag: 1, ticks: 5), .init(tag: 2, ticks: nil)])),
                [.avail(10)])
        ),
        // time_signal at an unspecified time; with an adjustment of 33 bits; with a tier.
        (
            "00 01ffffffff ff 123001 06 7f 0000",
            SpliceInfoSection(command: .timeSignal(ticks: nil), ptsAdjustment: (1 << 33) - 1, tier: 0x123)
        ),
        // Commands that are not read, with their descriptors, if it is known where they begin.
        (
            "00 0000000000 ff fff003 ff 010203 000a 000843554549 00000001",
            SpliceInfoSection(command: .other(type: 0xFF), descriptors: [.avail(1)])
        ),
        ("00 0000000000 ff ffffff ff 010203 0000", SpliceInfoSection(command: .other(type: 0xFF))),
        // Descriptors of others, and one that breaks its own rules.
        (
            "00 0000000000 ff fff000 00 0013 000841424344 00000001 0104 43554549 02 01 00",
            SpliceInfoSection(command: .null, descriptors: [.other(tag: 0), .other(tag: 1), .other(tag: 2)])
        ),
        // Segmentation: cancelled; of components, with sub-segments and nothing restricted.
        (
            "00 0000000000 ff fff001 06 7f 000b 0209 43554549 00000007 ff",
            SpliceInfoSection(
                command: .timeSignal(ticks: nil), descriptors: [.segmentation(.init(event: 7, segment: nil))])
        ),
        (
            "00 0000000000 ff fff001 06 7f 0021 021f 43554549 00000007 7f 7f 01 05 fe00000001 ffffffffff 09 02 6162 36 01 02 03 04",
            SpliceInfoSection(
                command: .timeSignal(ticks: nil),
                descriptors: [
                    .segmentation(
                        .init(
                            event: 7,
                            segment: .init(
                                kind: .init(rawValue: 0x36), components: [.init(tag: 5, offset: 1)],
                                ticks: (1 << 40) - 1, upidType: 9, upid: [0x61, 0x62], number: 1, expected: 2,
                                subNumber: 3, subExpected: 4)))
                ])
        ),
        // Encrypted: told, and not read.
        ("00 8200000005 01 fff005 0123456789abcdef0123", SpliceInfoSection(command: .encrypted, ptsAdjustment: 5)),
    ])
    func readsAndWrites(body: String, expected: SpliceInfoSection) throws {
        let input = Self.section(bytes(hex: body))
        #expect(try Self.read(input) == expected)
        if let written = expected.bytes { #expect(try Self.read(written) == expected) }
    }

    private static func insert(
        _ splice: SpliceInsert.Splice?, _ descriptors: [SpliceDescriptor] = []
    ) -> SpliceInfoSection {
        SpliceInfoSection(command: .insert(.init(event: 7, splice: splice)), descriptors: descriptors)
    }

    /// With header and checksum.
    private static func section(_ body: [UInt8]) -> [UInt8] {
        var section: [UInt8] = [0xFC]
        section.append(bigEndian: UInt64(0x3000 | body.count + 4), count: 2)
        section += body
        SectionChecksum.append(to: &section)
        return section
    }

    @Test(arguments: [
        // Another table; another protocol; too short to be one; a command, a loop, a descriptor that do not fit.
        ("00 0000000000 ff fff000 00 00", SpliceSectionError.malformed),
        ("01 0000000000 ff fff000 00 0000", .unsupported),
        ("00 0000000000 ff fff010 00 0000", .malformed), ("00 0000000000 ff fff000 00 0001", .malformed),
        ("00 0000000000 ff fff000 00 0003 000443", .malformed),
        ("00 0000000000 ff fff004 06 fe000000 0000", .malformed),
        ("00 0000000000 ff fff003 05 000000 0000", .malformed),
        ("00 0000000000 ff fff009 05 00000007 7f 8f ff 01 02 0000", .malformed),
    ])
    func refuses(body: String, error: SpliceSectionError) {
        #expect(throws: error) { try Self.read(Self.section(bytes(hex: body))) }
    }

    @Test func refusesOtherTables() {
        #expect(throws: SpliceSectionError.unsupported) { try Self.read([0x00, 0xB0, 0x0D]) }
        #expect(throws: SpliceSectionError.truncated) { try Self.read([]) }
        // FF where the checksum was: the length reaches further than the largest section.
        #expect(throws: SpliceSectionError.malformed) { try Self.read([0xFC, 0x3F, 0xFF]) }
    }

    @Test(arguments: [
        SpliceInfoSection(command: .encrypted), SpliceInfoSection(command: .other(type: 4)),
        SpliceInfoSection(command: .null, ptsAdjustment: 1 << 33), SpliceInfoSection(command: .null, tier: 0x1000),
        SpliceInfoSection(command: .null, descriptors: [.other(tag: 1)]),
        SpliceInfoSection(command: .timeSignal(ticks: 1 << 33)),
        insert(.init(isOut: true, place: .immediate, duration: .init(returns: true, ticks: 1 << 33))),
        SpliceInfoSection(
            command: .null,
            descriptors: [
                .segmentation(.init(event: 1, segment: .init(kind: .programEnd, upid: Array(repeating: 0, count: 255))))
            ]),
        SpliceInfoSection(command: .null, descriptors: Array(repeating: .avail(1), count: 410)),
    ])
    func doesNotWriteWhatDoesNotFit(section: SpliceInfoSection) {
        #expect(section.bytes == nil)
    }

    @Test(
        arguments: [
            (0, 5, 5), (5, 0, 5), ((1 << 33) - 1, 1, 0), ((1 << 33) - 90_000, 180_000, 90_000), (1 << 32, 1 << 32, 0),
        ] as [(UInt64, UInt64, UInt64)])
    func timesAreAdjustedAndWrap(ticks: UInt64, adjustment: UInt64, time: UInt64) {
        #expect(SpliceInfoSection(command: .null, ptsAdjustment: adjustment).time(ticks) == time)
    }

    /// Action, position and event of what each message announces.
    @Test func becomesIndicators() {
        func announced(_ section: SpliceInfoSection) -> [Announced] {
            #expect(section.indicators.allSatisfy { $0.kind == .splice && $0.target == nil && !$0.detail.isEmpty })
            return section.indicators.map { Announced($0.action, $0.position, $0.event) }
        }
        let samples = Self.samples.map(\.section)
        #expect(announced(samples[0]) == [Announced(.change, .clock(0x72BD_0050), 0x4800_008E)])
        #expect(
            announced(samples[1]) == [
                Announced(.change, .clock(0x7369_C02E), 0x4800_008F),
                Announced(.change, .clock(0x7369_C02E + 0x52_CCF5), 0x4800_008F),
            ])
        #expect(announced(samples[7]).count == 3)
        #expect(announced(Self.insert(nil)) == [Announced(.withdraw, .atOnce, 7)])
        #expect(announced(Self.insert(.init(isOut: true, place: .immediate))) == [Announced(.change, .atOnce, 7)])
        #expect(
            announced(Self.insert(.init(isOut: true, place: .immediate, duration: .init(returns: true, ticks: 5))))
                == [Announced(.change, .atOnce, 7)])
        // Adjusted, over the end of the clock; the end of the break as well.
        var section = Self.insert(
            .init(isOut: true, place: .program(ticks: (1 << 33) - 10), duration: .init(returns: true, ticks: 20)))
        section.ptsAdjustment = 5
        #expect(
            announced(section) == [Announced(.change, .clock((1 << 33) - 5), 7), Announced(.change, .clock(15), 7)])
        // The first of the components, which is the one before the turn.
        section = Self.insert(
            .init(
                isOut: false,
                place: .components([
                    .init(tag: 1, ticks: 3), .init(tag: 2, ticks: (1 << 33) - 3), .init(tag: 3, ticks: nil),
                ])))
        #expect(announced(section) == [Announced(.change, .clock((1 << 33) - 3), 7)])
        // A signal says when, its descriptors what; without them it is a change all the same.
        #expect(announced(SpliceInfoSection(command: .timeSignal(ticks: nil))) == [Announced(.change, .atOnce, nil)])
        #expect(
            announced(
                SpliceInfoSection(
                    command: .timeSignal(ticks: 5),
                    descriptors: [
                        .avail(1), .segmentation(.init(event: 1, segment: nil)),
                        .segmentation(.init(event: 2, segment: .init(kind: .contentIdentification))),
                        .segmentation(.init(event: 3, segment: .init(kind: .programStart))),
                    ])) == [Announced(.withdraw, .atOnce, 1), Announced(.change, .clock(5), 3)])
        for command: SpliceInfoSection.Command in [.null, .encrypted, .other(type: 4)] {
            #expect(announced(SpliceInfoSection(command: command)).isEmpty)
        }
    }

    private struct Announced: Equatable {
        let action: Indicator.Action
        let position: Indicator.Position
        let event: UInt32?

        init(_ action: Indicator.Action, _ position: Indicator.Position, _ event: UInt32?) {
            self.action = action
            self.position = position
            self.event = event
        }
    }

    /// With the checksum made good, so that what is behind it is reached; what is read and can be written is read again
    /// as the same.
    @Test func hostileInput() throws {
        var (parsed, written) = (0, 0)
        let bodies = Self.samples.map { Array(bytes(base64: $0.base64).dropFirst(3).dropLast(4)) }
        forEachHostileInput(seed: 25, real: bodies, rounds: 20_000) { input, _ in
            _ = try? SpliceInfoSection(input)
            guard let section = try? Self.read(Self.section(Array(input))) else { return }
            parsed += 1
            _ = section.indicators
            guard let bytes = section.bytes else { return }
            written += 1
            #expect((try? Self.read(bytes)) == section)
        }
        #expect(parsed > 3000 && written > 2000)
    }
}
