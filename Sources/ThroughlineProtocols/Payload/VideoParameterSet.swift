package import ThroughlineCore

/// What a video parameter set of HEVC says about time and order; sequence parameter sets may lack the first.
package struct VideoParameterSet: Hashable, Sendable {
    package let id: Int
    /// How many pictures may precede a picture in decoding and follow it in presentation.
    package let maximumReorderedPictures: Int
    /// Nil where there is no timing. Where fields are coded they count as frames here.
    package let frameRate: Rate?

    /// Reads a whole NAL unit: H.265 section 7.3.2.1.
    ///
    /// - Throws: `unsupported` when the unit is of another type or of another layer; otherwise what its bytes deserve.
    package init(unit: UnsafeRawBufferPointer) throws(BitstreamError) {
        guard let header = NALUnitHeader(unit, codec: .hevc), header.kind == .videoParameterSet, header.layerID == 0
        else { throw .unsupported }
        var reader = BitReader(unit.part(header.size..<unit.count), removingEmulationPrevention: true)
        id = Int(try reader.bits(4))
        try reader.skip(2 + 6)
        let highestSubLayer = Int(try reader.bits(3))
        guard highestSubLayer <= 6 else { throw .outOfRange }
        try reader.skip(1 + 16)
        _ = try reader.profileTierLevel(highestSubLayer: highestSubLayer)
        maximumReorderedPictures = try reader.reorderedPictures(highestSubLayer: highestSubLayer)
        frameRate = (try? Self.frameRate(&reader)) ?? nil
    }

    private static func frameRate(_ reader: inout BitReader) throws(BitstreamError) -> Rate? {
        let highestLayer = Int(try reader.bits(6))
        let layerSets = Int(try reader.unsignedGolomb(atMost: 1023))
        try reader.skip(layerSets * (highestLayer + 1))
        guard try reader.flag() else { return nil }
        return try Rate(timing: &reader, unitsPerFrame: 1)
    }
}

extension BitReader {
    /// `profile_tier_level` with the general profile present (H.265 section 7.3.3).
    ///
    /// - Parameter highestSubLayer: 0 to 6.
    mutating func profileTierLevel(highestSubLayer: Int) throws(BitstreamError) -> (profile: Int, level: Int) {
        try skip(3)
        let profile = Int(try bits(5))
        try skip(32 + 48)
        let level = Int(try bits(8))
        var subLayerBits = 0
        for _ in 0..<highestSubLayer {
            if try flag() { subLayerBits += 88 }
            if try flag() { subLayerBits += 8 }
        }
        if highestSubLayer > 0 { try skip(2 * (8 - highestSubLayer)) }
        try skip(subLayerBits)
        return (profile, level)
    }

    /// `max_num_reorder_pics` of the whole stream, from the sub-layer ordering that both VPS and SPS of HEVC hold.
    mutating func reorderedPictures(highestSubLayer: Int) throws(BitstreamError) -> Int {
        // One entry per sub-layer or only that of the highest; the last one is of the whole stream either way.
        let entries = try flag() ? highestSubLayer + 1 : 1
        var reordered = 0
        for _ in 0..<entries {
            _ = try unsignedGolomb(atMost: 15)
            reordered = Int(try unsignedGolomb(atMost: 15))
            _ = try unsignedGolomb()
        }
        return reordered
    }
}
