import Testing

@testable import ThroughlineProtocols

@Suite struct AccessUnitInspectorTests {
    private func inspect(_ payload: [UInt8], _ form: PayloadForm) -> AccessUnitInspector.Findings? {
        payload.withUnsafeBytes { AccessUnitInspector(form: form)?.inspect($0) }
    }

    /// As `ffmpeg -bsf trace_headers` reads the same packets.
    @Test func readsEveryPictureOfAnH264Stream() throws {
        let expected: [(AccessUnitInspector.Entry, AccessUnitInspector.SliceType, Bool)] = [
            (.idr, .i, true), (.none, .p, true), (.none, .b, true), (.none, .b, false),
            (.recoveryPoint, .i, true), (.none, .p, true), (.none, .b, false),
        ]
        for (fixture, form) in [
            (Fixture.h264InMP4, PayloadForm.lengthPrefixed(.h264, lengthSize: 4)), (.h264InTS, .annexB(.h264)),
        ] {
            for (index, (packet, expected)) in zip(fixture.packets, expected).enumerated() {
                let findings = try #require(inspect(packet.bytes, form))
                #expect(findings.containsPicture)
                #expect(findings.entry == expected.0, "picture \(index)")
                #expect(findings.sliceType == expected.1, "picture \(index)")
                #expect(findings.isReference == expected.2, "picture \(index)")
                #expect(findings.recoveryFrameCount == (index == 4 ? 0 : nil))
                // FFmpeg's TS muxer puts parameter sets in front of IDR pictures only.
                #expect(findings.parameterSets == (index == 0 && form == .annexB(.h264) ? [.sequence, .picture] : []))
            }
        }
    }

    @Test func readsEveryPictureOfAnHEVCStream() throws {
        let expected: [(AccessUnitInspector.Entry, AccessUnitInspector.Leading, Bool)] = [
            (.idr, .no, true), (.none, .no, true), (.none, .no, true), (.none, .no, false),
            (.recoveryPoint, .no, true), (.none, .skipped, false), (.none, .no, true), (.none, .no, false),
        ]
        for (fixture, form) in [
            (Fixture.hevcInMP4, PayloadForm.lengthPrefixed(.hevc, lengthSize: 4)), (.hevcInTS, .annexB(.hevc)),
        ] {
            #expect(fixture.packets.count == expected.count)
            for (index, (packet, expected)) in zip(fixture.packets, expected).enumerated() {
                let findings = try #require(inspect(packet.bytes, form))
                #expect(findings.entry == expected.0, "picture \(index)")
                #expect(findings.leading == expected.1, "picture \(index)")
                #expect(findings.isReference == expected.2, "picture \(index)")
                #expect(findings.sliceType == nil)
            }
        }
    }

    @Test(arguments: [
        // I slices only, without a promise; one P slice among them; a recovery that takes 5 frames.
        (["4188"], AccessUnitInspector.Entry.intra), (["4188", "419a"], .none), (["060601 34 80", "419a"], .none),
        // The promise is kept by the SEI even where the second field is predicted; user data before it.
        (["0605ff" + String(repeating: "00", count: 1), "419a"], .none),
        (["0605 02 aabb 0601 c4 80", "419a"], .recoveryPoint),
        // An IDR picture whose second field is not.
        (["6588", "419a"], .idr), (["67aa", "68bb"], .none), (["41"], .none),
    ])
    func judgesH264Entries(units: [String], expected: AccessUnitInspector.Entry) throws {
        let findings = try #require(inspect(units.flatMap { annexB($0) }, .annexB(.h264)))
        #expect(findings.entry == expected)
    }

    @Test(arguments: [
        ("0c01aa", AccessUnitInspector.Entry.none, AccessUnitInspector.Leading.decodable),
        ("1001aa", .none, .skipped), ("2001aa", .recoveryPoint, .no), ("2201aa", .recoveryPoint, .no),
        ("2401aa", .recoveryPoint, .no), ("2601aa", .idr, .no), ("2a01aa", .recoveryPoint, .no),
        // An IDR of another layer is none of the base.
        ("2609aa", .none, .no),
    ])
    func judgesHEVCTypes(
        unit: String, entry: AccessUnitInspector.Entry, leading: AccessUnitInspector.Leading
    ) throws {
        let findings = try #require(inspect(annexB(unit), .annexB(.hevc)))
        #expect(findings.entry == entry)
        #expect(findings.leading == leading)
    }

    @Test func broken() {
        #expect(inspect([1, 2, 3], .annexB(.h264)) == nil)
        #expect(inspect([0, 0, 0, 9, 0x65], .lengthPrefixed(.h264, lengthSize: 4)) == nil)
        #expect(inspect([1], .opaque) == nil)
        #expect(inspect([], .annexB(.h264))?.containsPicture == false)
    }
}
