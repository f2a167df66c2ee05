import Testing

@testable import ThroughlineProtocols

@Suite struct ParameterSetsTests {
    @Test(arguments: [
        (VideoCodec.h264, Fixture.h264InMP4, Fixture.h264InTS), (.hevc, .hevcInMP4, .hevcInTS),
    ])
    func areTheSameInEveryContainer(codec: VideoCodec, mp4: Fixture, ts: Fixture) throws {
        let recorded = try parameterSets(codec, mp4.extradata)
        #expect(recorded.kinds == .needed(by: codec))
        #expect(recorded.video.count == (codec == .hevc ? 1 : 0))
        #expect(recorded.sequence.count == 1)
        #expect(recorded.picture.count == 1)
        #expect(try parameterSets(codec, ts.extradata) == recorded)
        let inBand = try ts.packets[0].bytes.withUnsafeBytes {
            try ParameterSets(payload: $0, form: .annexB(codec))
        }
        #expect(inBand == recorded)
    }

    @Test func repeatedSetsCountOnce() throws {
        let sets = try parameterSets(.h264, annexB("67aa", "68bb", "67aa", "68cc", "0605"))
        #expect(sets.sequence == [[0x67, 0xAA]])
        #expect(sets.picture == [[0x68, 0xBB], [0x68, 0xCC]])
    }

    @Test(arguments: [
        // One SPS of 16 bytes announced, 2 there; second list missing; garbage.
        (VideoCodec.h264, "01640028 ff e1 0010 67aa", BitstreamError.truncated),
        (.h264, "01640028 ff e1 0002 67aa", .truncated), (.h264, "01640028 ff e1 00", .truncated),
        (.h264, "026400", .unsupported), (.hevc, "026400", .unsupported),
        (.hevc, String(repeating: "01", count: 22) + "01 21 0001", .truncated),
        (.hevc, String(repeating: "01", count: 22) + "01 21 0001 0009 42", .truncated),
        (.hevc, String(repeating: "01", count: 22) + "ff", .truncated),
    ])
    func refusesBrokenRecords(codec: VideoCodec, extradata: String, error: BitstreamError) {
        #expect(throws: error) { try parameterSets(codec, bytes(hex: extradata)) }
    }

    @Test func boundsTheNumberOfSets() {
        let many = (0..<33).flatMap { annexB("67") + [UInt8($0 + 1)] }
        #expect(throws: BitstreamError.outOfRange) { try parameterSets(.h264, many) }
        #expect(throws: Never.self) { try parameterSets(.h264, Array(many.dropLast(6))) }
        let large = annexB("67") + Array(repeating: 0xFF, count: 0x10000)
        #expect(throws: BitstreamError.outOfRange) { try parameterSets(.h264, large) }
    }

    @Test func emptyExtradataHoldsNone() throws {
        #expect(try parameterSets(.h264, []).isEmpty)
    }
}
