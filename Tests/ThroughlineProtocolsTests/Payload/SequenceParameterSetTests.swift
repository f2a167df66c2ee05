import Testing

@testable import ThroughlineProtocols

@Suite struct SequenceParameterSetTests {
    private func read(_ unit: [UInt8], _ codec: VideoCodec) throws(BitstreamError) -> SequenceParameterSet {
        let result: Result<SequenceParameterSet, BitstreamError> = unit.withUnsafeBytes { unit in
            do throws(BitstreamError) {
                return .success(try SequenceParameterSet(unit: unit, codec: codec))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Made by x264 and x265; the values are those that ffprobe and `-bsf trace_headers` print.
    @Test(arguments: [
        // 1080i with cropping in units of fields and NAL HRD; 4:4:4; baseline; 4:2:2 of 10 bits.
        (
            VideoCodec.h264, "674d4028eca03c0227ef011000000300100000030326040001312d00009896a4c300f8b16cb0", 77, 40,
            1920, 1080, 2
        ),
        (.h264, "67f4000a919b28a4f1f1f808800001f480007530078912cb", 244, 10, 66, 50, 2),
        (.h264, "6742c00bd902c4ec0440000003004000000f03c50a92", 66, 11, 176, 144, 0),
        (.h264, "677a000ab6cd945279a2fff002400236a0204048000003000800000301e078912cb0", 122, 10, 70, 54, 2),
        // Without reordering; 4:2:2 of 10 bits with two temporal sub-layers.
        (
            .hevc, "420101016000000300900000030000030078a003c0801107cb96e92930bc05a02000000300200000030321", 1, 120,
            1920, 1080, 0
        ),
        (
            .hevc, "4201020408000003009d0800000300001e0000b024839d5b659594acb7265780b4040000030004000003006420", 4, 30,
            70, 54, 2
        ),
    ])
    func readsRealSets(
        codec: VideoCodec, hex: String, profile: Int, level: Int, width: Int, height: Int, reordered: Int
    ) throws {
        let unit = bytes(hex: hex)
        let set = try read(unit, codec)
        #expect(set.codec == codec)
        #expect(set.id == 0)
        #expect(set.profile == profile)
        #expect(set.level == level)
        #expect(set.width == width)
        #expect(set.height == height)
        #expect(set.maximumReorderedPictures == reordered)
        // Cut anywhere it is refused, or at worst lacks what H.264 says last.
        for length in 0..<unit.count {
            let cut = try? read(Array(unit.prefix(length)), codec)
            if let cut {
                #expect(cut.width == width)
                #expect(cut.height == height)
            }
        }
        #expect(throws: BitstreamError.truncated) { try read(Array(unit.prefix(6)), codec) }
    }

    /// Scaling lists, order type 1, odd identifiers: allowed, and made by no encoder at hand.
    private func rare(orderType: Int, hasVUI: Bool = false, width: Int = 120) -> [UInt8] {
        var writer = BitWriter()
        writer.write(0x67, bits: 8)
        writer.write(100, bits: 8)
        writer.write(0, bits: 8)
        writer.write(41, bits: 8)
        writer.unsignedGolomb(3)
        writer.unsignedGolomb(1)
        writer.unsignedGolomb(0)
        writer.unsignedGolomb(0)
        writer.write(0b01, bits: 2)
        for list in 0..<8 {
            writer.write(list % 2, bits: 1)
            if list == 1 {
                // Ends early: the next scale is 0.
                writer.signedGolomb(4)
                writer.signedGolomb(-12)
            } else if list % 2 == 1 {
                for place in 0..<(list < 6 ? 16 : 64) { writer.signedGolomb(place % 3 == 0 ? 2 : -1) }
            }
        }
        writer.unsignedGolomb(4)
        writer.unsignedGolomb(orderType)
        if orderType == 0 { writer.unsignedGolomb(2) }
        if orderType == 1 {
            writer.write(0, bits: 1)
            writer.signedGolomb(-3)
            writer.signedGolomb(70_000)
            writer.unsignedGolomb(2)
            writer.signedGolomb(1)
            writer.signedGolomb(-1)
        }
        writer.unsignedGolomb(4)
        writer.write(0, bits: 1)
        writer.unsignedGolomb(width - 1)
        writer.unsignedGolomb(67)
        writer.write(0b110, bits: 3)
        writer.write(hasVUI ? 1 : 0, bits: 1)
        return writer.bytes
    }

    @Test(arguments: [(0, nil), (1, nil), (2, 0)] as [(Int, Int?)])
    func readsRareFields(orderType: Int, reordered: Int?) throws {
        // Not escaped: the bytes happen to hold no emulation.
        let set = try read(rare(orderType: orderType), .h264)
        #expect(set.id == 3)
        #expect(set.width == 1920)
        #expect(set.height == 1088)
        #expect(set.maximumReorderedPictures == reordered)
    }

    @Test func aBrokenVUICostsOnlyWhatItSays() throws {
        let set = try read(rare(orderType: 0, hasVUI: true), .h264)
        #expect(set.width == 1920)
        #expect(set.maximumReorderedPictures == nil)
    }

    @Test func refusesWhatCannotBe() {
        #expect(throws: BitstreamError.unsupported) { try read([0x68, 0xAA], .h264) }
        #expect(throws: BitstreamError.unsupported) { try read([], .hevc) }
        #expect(throws: BitstreamError.outOfRange) { try read(rare(orderType: 3), .h264) }
        #expect(throws: BitstreamError.outOfRange) { try read(rare(orderType: 0, width: 5000), .h264) }
    }
}
