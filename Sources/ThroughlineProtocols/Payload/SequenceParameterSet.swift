/// What a sequence parameter set says about the pictures, as far as a player-side agent needs it.
package struct SequenceParameterSet: Hashable, Sendable {
    package let codec: VideoCodec
    package let id: Int
    /// `profile_idc`, `general_profile_idc`.
    package let profile: Int
    /// `level_idc` (31 is level 3.1), `general_level_idc` (93 is level 3.1).
    package let level: Int
    /// Of the pictures as presented, after cropping; in luma samples.
    package let width: Int
    package let height: Int
    /// How many pictures may precede a picture in decoding and follow it in presentation. Nil when an H.264 stream does
    /// not say (no `bitstream_restriction`), unless the order of presentation is that of decoding by its
    /// `pic_order_cnt_type`.
    package let maximumReorderedPictures: Int?

    /// Reads a whole NAL unit: H.264 section 7.3.2.1.1, H.265 section 7.3.2.2.1.
    ///
    /// - Throws: `unsupported` when the unit is of another type or of another layer; otherwise what its bytes deserve.
    package init(unit: UnsafeRawBufferPointer, codec: VideoCodec) throws(BitstreamError) {
        guard let header = NALUnitHeader(unit, codec: codec), header.kind == .sequenceParameterSet,
            header.layerID == 0
        else { throw .unsupported }
        var reader = BitReader(unit.part(header.size..<unit.count), removingEmulationPrevention: true)
        switch codec {
        case .h264: try self.init(h264: &reader)
        case .hevc: try self.init(hevc: &reader)
        }
    }

    /// Width and height in luma samples; level 6.2 of either codec stays below.
    private static let maximumDimension = 16_888

    // MARK: H.264

    private init(h264 reader: inout BitReader) throws(BitstreamError) {
        let profile = Int(try reader.bits(8))
        try reader.skip(8)
        let level = Int(try reader.bits(8))
        let id = Int(try reader.unsignedGolomb(atMost: 31))
        var chromaFormat = 1
        var hasSeparatePlanes = false
        if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(profile) {
            chromaFormat = Int(try reader.unsignedGolomb(atMost: 3))
            if chromaFormat == 3 { hasSeparatePlanes = try reader.flag() }
            _ = try reader.unsignedGolomb(atMost: 6)
            _ = try reader.unsignedGolomb(atMost: 6)
            try reader.skip(1)
            if try reader.flag() {
                for list in 0..<(chromaFormat == 3 ? 12 : 8) where try reader.flag() {
                    try Self.skipScalingList(size: list < 6 ? 16 : 64, &reader)
                }
            }
        }
        _ = try reader.unsignedGolomb(atMost: 12)
        let orderType = try reader.unsignedGolomb(atMost: 2)
        if orderType == 0 {
            _ = try reader.unsignedGolomb(atMost: 12)
        } else if orderType == 1 {
            try reader.skip(1)
            _ = try reader.signedGolomb()
            _ = try reader.signedGolomb()
            for _ in 0..<(try reader.unsignedGolomb(atMost: 255)) { _ = try reader.signedGolomb() }
        }
        _ = try reader.unsignedGolomb(atMost: 16)
        try reader.skip(1)
        let widthInMacroblocks = Int(try reader.unsignedGolomb(atMost: 1055)) + 1
        let heightInMapUnits = Int(try reader.unsignedGolomb(atMost: 1055)) + 1
        let isFrameOnly = try reader.flag()
        if !isFrameOnly { try reader.skip(1) }
        try reader.skip(1)
        // Table 6-1 and equations 7-19 to 7-22.
        let chromaArray = hasSeparatePlanes ? 0 : chromaFormat
        let fieldFactor = isFrameOnly ? 1 : 2
        let size = try Self.cropped(
            width: widthInMacroblocks * 16, height: heightInMapUnits * 16 * fieldFactor,
            unitX: chromaArray == 1 || chromaArray == 2 ? 2 : 1, unitY: (chromaArray == 1 ? 2 : 1) * fieldFactor,
            &reader)
        var reordered: Int?
        if try reader.flag() {
            // Many encoders get the end of the VUI wrong; what is known by now stands without it.
            reordered = (try? Self.reorderedFrames(vui: &reader)) ?? nil
        }
        self.init(
            codec: .h264, id: id, profile: profile, level: level, width: size.width, height: size.height,
            maximumReorderedPictures: orderType == 2 ? 0 : reordered)
    }

    private static func skipScalingList(size: Int, _ reader: inout BitReader) throws(BitstreamError) {
        var last = 8
        var next = 8
        for _ in 0..<size {
            if next != 0 {
                let delta = Int(try reader.signedGolomb())
                guard (-128...127).contains(delta) else { throw .outOfRange }
                next = (last + delta + 256) % 256
            }
            if next != 0 { last = next }
        }
    }

    /// `max_num_reorder_frames` (section E.1.1).
    private static func reorderedFrames(vui reader: inout BitReader) throws(BitstreamError) -> Int? {
        if try reader.flag(), try reader.bits(8) == 255 { try reader.skip(32) }
        if try reader.flag() { try reader.skip(1) }
        if try reader.flag() {
            try reader.skip(4)
            if try reader.flag() { try reader.skip(24) }
        }
        if try reader.flag() {
            _ = try reader.unsignedGolomb(atMost: 5)
            _ = try reader.unsignedGolomb(atMost: 5)
        }
        if try reader.flag() { try reader.skip(65) }
        let hasNALParameters = try reader.flag()
        if hasNALParameters { try skipHypotheticalDecoder(&reader) }
        let hasVCLParameters = try reader.flag()
        if hasVCLParameters { try skipHypotheticalDecoder(&reader) }
        if hasNALParameters || hasVCLParameters { try reader.skip(1) }
        try reader.skip(1)
        guard try reader.flag() else { return nil }
        try reader.skip(1)
        for _ in 0..<4 { _ = try reader.unsignedGolomb(atMost: 16) }
        return Int(try reader.unsignedGolomb(atMost: 16))
    }

    /// `hrd_parameters` (section E.1.2).
    private static func skipHypotheticalDecoder(_ reader: inout BitReader) throws(BitstreamError) {
        let count = try reader.unsignedGolomb(atMost: 31) + 1
        try reader.skip(8)
        for _ in 0..<count {
            _ = try reader.unsignedGolomb()
            _ = try reader.unsignedGolomb()
            try reader.skip(1)
        }
        try reader.skip(20)
    }

    // MARK: HEVC

    private init(hevc reader: inout BitReader) throws(BitstreamError) {
        try reader.skip(4)
        let highestSubLayer = Int(try reader.bits(3))
        guard highestSubLayer <= 6 else { throw .outOfRange }
        try reader.skip(1)
        // profile_tier_level, section 7.3.3.
        try reader.skip(3)
        let profile = Int(try reader.bits(5))
        try reader.skip(32 + 48)
        let level = Int(try reader.bits(8))
        var subLayerBits = 0
        for _ in 0..<highestSubLayer {
            if try reader.flag() { subLayerBits += 88 }
            if try reader.flag() { subLayerBits += 8 }
        }
        if highestSubLayer > 0 { try reader.skip(2 * (8 - highestSubLayer)) }
        try reader.skip(subLayerBits)

        let id = Int(try reader.unsignedGolomb(atMost: 15))
        let chromaFormat = Int(try reader.unsignedGolomb(atMost: 3))
        if chromaFormat == 3 { try reader.skip(1) }
        let limit = UInt32(Self.maximumDimension)
        let width = Int(try reader.unsignedGolomb(atMost: limit))
        let height = Int(try reader.unsignedGolomb(atMost: limit))
        let size = try Self.cropped(
            width: width, height: height, unitX: chromaFormat == 1 || chromaFormat == 2 ? 2 : 1,
            unitY: chromaFormat == 1 ? 2 : 1, &reader)
        _ = try reader.unsignedGolomb(atMost: 8)
        _ = try reader.unsignedGolomb(atMost: 8)
        _ = try reader.unsignedGolomb(atMost: 12)
        // One entry per sub-layer or only that of the highest; the last one is of the whole stream either way.
        let entries = try reader.flag() ? highestSubLayer + 1 : 1
        var reordered = 0
        for _ in 0..<entries {
            _ = try reader.unsignedGolomb(atMost: 15)
            reordered = Int(try reader.unsignedGolomb(atMost: 15))
            _ = try reader.unsignedGolomb()
        }
        self.init(
            codec: .hevc, id: id, profile: profile, level: level, width: size.width, height: size.height,
            maximumReorderedPictures: reordered)
    }

    // MARK: Both

    private init(
        codec: VideoCodec, id: Int, profile: Int, level: Int, width: Int, height: Int, maximumReorderedPictures: Int?
    ) {
        self.codec = codec
        self.id = id
        self.profile = profile
        self.level = level
        self.width = width
        self.height = height
        self.maximumReorderedPictures = maximumReorderedPictures
    }

    /// Reads the cropping or conformance window, if there is one, and applies it.
    private static func cropped(
        width: Int, height: Int, unitX: Int, unitY: Int, _ reader: inout BitReader
    ) throws(BitstreamError) -> (width: Int, height: Int) {
        var (width, height) = (width, height)
        if try reader.flag() {
            let limit = UInt32(maximumDimension)
            let left = Int(try reader.unsignedGolomb(atMost: limit))
            let right = Int(try reader.unsignedGolomb(atMost: limit))
            let top = Int(try reader.unsignedGolomb(atMost: limit))
            let bottom = Int(try reader.unsignedGolomb(atMost: limit))
            width -= unitX * (left + right)
            height -= unitY * (top + bottom)
        }
        guard width > 0, height > 0 else { throw .outOfRange }
        return (width, height)
    }
}
