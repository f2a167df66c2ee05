/// What the bytes of a picture say of it, of codecs whose size stands in the stream alone: JPEG, MPEG-1, MPEG-2 and MPEG-4
/// video, H.263, VP8 and VP9.
package struct PictureHeader: Hashable, Sendable {
    package enum Codec: String, Hashable, Sendable, CaseIterable {
        case mjpeg, mpeg1video, mpeg2video, mpeg4, h263, vp8, vp9
    }

    package struct Size: Hashable, Sendable {
        package var width: Int
        package var height: Int

        package init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

        init?(_ width: UInt32, _ height: UInt32) {
            guard (1...65_536).contains(width), (1...65_536).contains(height) else { return nil }
            (self.width, self.height) = (Int(width), Int(height))
        }
    }

    /// Whether it can be decoded alone.
    package private(set) var isKey = false
    /// In pixels; nil where it says nothing, as pictures between key frames do.
    package private(set) var size: Size?
    /// Bytes before the picture that tell how to decode it; 0 where there are none.
    package private(set) var headerCount = 0

    /// - Parameter bytes: of a picture with what comes before it, or of the headers alone. What cannot be read says nothing.
    package init(_ bytes: UnsafeRawBufferPointer, codec: Codec) {
        do throws(BitstreamError) {
            switch codec {
            case .mjpeg:
                isKey = true
                size = Self.sizeOfJPEG(bytes)
            case .mpeg1video, .mpeg2video: try readMPEG2(bytes)
            case .mpeg4: try readMPEG4(bytes)
            case .h263: try readH263(bytes)
            case .vp8: readVP8(bytes)
            case .vp9: try readVP9(bytes)
            }
        } catch {}
    }

    /// ITU-T T.81 section B.2: segments up to the frame header.
    private static func sizeOfJPEG(_ bytes: UnsafeRawBufferPointer) -> Size? {
        var index = 2
        while index + 9 < bytes.count, bytes[index] == 0xFF {
            let marker = bytes[index + 1]
            if marker == 0xFF {
                index += 1
                continue
            }
            if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
                return Size(
                    UInt32(bytes[index + 7]) << 8 | UInt32(bytes[index + 8]),
                    UInt32(bytes[index + 5]) << 8 | UInt32(bytes[index + 6]))
            }
            if marker == 0xDA || marker == 0xD9 { return nil }
            index += 2 + max(2, Int(bytes[index + 2]) << 8 | Int(bytes[index + 3]))
        }
        return nil
    }

    /// Start codes `00 00 01 xx`, as places of the byte behind them.
    private static func startCodes(_ bytes: UnsafeRawBufferPointer, _ body: (UInt8, Int) -> Bool) {
        var index = 0
        while index + 3 < bytes.count {
            if bytes[index + 2] > 1 {
                index += 3
            } else if bytes[index] == 0, bytes[index + 1] == 0, bytes[index + 2] == 1 {
                guard body(bytes[index + 3], index + 4) else { return }
                index += 4
            } else {
                index += 1
            }
        }
    }

    /// ISO/IEC 13818-2 section 6.2.2: the sequence header and its extension, then the picture header.
    private mutating func readMPEG2(_ bytes: UnsafeRawBufferPointer) throws(BitstreamError) {
        var (width, height): (UInt32, UInt32) = (0, 0)
        var places: [(code: UInt8, place: Int)] = []
        Self.startCodes(bytes) { code, place in
            if [0x00, 0xB3, 0xB5].contains(code) { places.append((code, place)) }
            return code != 0x00 && places.count < 16
        }
        for (code, place) in places {
            var reader = BitReader(UnsafeRawBufferPointer(rebasing: bytes[place...]))
            switch code {
            case 0xB3:
                width = try reader.bits(12)
                height = try reader.bits(12)
            case 0xB5:
                guard try reader.bits(4) == 1 else { continue }
                try reader.skip(11)
                width |= try reader.bits(2) << 12
                height |= try reader.bits(2) << 12
            default:
                try reader.skip(10)
                isKey = try reader.bits(3) == 1
                headerCount = place - 4
            }
        }
        size = Size(width, height)
    }

    /// ISO/IEC 14496-2 section 6.2.3: the header of a rectangular video object layer, then that of the picture.
    private mutating func readMPEG4(_ bytes: UnsafeRawBufferPointer) throws(BitstreamError) {
        var (layer, picture): (Int?, Int?) = (nil, nil)
        Self.startCodes(bytes) { code, place in
            if (0x20...0x2F).contains(code), layer == nil { layer = place }
            if code == 0xB6 { picture = place }
            return picture == nil
        }
        if let picture {
            var reader = BitReader(UnsafeRawBufferPointer(rebasing: bytes[picture...]))
            isKey = try reader.bits(2) == 0
        }
        guard let layer else { return }
        headerCount = picture.map { $0 - 4 } ?? bytes.count
        var reader = BitReader(UnsafeRawBufferPointer(rebasing: bytes[layer...]))
        try reader.skip(9)
        if try reader.flag() { try reader.skip(7) }
        if try reader.bits(4) == 15 { try reader.skip(16) }
        if try reader.flag() {
            try reader.skip(3)
            if try reader.flag() { try reader.skip(79) }
        }
        guard try reader.bits(2) == 0 else { return }
        try reader.skip(1)
        let resolution = try reader.bits(16)
        try reader.skip(1)
        if try reader.flag() { try reader.skip(max(1, 32 - (max(1, resolution) - 1).leadingZeroBitCount)) }
        try reader.skip(1)
        let width = try reader.bits(13)
        try reader.skip(1)
        size = Size(width, try reader.bits(13))
    }

    /// ITU-T H.263 section 5.1.
    private mutating func readH263(_ bytes: UnsafeRawBufferPointer) throws(BitstreamError) {
        var reader = BitReader(bytes)
        guard try reader.bits(22) == 0x20 else { return }
        try reader.skip(8 + 5)
        let known: [UInt32: Size] = [
            1: Size(width: 128, height: 96), 2: Size(width: 176, height: 144), 3: Size(width: 352, height: 288),
            4: Size(width: 704, height: 576), 5: Size(width: 1408, height: 1152),
        ]
        var format = try reader.bits(3)
        guard format == 7 else {
            isKey = try !reader.flag()
            size = known[format]
            return
        }
        let isWhole = try reader.bits(3) == 1
        if isWhole {
            format = try reader.bits(3)
            try reader.skip(15)
        }
        isKey = try reader.bits(3) == 0
        try reader.skip(6)
        guard isWhole else { return }
        if try reader.flag() { try reader.skip(2) }
        guard format == 6 else {
            size = known[format]
            return
        }
        try reader.skip(4)
        let width = (try reader.bits(9) + 1) * 4
        try reader.skip(1)
        size = Size(width, try reader.bits(9) * 4)
    }

    /// RFC 6386 section 9.1.
    private mutating func readVP8(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 10, bytes[0] & 1 == 0, bytes[3] == 0x9D, bytes[4] == 0x01, bytes[5] == 0x2A else { return }
        isKey = true
        size = Size(
            UInt32(bytes[7]) << 8 & 0x3F00 | UInt32(bytes[6]), UInt32(bytes[9]) << 8 & 0x3F00 | UInt32(bytes[8]))
    }

    /// The VP9 bitstream specification, section 6.2.
    private mutating func readVP9(_ bytes: UnsafeRawBufferPointer) throws(BitstreamError) {
        var reader = BitReader(bytes)
        guard try reader.bits(2) == 2 else { return }
        let low = try reader.bits(1)
        let profile = try reader.bits(1) << 1 | low
        if profile == 3 { try reader.skip(1) }
        // One that shows another again; then one that is no key frame.
        if try reader.flag() { return }
        if try reader.flag() { return }
        try reader.skip(2)
        guard try reader.bits(24) == 0x49_83_42 else { return }
        isKey = true
        if profile >= 2 { try reader.skip(1) }
        let isRGB = try reader.bits(3) == 7
        if !isRGB { try reader.skip(1) }
        if profile & 1 == 1 { try reader.skip(isRGB ? 1 : 3) }
        let width = try reader.bits(16) + 1
        size = Size(width, try reader.bits(16) + 1)
    }
}
