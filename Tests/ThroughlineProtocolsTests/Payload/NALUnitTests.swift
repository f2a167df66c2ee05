import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct NALUnitTests {
    @Test(
        arguments: [
            // Start codes of three and four bytes, zeros before and after.
            ("000001 65aa 000001 41bb", ["65aa", "41bb"]),
            ("00000001 65aa 0000 00000001 41bb 0000", ["65aa", "41bb"]),
            ("0000000000 000001 65", ["65"]),
            // Empty units.
            ("000001 000001 65", ["65"]), ("000001", []), ("000001 65 000001", ["65"]),
            // cabac_zero_word belongs to the unit; what follows it does not.
            ("000001 65aa 000003 000003 0000", ["65aa000003000003"]),
            // A TRAIL_N of HEVC begins with a zero byte.
            ("000001 0001aa 000001 0001bb", ["0001aa", "0001bb"]),
            ("", []),
            // Not Annex B.
            ("65aa", nil), ("01000001 65", nil), ("0000", nil), ("00000000000000000000000000000000000000", nil),
        ] as [(String, [String]?)])
    func splitsAtStartCodes(payload: String, expected: [String]?) {
        #expect(units(bytes(hex: payload), .startCodes) == expected?.map { bytes(hex: $0) })
    }

    @Test(
        arguments: [
            (4, "00000002 65aa 00000001 41", ["65aa", "41"]), (2, "0002 65aa 0000 0001 41", ["65aa", "41"]),
            (1, "02 65aa", ["65aa"]), (3, "000002 65aa", ["65aa"]),
            // Padding inside the length is not part of the unit.
            (2, "0004 65aa 0000", ["65aa"]), (2, "", []),
            (4, "00000003 65aa", nil), (4, "000000", nil), (2, "0001 65 00", nil), (4, "ffffffff 65", nil),
            (0, "65", nil), (5, "0000000001 65", nil), (8, "0000000000000001 65", nil),
        ] as [(Int, String, [String]?)])
    func splitsAtLengths(size: Int, payload: String, expected: [String]?) {
        #expect(units(bytes(hex: payload), .lengthPrefixes(size: size)) == expected?.map { bytes(hex: $0) })
    }

    /// The fast search agrees with the obvious one, wherever it starts and whatever stands around.
    @Test func findsEveryStartCode() {
        func obvious(_ bytes: [UInt8], from start: Int) -> Int {
            var at = start
            while at + 3 <= bytes.count {
                if bytes[at] == 0, bytes[at + 1] == 0, bytes[at + 2] == 1 { return at }
                at += 1
            }
            return bytes.count
        }
        var random = SeededGenerator(seed: 1)
        for round in 0..<20_000 {
            // Few values make many near misses; more values make long stretches without.
            let values: ClosedRange<UInt8> = round % 2 == 0 ? 0...2 : 0...12
            let payload = (0..<Int.random(in: 0...70, using: &random)).map { _ in
                UInt8.random(in: values, using: &random)
            }
            let start = Int.random(in: 0...payload.count, using: &random)
            let found = payload.withUnsafeBytes { NALUnitIterator.startCode(in: $0, from: start) }
            #expect(found == obvious(payload, from: start), "\(payload) from \(start)")
        }
    }

    @Test func readsHeaders() throws {
        func header(_ hex: String, _ codec: VideoCodec) -> NALUnitHeader? {
            bytes(hex: hex).withUnsafeBytes { NALUnitHeader($0, codec: codec) }
        }
        let idr = try #require(header("65", .h264))
        #expect(idr.type == 5 && idr.referenceIDC == 3 && idr.kind == .slice)
        let rasl = try #require(header("110a", .hevc))
        #expect(rasl.type == 8 && rasl.layerID == 33 && rasl.temporalID == 1 && rasl.kind == .slice)
        #expect(header("", .h264) == nil)
        #expect(header("e5", .h264) == nil)
        #expect(header("40", .hevc) == nil)
        // nuh_temporal_id_plus1 of 0.
        #expect(header("4000", .hevc) == nil)
    }
}
