package import ThroughlineCore

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
    /// The same with what follows from profile, level and picture order where the stream does not say.
    package let reordering: ReorderDepth
    /// `pic_order_cnt_type`, 0 to 2, of H.264; nil in HEVC, where the order is always coded.
    package let orderCountType: Int?
    /// Every coded picture is a frame. Else pictures may be fields, which over RTP can come as packets of their own.
    package let isFrameOnly: Bool
    /// As the timing in the VUI tells it; nil where it does not.
    package let frameRate: Rate?

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
        let constraints = Constraints(rawValue: UInt8(truncatingIfNeeded: try reader.bits(8)))
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
        let orderType = Int(try reader.unsignedGolomb(atMost: 2))
        if orderType == 0 {
            _ = try reader.unsignedGolomb(atMost: 12)
        } else if orderType == 1 {
            try reader.skip(1)
            _ = try reader.signedGolomb()
            _ = try reader.signedGolomb()
            for _ in 0..<(try reader.unsignedGolomb(atMost: 255)) { _ = try reader.signedGolomb() }
        }
        let referenceFrames = Int(try reader.unsignedGolomb(atMost: 16))
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
        var usability = Usability()
        if try reader.flag() {
            // Many encoders get the end of the VUI wrong; what is known by now stands without it.
            try? Self.readVUI(h264: &reader, into: &usability)
        }
        let reordering: ReorderDepth
        if orderType == 2 || referenceFrames == 0 || constraints.forbidReordering(profile: profile) {
            reordering = .none
        } else if let stated = usability.reorderedPictures {
            reordering = .stated(stated)
        } else {
            let macroblocks = widthInMacroblocks * heightInMapUnits * fieldFactor
            reordering = .unstated(
                atMost: Self.decodedFrames(
                    level: constraints.isLevel1b(profile: profile, level: level) ? 9 : level, macroblocks: macroblocks))
        }
        self.init(
            codec: .h264, id: id, profile: profile, level: level, width: size.width, height: size.height,
            maximumReorderedPictures: orderType == 2 ? 0 : usability.reorderedPictures, reordering: reordering,
            orderCountType: orderType, isFrameOnly: isFrameOnly, frameRate: usability.frameRate)
    }

    /// The flags between `profile_idc` and `level_idc`.
    private struct Constraints: OptionSet {
        let rawValue: UInt8
        static let set3 = Constraints(rawValue: 0x10)
        static let set5 = Constraints(rawValue: 0x04)

        /// Whether a profile has nothing that needs another order: the Baseline profile, which has no B slices (section
        /// A.2.1), profiles without inter prediction (section E.2.1, `max_num_reorder_frames`), and Main, Extended and
        /// High when they promise to have no B slices (section A.2.4). P slices could be reordered, too; no encoder
        /// does so.
        func forbidReordering(profile: Int) -> Bool {
            switch profile {
            case 66: true
            case 44, 110, 122, 244: contains(.set3)
            case 77, 88: contains(.set5)
            case 100: contains(.set3) || contains(.set5)
            default: false
            }
        }

        /// Level 1b is that of 11 with this flag in the profiles that came first (section A.3.1).
        func isLevel1b(profile: Int, level: Int) -> Bool {
            level == 11 && contains(.set3) && [66, 77, 88].contains(profile)
        }
    }

    /// `MaxDpbFrames` (section A.3.1, table A-1): how many frames a decoder of the level holds.
    private static func decodedFrames(level: Int, macroblocks: Int) -> Int {
        let limit =
            switch level {
            case ...10: 396
            case 11: 900
            case 12...20: 2376
            case 21: 4752
            case 22...30: 8100
            case 31: 18_000
            case 32: 20_480
            case 40, 41: 32_768
            case 42: 34_816
            case 50: 110_400
            case 51, 52: 184_320
            default: 696_320
            }
        return max(1, min(limit / max(1, macroblocks), ReorderDepth.greatest))
    }

    /// What the VUI says, as far as it was read.
    private struct Usability {
        var frameRate: Rate?
        var reorderedPictures: Int?
        var holdsFields = false
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

    /// The VUI of H.264 up to `max_num_reorder_frames` (section E.1.1).
    private static func readVUI(h264 reader: inout BitReader, into usability: inout Usability) throws(BitstreamError) {
        try skipAppearance(&reader)
        if try reader.flag() {
            // A tick is the time of a field (section E.2.1, `num_units_in_tick`).
            usability.frameRate = try Rate(timing: &reader, unitsPerFrame: 2)
            try reader.skip(1)
        }
        let hasNALParameters = try reader.flag()
        if hasNALParameters { try skipHypotheticalDecoder(&reader) }
        let hasVCLParameters = try reader.flag()
        if hasVCLParameters { try skipHypotheticalDecoder(&reader) }
        if hasNALParameters || hasVCLParameters { try reader.skip(1) }
        try reader.skip(1)
        guard try reader.flag() else { return }
        try reader.skip(1)
        for _ in 0..<4 { _ = try reader.unsignedGolomb(atMost: 16) }
        usability.reorderedPictures = Int(try reader.unsignedGolomb(atMost: 16))
    }

    /// What both codecs say first in the VUI: sample aspect ratio, overscan, colours, place of chroma samples.
    private static func skipAppearance(_ reader: inout BitReader) throws(BitstreamError) {
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
        let (profile, level) = try reader.profileTierLevel(highestSubLayer: highestSubLayer)
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
        let orderBits = Int(try reader.unsignedGolomb(atMost: 12)) + 4
        let reordered = try reader.reorderedPictures(highestSubLayer: highestSubLayer)
        var usability = Usability()
        // What follows is long, and only the frame rate is wanted of it.
        try? Self.readTail(hevc: &reader, chromaFormat: chromaFormat, orderBits: orderBits, into: &usability)
        self.init(
            codec: .hevc, id: id, profile: profile, level: level, width: size.width, height: size.height,
            maximumReorderedPictures: reordered, reordering: .stated(reordered), orderCountType: nil,
            isFrameOnly: !usability.holdsFields, frameRate: usability.frameRate)
    }

    /// From the sizes of coding blocks to the timing in the VUI: sections 7.3.2.2.1 and E.2.1.
    private static func readTail(
        hevc reader: inout BitReader, chromaFormat: Int, orderBits: Int, into usability: inout Usability
    ) throws(BitstreamError) {
        for _ in 0..<6 { _ = try reader.unsignedGolomb(atMost: 6) }
        if try reader.flag(), try reader.flag() { try skipScalingLists(hevc: &reader) }
        try reader.skip(2)
        if try reader.flag() {
            try reader.skip(8)
            _ = try reader.unsignedGolomb(atMost: 3)
            _ = try reader.unsignedGolomb(atMost: 3)
            try reader.skip(1)
        }
        try skipReferencePictureSets(&reader)
        if try reader.flag() {
            try reader.skip(Int(try reader.unsignedGolomb(atMost: 32)) * (orderBits + 1))
        }
        try reader.skip(2)
        guard try reader.flag() else { return }
        try skipAppearance(&reader)
        try reader.skip(1)
        usability.holdsFields = try reader.flag()
        try reader.skip(1)
        // default_display_window
        if try reader.flag() { for _ in 0..<4 { _ = try reader.unsignedGolomb() } }
        if try reader.flag() {
            usability.frameRate = try Rate(timing: &reader, unitsPerFrame: usability.holdsFields ? 2 : 1)
        }
    }

    /// `scaling_list_data` (section 7.3.4).
    private static func skipScalingLists(hevc reader: inout BitReader) throws(BitstreamError) {
        for size in 0..<4 {
            for _ in stride(from: 0, to: 6, by: size == 3 ? 3 : 1) {
                guard try reader.flag() else {
                    _ = try reader.unsignedGolomb(atMost: 5)
                    continue
                }
                if size > 1 { _ = try reader.signedGolomb() }
                for _ in 0..<(size == 0 ? 16 : 64) { _ = try reader.signedGolomb() }
            }
        }
    }

    /// The sets of short-term reference pictures (section 7.3.7).
    private static func skipReferencePictureSets(_ reader: inout BitReader) throws(BitstreamError) {
        var last = 0
        for index in 0..<(try reader.unsignedGolomb(atMost: 64)) {
            var count = 0
            if index > 0, try reader.flag() {
                // Predicted from the set before; equations 7-61 and 7-62 keep what is used or not left out.
                try reader.skip(1)
                _ = try reader.unsignedGolomb(atMost: 0x7FFF)
                for _ in 0...last {
                    if try reader.flag() {
                        count += 1
                    } else if try reader.flag() {
                        count += 1
                    }
                }
            } else {
                count = Int(try reader.unsignedGolomb(atMost: 16))
                count += Int(try reader.unsignedGolomb(atMost: 16))
                for _ in 0..<count {
                    _ = try reader.unsignedGolomb(atMost: 0x7FFF)
                    try reader.skip(1)
                }
            }
            guard count <= 16 else { throw .outOfRange }
            last = count
        }
    }

    // MARK: Both

    private init(
        codec: VideoCodec, id: Int, profile: Int, level: Int, width: Int, height: Int, maximumReorderedPictures: Int?,
        reordering: ReorderDepth, orderCountType: Int?, isFrameOnly: Bool, frameRate: Rate?
    ) {
        self.codec = codec
        self.id = id
        self.profile = profile
        self.level = level
        self.width = width
        self.height = height
        self.maximumReorderedPictures = maximumReorderedPictures
        self.reordering = reordering
        self.orderCountType = orderCountType
        self.isFrameOnly = isFrameOnly
        self.frameRate = frameRate
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
