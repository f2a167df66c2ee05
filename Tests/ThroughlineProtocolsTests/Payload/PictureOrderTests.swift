import Testing
import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct PictureOrderTests {
    private func read(_ unit: [UInt8], _ codec: VideoCodec) throws -> SequenceParameterSet {
        try #require(unit.withUnsafeBytes { unit in try? SequenceParameterSet(unit: unit, codec: codec) })
    }

    /// Made by x264 and x265 with the options named; the values are those asked for.
    @Test(arguments: [
        // 1080i; 4:4:4 at 29.97; Baseline.
        (
            VideoCodec.h264, "674d4028eca03c0227ef011000000300100000030326040001312d00009896a4c300f8b16cb0",
            ReorderDepth.stated(2), Rate(25, 1), false
        ),
        (.h264, "67f4000a919b28a4f1f1f808800001f480007530078912cb", .stated(2), Rate(30_000, 1001), true),
        (.h264, "6742c00bd902c4ec0440000003004000000f03c50a92", .none, Rate(30, 1), true),
        // profile=baseline; bframes=0; High 4:2:2 Intra; bframes=8:b-pyramid=normal; bframes=3:b-pyramid=none.
        (.h264, "6742c00ad9020db0110000030001000003001e0f122648", .none, Rate(15, 1), true),
        (.h264, "6764000aacb2041b6022000007d20001d4c01e244c90", .none, Rate(30_000, 1001), true),
        (.h264, "677a100ab6cb841b60220000030002000003006408", .none, Rate(25, 1), true),
        (.h264, "6764000bacc850836c0440000003004000001903c50a6580", .stated(2), Rate(50, 1), true),
        (.h264, "6764000aacd1020db011000003000100000300300f122512", .stated(1), Rate(24, 1), true),
        // scaling-list=default; interlace=tff:bframes=3 of 50 fields; hrd=1:ref=5:bframes=8 in 4:2:2 of 10 bits;
        // bframes=0:ref=4; temporal-layers=3.
        (
            .hevc, "42010101600000030090000003000003001ea010206165959a49395e02d01000003e900007530080", .stated(2),
            Rate(30_000, 1001), true
        ),
        (
            .hevc, "42010101600000030040000003000003003ca01020616595964932bc05a1a0000003002000000641", .stated(2),
            Rate(25, 1), false
        ),
        (
            .hevc,
            """
            4201010408000003009d0800000300003cb0102061365998a924caf01680800001f480002ee030064b37000f420003d091
            """, .stated(2), Rate(24_000, 1001), true
        ),
        (
            .hevc, "42010101600000030090000003000003003ca01020616596a4932bc05a020000030002000003007810", .stated(0),
            Rate(60, 1), true
        ),
        (
            .hevc, "42010101600000030090000003000003001ea010206165959a4932bc05a02000000300200000030321", .stated(2),
            Rate(25, 1), true
        ),
    ])
    func readsRealSets(
        codec: VideoCodec, hex: String, reordering: ReorderDepth, frameRate: Rate?, isFrameOnly: Bool
    ) throws {
        let unit = bytes(hex: hex)
        let set = try read(unit, codec)
        #expect(set.reordering == reordering)
        #expect(set.frameRate == frameRate)
        #expect(set.isFrameOnly == isFrameOnly)
        #expect((set.orderCountType == nil) == (codec == .hevc))
        // Cut anywhere it says less, but nothing else.
        for length in 0..<unit.count {
            let cut = Array(unit.prefix(length)).withUnsafeBytes { try? SequenceParameterSet(unit: $0, codec: codec) }
            guard let cut else { continue }
            #expect(cut.frameRate == nil || cut.frameRate == frameRate)
        }
    }

    /// An H.264 set of 640 x 480 without VUI.
    private func plain(
        profile: Int, constraints: Int = 0, level: Int = 30, orderType: Int = 0, references: Int = 3
    ) -> [UInt8] {
        var writer = BitWriter()
        for byte in [0x67, profile, constraints, level] { writer.write(byte, bits: 8) }
        writer.unsignedGolomb(0)
        if [100, 110, 122, 244, 44].contains(profile) {
            for value in [1, 0, 0] { writer.unsignedGolomb(value) }
            writer.write(0, bits: 2)
        }
        writer.unsignedGolomb(0)
        writer.unsignedGolomb(orderType)
        if orderType == 0 { writer.unsignedGolomb(0) }
        writer.unsignedGolomb(references)
        writer.write(0, bits: 1)
        writer.unsignedGolomb(39)
        writer.unsignedGolomb(29)
        // Frames only, 8x8 inference, no cropping, no VUI.
        writer.write(0b1100, bits: 4)
        return writer.bytes
    }

    /// Table A-1: 1200 macroblocks a frame.
    @Test(arguments: [
        (77, 0x00, 22, 0, 3, ReorderDepth.unstated(atMost: 6)), (77, 0x00, 31, 0, 3, .unstated(atMost: 15)),
        (77, 0x00, 32, 0, 3, .unstated(atMost: 16)), (77, 0x00, 40, 0, 3, .unstated(atMost: 16)),
        (77, 0x00, 21, 0, 3, .unstated(atMost: 3)), (77, 0x00, 12, 0, 3, .unstated(atMost: 1)),
        (77, 0x10, 11, 0, 3, .unstated(atMost: 1)), (100, 0x00, 255, 0, 3, .unstated(atMost: 16)),
        // Order type 2, no references, Baseline, constraints for no B slices and for intra only.
        (77, 0x00, 30, 2, 3, .none), (77, 0x00, 30, 0, 0, .none), (66, 0xC0, 30, 0, 3, .none),
        (77, 0x04, 30, 0, 3, .none), (100, 0x0C, 30, 0, 3, .none), (100, 0x10, 30, 0, 3, .none),
        (244, 0x10, 30, 0, 3, .none), (44, 0x10, 30, 0, 3, .none), (122, 0x04, 30, 0, 3, .unstated(atMost: 6)),
        (77, 0x10, 30, 0, 3, .unstated(atMost: 6)),
    ])
    func whatTheStreamDoesNotSayFollowsFromItsProfile(
        profile: Int, constraints: Int, level: Int, orderType: Int, references: Int, reordering: ReorderDepth
    ) throws {
        let unit = plain(
            profile: profile, constraints: constraints, level: level, orderType: orderType, references: references)
        let set = try read(unit, .h264)
        #expect(set.width == 640 && set.height == 480)
        #expect(set.reordering == reordering)
        #expect(set.orderCountType == orderType)
        #expect(set.frameRate == nil)
    }

    /// Coding tools that no encoder at hand uses, before the timing of HEVC: scaling lists of their own, PCM, predicted
    /// reference picture sets, long-term references, a default display window.
    private func rare(predictedEntries: Int = 3) -> [UInt8] {
        var writer = BitWriter()
        writer.write(0x4201, bits: 16)
        // One sub-layer, Main profile, level 3.
        writer.write(0b0000_000_1, bits: 8)
        writer.write(1, bits: 8)
        for _ in 0..<10 { writer.write(0xFF, bits: 8) }
        writer.write(90, bits: 8)
        for value in [0, 1, 64, 64] { writer.unsignedGolomb(value) }
        writer.write(0, bits: 1)
        for value in [0, 0, 4] { writer.unsignedGolomb(value) }
        writer.write(1, bits: 1)
        for value in [4, 3, 5] { writer.unsignedGolomb(value) }
        for value in [0, 3, 0, 3, 1, 1] { writer.unsignedGolomb(value) }
        writer.write(0b11, bits: 2)
        for size in 0..<4 {
            for matrix in 0..<(size == 3 ? 2 : 6) {
                writer.write(matrix % 2, bits: 1)
                if matrix % 2 == 0 {
                    writer.unsignedGolomb(0)
                } else {
                    if size > 1 { writer.signedGolomb(-3) }
                    for _ in 0..<(size == 0 ? 16 : 64) { writer.signedGolomb(1) }
                }
            }
        }
        writer.write(0b001, bits: 3)
        writer.write(0x77, bits: 8)
        for value in [0, 2] { writer.unsignedGolomb(value) }
        writer.write(0, bits: 1)
        writer.unsignedGolomb(3)
        // Two before, none after; predicted: all three used; predicted from those: one used, one kept.
        for value in [2, 0] { writer.unsignedGolomb(value) }
        for _ in 0..<2 {
            writer.unsignedGolomb(0)
            writer.write(1, bits: 1)
        }
        writer.write(0b10, bits: 2)
        writer.unsignedGolomb(1)
        writer.write((1 << predictedEntries) - 1, bits: predictedEntries)
        writer.write(0b11, bits: 2)
        writer.unsignedGolomb(0)
        writer.write(0b1_01_00_00, bits: 7)
        // Two long-term references of 8 and 1 bits each.
        writer.write(1, bits: 1)
        writer.unsignedGolomb(2)
        writer.write(0x3FFFF, bits: 18)
        writer.write(0b111, bits: 3)
        // VUI: nothing of the appearance, then a window, then timing.
        writer.write(0b0000, bits: 4)
        writer.write(0b0001, bits: 4)
        for value in [0, 2, 0, 2] { writer.unsignedGolomb(value) }
        writer.write(1, bits: 1)
        writer.write(1001, bits: 32)
        writer.write(60_000, bits: 32)
        writer.write(0, bits: 2)
        return writer.bytes.escaped
    }

    @Test func readsPastRareTools() throws {
        let set = try read(rare(), .hevc)
        #expect(set.width == 64 && set.height == 64)
        #expect(set.reordering == .stated(3))
        #expect(set.frameRate == Rate(60_000, 1001))
        // One entry less than the set it is predicted from has: everything after it is shifted.
        #expect(try read(rare(predictedEntries: 2), .hevc).frameRate != Rate(60_000, 1001))
    }

    /// `vps_timing_info` after layer sets, which one layer does not need.
    @Test(arguments: [(0, 0), (2, 3), (62, 1)])
    func readsTheTimingOfVideoParameterSets(highestLayer: Int, layerSets: Int) throws {
        var writer = BitWriter()
        writer.write(0x4001, bits: 16)
        writer.write(0x0C01, bits: 16)
        writer.write(0xFFFF, bits: 16)
        writer.write(1, bits: 8)
        for _ in 0..<10 { writer.write(0xFF, bits: 8) }
        writer.write(90, bits: 8)
        writer.write(1, bits: 1)
        for value in [4, 2, 0] { writer.unsignedGolomb(value) }
        writer.write(highestLayer, bits: 6)
        writer.unsignedGolomb(layerSets)
        for _ in 0..<layerSets * (highestLayer + 1) { writer.write(1, bits: 1) }
        writer.write(1, bits: 1)
        writer.write(1, bits: 32)
        writer.write(50, bits: 32)
        let unit = writer.bytes.escaped
        let set = try #require(unit.withUnsafeBytes { try? VideoParameterSet(unit: $0) })
        #expect(set.maximumReorderedPictures == 2)
        #expect(set.frameRate == Rate(50, 1))
        for length in 0..<unit.count - 1 {
            let cut = Array(unit.prefix(length))
            #expect(cut.withUnsafeBytes { try? VideoParameterSet(unit: $0) }?.frameRate == nil)
        }
    }

    @Test func aVideoParameterSetWithoutTimingHasNone() throws {
        let unit = bytes(hex: "40010c01ffff01600000030090000003000003001e959809")
        let set = try #require(unit.withUnsafeBytes { try? VideoParameterSet(unit: $0) })
        #expect(set.id == 0)
        #expect(set.maximumReorderedPictures == 2)
        #expect(set.frameRate == nil)
        #expect(throws: BitstreamError.unsupported) {
            try bytes(hex: "42010c01ffff").withUnsafeBytes { unit throws(BitstreamError) in
                try VideoParameterSet(unit: unit)
            }
        }
    }

    @Test func theDeepestSetOfAFlowDecides() throws {
        let none = "6742c00ad9020db0110000030001000003001e0f122648"
        let one = "6764000aacd1020db011000003000100000300300f122512"
        let two = "6764000bacc850836c0440000003004000001903c50a6580"
        let flat = try #require(PictureOrder(parameterSets(.h264, annexB(none)), codec: .h264))
        #expect(flat.reordering == .none)
        let both = try #require(PictureOrder(parameterSets(.h264, annexB(one, none, two)), codec: .h264))
        #expect(both.reordering == .stated(2))
        #expect(both.frameRate == Rate(24, 1))
        #expect(both.isFrameOnly)
        #expect(PictureOrder(ParameterSets(), codec: .h264) == nil)
        #expect(PictureOrder(try parameterSets(.h264, annexB("6764")), codec: .h264) == nil)
    }

    @Test(
        arguments: [
            (Rate(30_000, 1001), 23_543_520), (Rate(25, 1), 28_224_000), (Rate(1, 10), 7_056_000_000),
            (Rate(1000, 1), 705_600), (Rate(90_000, 1), nil), (Rate(1, 11), nil),
            (Rate(.max), nil), (Rate(1, .max), nil), (Rate(0), nil),
        ] as [(Rate, Int64?)])
    func frameDurationsAreThoseOfProgrammes(rate: Rate, flicks: Int64?) {
        #expect(rate.frameDuration?.flicks == flicks)
    }
}

extension [UInt8] {
    /// With `0x03` where the bytes would otherwise look like a start code.
    fileprivate var escaped: [UInt8] {
        var out: [UInt8] = []
        for byte in self {
            if byte <= 3, out.suffix(2) == [0, 0] { out.append(3) }
            out.append(byte)
        }
        return out
    }
}
